"""What may be attached: every file that any reader may find in a message is judged, by name, by declared type and by content.

Readers disagree, so their readings are all judged, and one that is forbidden is enough. Nothing is extracted, nothing changed,
and what is decoded is held once. What is done and why: docs/attachments.md.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, compress

from relay.credential import Attachments
from relay.errors import AttachmentNotAllowed, Malformed
from relay.reading import archives, enclosed, magic, media_types, mime, tnef, transfer
from relay.reading.effort import Effort
from relay.reading.enclosed import Enclosed
from relay.reading.fields import only, text, unfold
from relay.reading.filenames import extensions
from relay.reading.mime import Parsed, Part
from relay.reading.octets import Octets

_HEAD = 16 * 1024
_MAX_ENCODED_DEPTH = 3  # messages in encoded messages; RFC 2046 5.2.1 allows none at all
_BODIES = frozenset(("", "text/plain", "text/html", "text/enriched", "text/richtext", "text/x-amp-html", "text/watch-html"))
_TNEF_TYPES = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))
_ZIPS = frozenset(("zip", "jar", "odf", "ooxml"))
_ARCHIVES = _ZIPS | {"7z", "rar"}
_ZIP_END, _LONGEST_ZIP_END = b"PK\x05\x06", 22 + 0xFFFF  # APPNOTE.TXT 4.3.16: it is looked for from the end
_WEB = ("http://", "https://", "//")
_OLD_NAMES = ("content-name", "x-sun-data-name")  # which name a file for some


def _ends_with_domain(text: str, marks: str) -> bool:
    """One in .com, which is no program there."""
    return text.lower().endswith(".com") and any(mark in text for mark in marks)


_NO_NAMES: dict[str, Callable[[str], bool]] = {  # mostly a sentence, an identifier or a URL
    "content-description": lambda text: _ends_with_domain(text, " @/"),
    "content-location": lambda text: text.lower().startswith(_WEB) or _ends_with_domain(text, "@"),
}
_OLD_MULTIPART = "x-sun-attachment"
_LEGIBLE_TYPES = ("text/", "application/mac-binhex")
_ENCLOSING = (b"begin", b"(This file must be converted with BinHex")
_SAVED_MESSAGES = frozenset(("eml", "mht", "mhtml", "nws"))  # message/rfc822 to some, where the type says nothing
_BEFORE_MESSAGE = re.compile(rb"(?:\xef\xbb\xbf)?(?:>?From [^\n]*\n)?")  # in files, from editors and mailboxes
_QUOTES = re.compile(r"[\"\\]")
_TYPE = re.compile(r"(?<![A-Za-z0-9.+_-])[A-Za-z0-9.+_-]++/[A-Za-z0-9.+_-]++")
_PART_FIELD = re.compile(rb"\ncontent-", re.IGNORECASE)
_NO_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*+(?:\r\n|\Z))")
_LINE_END = re.compile(rb"\r\n|\r|\n")


def check(content: Octets, parsed: Parsed, policy: Attachments) -> None:
    """Raises AttachmentNotAllowed for the first file that may not be attached, or Malformed."""
    _check(content, parsed, policy, enclosed.effort(), 0)


def _check(content: Octets, parsed: Parsed, policy: Attachments, effort: Effort, depth: int) -> None:
    attached = [_is_attached(part) for part in parsed.parts]
    for start, end in _legible(parsed, attached):
        _check_enclosed(enclosed.find(effort, content, start, end), policy)
    for part, is_attached in zip(parsed.parts, attached, strict=True):
        if part.content_type.startswith(_OLD_MULTIPART):
            raise Malformed("a Content-Type that is no type")
        check_named(part, policy)
        if is_attached:
            _check_type(part, policy)
        if not part.is_leaf:
            continue
        is_message = part.content_type.startswith("message/")
        if is_message or _is_saved_message(part):
            _check_message(content, part, policy, effort, depth)
        if not is_attached:
            _check_text(content, part, policy, effort)
        elif not is_message:
            _check_file(content, part, policy, effort)


def _legible(parsed: Parsed, attached: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Where text may stand: everywhere but in files in base64, which hold nothing else or are refused."""
    files = [part for part in compress(parsed.parts, attached) if part.is_leaf and part.encoding == b"base64"]
    position = parsed.parts[0].start
    for file in sorted(files, key=lambda part: part.start):
        yield position, file.start
        position = file.end
    yield position, parsed.parts[0].end


def check_named(part: Part, policy: Attachments) -> None:
    """By its names and what its declared type is taken for. Raises AttachmentNotAllowed."""
    for name in _names(part):
        _check_name(name, policy)
    for extension in _taken_for(part):
        if extension in policy.denied:
            raise AttachmentNotAllowed(extension)


def _taken_for(part: Part) -> list[str]:
    return [media_types.EXTENSIONS.get(found, "") for found in _types(part)]


def _check_type(part: Part, policy: Attachments) -> None:
    """Of what is attached, by the rules that name types, and by what alone may be attached."""
    if _matches(part.content_type, policy.denied):
        raise AttachmentNotAllowed(part.content_type)
    if policy.only and not _matches(part.content_type, policy.only):
        named = {found for name in _names(part) for found in extensions(name) if found}
        _check_allowed(named or set(_taken_for(part)), part, policy)


def _check_allowed(found: set[str], part: Part, policy: Attachments) -> None:
    for extension in sorted(found - policy.only):
        raise AttachmentNotAllowed(extension or part.content_type)


def _check_name(name: str, policy: Attachments) -> None:
    for extension in extensions(name):
        if extension in policy.denied:
            raise AttachmentNotAllowed(extension)


def _types(part: Part) -> list[str]:
    """All that may be taken for the type: where one stands that is none, some search on."""
    if part.content_type in _BODIES or _TYPE.fullmatch(part.content_type):
        return [part.content_type]
    value = text(only(part.headers, "content-type"))
    return [found.lower() for line in (value, _QUOTES.sub("", value)) for found in _TYPE.findall(line)]


def _names(part: Part) -> Sequence[str]:
    """Its description or location is the name of a file that has no other, for some."""
    old = (text(unfold(field.value)) for field in part.headers if field.name in _OLD_NAMES)
    named = (*part.filenames, *old)
    if named or part.content_type in _BODIES or part.content_type.startswith(("multipart/", "message/")):
        return named
    shown = [(text(unfold(field.value)), _NO_NAMES[field.name]) for field in part.headers if field.name in _NO_NAMES]
    return [name for name, is_no_name in shown if not is_no_name(name)]


def _is_attached(part: Part) -> bool:
    """Text that has no name is there to be read, and so is what only holds other parts."""
    if part.content_type.startswith("multipart/"):
        return False
    if part.filenames or part.content_type.partition("/")[0] not in ("", "text"):
        return True
    return any(f.name == "content-disposition" and unfold(f.value)[:10].lower() == b"attachment" for f in part.headers)


def _is_saved_message(part: Part) -> bool:
    return any(extension in _SAVED_MESSAGES for name in _names(part) for extension in extensions(name))


def _matches(content_type: str, rules: Iterable[str]) -> bool:
    """Whether a rule names the type, or all of its kind: image/*."""
    return any(rule in (content_type, f"{content_type.partition('/')[0]}/*") for rule in rules if "/" in rule)


def _check_text(content: Octets, part: Part, policy: Attachments, effort: Effort) -> None:
    """What stands there plainly was looked through with the whole content."""
    encoding = part.encoding
    decode = transfer.lenient_base64 if b"64" in encoding else transfer.quoted_printable if b"quoted" in encoding else None
    octets = content[part.start : min(part.end, part.start + _HEAD)]
    if decode:
        octets = transfer.joined(decode(content, part.start, part.end))
    _check_content(magic.kinds(octets), policy)
    if decode:
        _check_enclosed(enclosed.find(effort, _narrow(octets)), policy)


def _narrow(octets: bytes) -> bytes:
    """A text in UTF-16 or UTF-32 as ASCII."""
    return octets.replace(b"\0", b"") if octets.find(b"\0", 0, 64) >= 0 else octets


def _check_file(content: Octets, part: Part, policy: Attachments, effort: Effort) -> None:
    """By its content, as it lies there and decoded. Raises Malformed where readers would decode it differently."""
    decode = transfer.DECODERS.get(part.encoding)
    if not decode:
        raise Malformed("an attachment in an unknown transfer encoding")
    if part.is_encoded:
        _check_head(content[part.start : min(part.end, part.start + _HEAD)], policy)
    pieces = decode(content, part.start, part.end)
    head = next(pieces, b"")
    if part.content_type in _TNEF_TYPES or part.content_type.startswith("text/") or _needs_all(head, policy):
        _check_octets(transfer.joined(chain((head,), pieces)), part, policy, effort)
    else:
        _check_octets(head, part, policy, effort)
        deque(pieces, maxlen=0)  # whether it can be decoded


def _needs_all(octets: bytes, policy: Attachments) -> bool:
    return magic.needs_all(octets[:64]) or _looks_into_archives(policy)


def _looks_into_archives(policy: Attachments) -> bool:
    return policy.lists_archives or not policy.encrypted_archives


def _check_octets(octets: bytes, part: Part, policy: Attachments, effort: Effort) -> None:
    _check_whole(octets, policy)
    if part.content_type in _TNEF_TYPES or octets.startswith(tnef.MARK):
        for name, content in tnef.attachments(octets):
            _check_enclosed((Enclosed(name, b""),), policy)
            _check_whole(content, policy)
    if part.content_type.startswith(_LEGIBLE_TYPES) or octets.startswith(_ENCLOSING):
        _check_enclosed(enclosed.find(effort, _narrow(octets)), policy)


def _check_whole(octets: bytes, policy: Attachments) -> None:
    """A file, by how it begins and, if it is an archive, by what it holds."""
    _check_head(octets, policy)
    if not _looks_into_archives(policy):
        return
    kinds = set(magic.kinds(octets))
    if _ZIP_END in octets[-_LONGEST_ZIP_END:]:
        kinds.add("zip")
    for kind in kinds & _ARCHIVES:
        _check_archive("zip" if kind in _ZIPS else kind, octets, policy)


def _check_head(octets: bytes, policy: Attachments) -> None:
    _check_content(magic.kinds(octets), policy)
    _check_content(magic.texts(octets[:_HEAD]), policy)


def _check_content(kinds: Iterator[str], policy: Attachments) -> None:
    for kind in kinds:
        extension = magic.EXTENSIONS.get(kind, kind)
        if f"magic:{kind}" in policy.denied:
            raise AttachmentNotAllowed(kind)
        is_other = policy.only and kind in magic.PROGRAMS and policy.only.isdisjoint((extension, f"magic:{kind}"))
        if extension in policy.denied or is_other:
            raise AttachmentNotAllowed(extension)


def _check_archive(kind: str, octets: Octets, policy: Attachments) -> None:
    if not policy.encrypted_archives and archives.is_encrypted(kind, octets):
        raise AttachmentNotAllowed(kind)
    if policy.lists_archives and kind == "zip":
        names = [entry.name for entry in archives.entries(octets)]
        for name in names:
            _check_name(name, policy)
        if "META-INF/MANIFEST.MF" in names and any(name.endswith(".class") for name in names):
            _check_content(iter(("jar",)), policy)


def _check_enclosed(found: Iterable[Enclosed], policy: Attachments) -> None:
    for name, head in found:
        _check_name(name, policy)
        _check_head(head, policy)
        shown = {extension for extension in extensions(name) if extension}
        if policy.only and not shown <= policy.only:
            raise AttachmentNotAllowed(min(shown - policy.only))


def _check_message(content: Octets, part: Part, policy: Attachments, effort: Effort, depth: int) -> None:
    """A message that mime.py did not read: in an encoding that RFC 2046 5.2.1 forbids, or of a type that few look into.

    Some decode it and some do not: both are judged, where what lies there can say that it holds a file.
    """
    if depth == _MAX_ENCODED_DEPTH:
        raise Malformed("messages in encoded messages")
    has_fields = _PART_FIELD.search(content[part.start - 1 : part.end]) is not None  # a body has a line end before it
    if has_fields and part.content_type.endswith("delivery-status"):
        raise Malformed("something like a part in a delivery report")  # whose blocks are parts to some
    decode = transfer.DECODERS.get(part.encoding)
    if not decode:
        raise Malformed("an attachment in an unknown transfer encoding")
    if has_fields or not part.is_encoded:
        _check_inner(content[part.start : part.end], policy, effort, depth)
    if part.is_encoded:
        if decode is transfer.quoted_printable and _NO_ESCAPE.search(content[part.start : part.end]):
            raise Malformed("a message in quoted-printable that cannot be decoded")
        _check_inner(_lines(transfer.joined(decode(content, part.start, part.end))), policy, effort, depth)


def _check_inner(inner: bytes, policy: Attachments, effort: Effort, depth: int) -> None:
    if before := _BEFORE_MESSAGE.match(inner):
        inner = inner[before.end() :]
    if inner.find(b"\0") >= 0:
        raise Malformed("NUL in a message")
    _check(inner, mime.read(inner), policy, effort, depth + 1)


def _lines(decoded: bytes) -> bytes:
    """With the line ends that mail has; those that were encoded may be others."""
    ends = decoded.count(b"\r\n")
    return decoded if ends == decoded.count(b"\n") == decoded.count(b"\r") else _LINE_END.sub(b"\r\n", decoded)
