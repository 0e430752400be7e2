"""What is sent otherwise than it was accepted: the table of docs/edits.md. All else goes as it came.

Worked out once, at intake, and laid over the content at each call: docs/decisions/0004-edits.md. A part that is encoded
anew is not kept a second time; its edit says how it is done, and that is the same each time.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import parseaddr

from relay import address as addresses
from relay.errors import Malformed
from relay.model import Edit, Place
from relay.reading import filenames, mime
from relay.reading.mime import Header, Parsed, Part
from relay.reading.octets import PIECE, Octets, Slices, slices
from relay.writing import fields, footers, headers, macros, merging, raw_fields, recoding
from relay.writing.footers import Footer
from relay.writing.macros import UNSUBSCRIBE, UNSUBSCRIBE_TOKEN, Links
from relay.writing.merging import Values

_LONGEST_NAME = 100
_NO_LINKS: Links = {}
_NO_VALUES: Values = {}
_MERGED_FIELDS = ("to", "subject")
_LIST_UNSUBSCRIBE = ("list-unsubscribe", "list-unsubscribe-post")
_IN_FIELDS = (UNSUBSCRIBE, UNSUBSCRIBE_TOKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEdits:
    """What is done for links of our own. `longest` are links as long as any; `list_id` is for mail of a list that has none.

    The pair of RFC 8058 is added where there is none, or `replaces` what there is; it names the `mailbox` as well, if there is
    one. The `footer` is for texts without [Unsubscribe].
    """

    longest: Links
    adds_pair: bool
    replaces: bool
    mailbox: str = ""
    footer: Footer | None = None
    list_id: str = ""

    def replaced(self, names: Collection[str]) -> Collection[str]:
        """Which of the fields there are go. What belongs to a List-Unsubscribe that is not there belongs to none of ours."""
        if self.replaces:
            return _LIST_UNSUBSCRIBE
        return _LIST_UNSUBSCRIBE[1:] if self.adds_pair and _LIST_UNSUBSCRIBE[0] not in names else ()

    def fields(self, kept: set[str]) -> Iterator[str]:
        """The macro in them stands for each recipient's own link."""
        if self.adds_pair and "list-unsubscribe" not in kept:
            by_mail = f",\r\n\t<mailto:{self.mailbox}?subject=[{UNSUBSCRIBE_TOKEN}]>" if self.mailbox else ""
            yield f"List-Unsubscribe: <[{UNSUBSCRIBE}]>{by_mail}"
            if "list-unsubscribe-post" not in kept:
                yield "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
        if self.list_id and "list-id" not in kept:
            yield f"List-Id: <{self.list_id}>"


_NO_EDITS = LinkEdits(longest=_NO_LINKS, adds_pair=False, replaces=False)


def needed(
    content: Octets,
    parsed: Parsed,
    *,
    message_id: str,
    hostname: str,
    protocol: str,
    now: float,
    also: Sequence[str] = (),
    send_as: str = "",
    links: LinkEdits | None = None,
    merged: Collection[str] = (),
) -> tuple[Edit, ...]:
    """Everything that changes, in order. Raises Malformed for what must change and cannot.

    `also` holds further fields; `send_as` is the address that From is rewritten to, if it is; `links` is what is done for links
    of our own, if anything is; `merged` are the names of merge fields.
    """
    names = {header.name for header in parsed.headers}
    removed = headers.removed(parsed.headers, names)
    if links:
        replaced = links.replaced(names)
        removed += [header for header in parsed.headers if header.name in replaced and header not in removed]
    gone = {header.start for header in removed}
    kept = {header.name for header in parsed.headers if header.start not in gone} if gone else names
    of_links = tuple(links.fields(kept)) if links else ()
    added = headers.added(kept, (*also, *of_links), message_id=message_id, hostname=hostname, protocol=protocol, now=now)
    found = [Edit(0, 0, added, links=_IN_FIELDS if of_links else ())]
    found += [Edit(header.start, header.end) for header in removed]
    if not recoding.is_ascii(content):
        found += _raw_fields(content, parsed, gone)
        for leaf in recoding.raw_leaves(content, parsed.parts):
            found += recoding.changes(content, leaf)
    _shorten(content, parsed, found)
    if send_as:
        found += _sent_as(parsed, send_as)
    if merged:
        found += _merged_fields(content, parsed, merged)
    if links or merged:
        found += _with_macros(content, parsed, found, links or _NO_EDITS, _of_senders(merged))
    return _in_order(found)


def _in_order(found: Sequence[Edit]) -> tuple[Edit, ...]:
    """A field that is written anew may have been folded before: what was found later counts."""
    unique = {(edit.start, edit.end): edit for edit in found}
    return tuple(unique[place] for place in sorted(unique))


def _merged_fields(content: Octets, parsed: Parsed, merged: Collection[str]) -> Iterator[Edit]:
    for header in parsed.headers:
        may_have = merged if header.name == "to" else _of_senders(merged)
        if header.name in _MERGED_FIELDS and (names := merging.found(header.value, may_have)):
            yield Edit(header.start, header.end, fields=names, place=Place.HEADER)


def _of_senders(merged: Collection[str]) -> Collection[str]:
    return frozenset(merged) - {merging.RECIPIENT}


def _with_macros(
    content: Octets, parsed: Parsed, found: Sequence[Edit], links: LinkEdits, merged: Collection[str]
) -> Sequence[Edit]:
    """The edits of the texts that have macros or merge fields, or get a footer."""
    texts = (part for part in filter(macros.may_have, parsed.parts) if macros.may_change(content, part))
    names = {part: macros.found(content, part) & links.longest.keys() for part in texts}
    is_footed = links.footer and not any(UNSUBSCRIBE in some for some in names.values())
    footed = footers.bearers(names) if is_footed else ()
    edits: list[Edit] = []
    for part, some in names.items():
        change = Edit(part.start, part.end, links=tuple(sorted(some)))
        if links.footer and part in footed:
            footer, place = links.footer.of(part, macros.whole(content, part))
            change = replace(change, links=tuple(sorted(some | {UNSUBSCRIBE})), footer=footer, footer_at=place)
        if merged and (names_of_fields := merging.found(macros.whole(content, part), merged)):
            shown = Place.HTML if part.content_type == "text/html" else Place.TEXT
            change = replace(change, fields=names_of_fields, place=shown)
        edits += _linked(content, part, found, change, links.longest) if change.links or change.fields else ()
    return edits


def _linked(content: Octets, part: Part, found: Sequence[Edit], change: Edit, longest: Links) -> Iterator[Edit]:
    """The edits of one: it is encoded anew, or if it was not encoded and its lines stay short, it is not."""
    place = (part.start, part.end)
    changes = [edit for edit in found if (edit.start, edit.end) == place]
    is_plain = not part.is_encoded and change.footer.isascii() and b"\0" not in change.footer and not change.fields
    if not changes and is_plain and macros.longest_line(content, part, longest) <= fields.MAX_LINE:
        changes = [change]
    for edit in changes or recoding.changes(content, part):
        is_body = (edit.start, edit.end) == place
        yield replace(change, decode=edit.decode, encode=edit.encode) if is_body else edit


def left_alone(content: Octets, parsed: Parsed, links: LinkEdits) -> str:
    """The type for whose sake macros stay as they are, or a footer is missing: what is signed or encrypted. Mostly empty."""
    fixed = (part for part in filter(macros.may_have, parsed.parts) if not macros.may_change(content, part))
    if any(macros.found(content, part) for part in fixed):
        return "its own encoding or signature"
    sealed = [part for part in parsed.parts if part.is_leaf and not recoding.body_may_change(part)]
    if sealed and (links.footer or any(macros.is_out_of_reach(content, part) for part in sealed)):
        return recoding.seal(sealed[0])
    return ""


def edited(
    content: Slices, edits: Sequence[Edit], links: Links = _NO_LINKS, values: Values = _NO_VALUES, *, length: int = PIECE
) -> Iterator[bytes]:
    """The content with its edits, in pieces, for the recipient whose links and merge fields they are. Everything outside of the
    edits is kept to the octet, and comes by `length` octets."""
    position = 0
    for edit in edits:
        yield from slices(content, position, edit.start, length=length)
        if edit.links or edit.fields:
            yield from _filled(content, edit, links, values)
        elif edit.encode:
            yield from recoding.recoded(slices(content, edit.start, edit.end), edit.decode, edit.encode)
        elif edit.text:
            yield edit.text
        position = edit.end
    yield from slices(content, position, len(content), length=length)


def _filled(content: Slices, edit: Edit, links: Links, values: Values) -> Iterable[bytes]:
    """Links first: what a value says is no macro."""
    pieces = macros.decoded(content, edit)
    if edit.links:
        pieces = macros.filled(pieces, links)
    if edit.fields:
        pieces = (merging.filled(b"".join(pieces), edit, values),)
    return recoding.encoded(pieces, edit.encode)


def _raw_fields(content: Octets, parsed: Parsed, gone: set[int]) -> Iterator[Edit]:
    """Those in raw 8-bit, of the message and of its parts, where they are not signed. Raises Malformed."""
    for part in filter(recoding.header_may_change, parsed.parts):
        for field in part.headers:
            if field.value.isascii() or field.start in gone:
                continue
            try:
                yield Edit(field.start, field.end, raw_fields.in_ascii(_line(content, field)))
            except Malformed:
                if "message/rfc822" not in part.within:  # what was sent on is what somebody else wrote
                    raise


def renamed(content: Octets, parsed: Parsed) -> Iterator[Part]:
    """The parts that may get another name, as they are sent: some readers end a name where its line or a piece of it ends."""
    effort = filenames.effort()
    for part in filter(recoding.header_may_change, parsed.parts):
        came = tuple(field for field in part.headers if field.name.startswith("content-"))
        sent = tuple(_as_sent(content, field) for field in came)
        if sent != came:
            yield part._replace(headers=sent, filenames=filenames.readings(sent, effort))


def _as_sent(content: Octets, field: Header) -> Header:
    """As it came where it cannot be written anew, which `needed` refuses."""
    line = _line(content, field)
    with suppress(Malformed, ValueError):
        if not line.isascii():
            line = raw_fields.in_ascii(line)
        elif recoding.long_line(line, 0) >= 0:
            line = fields.folded(line)
    return field._replace(value=line.removesuffix(b"\r\n")[len(field.name) + 1 :])


def _line(content: Octets, field: Header) -> bytes:
    return content[field.start : field.end]


def _shorten(content: Octets, parsed: Parsed, found: list[Edit]) -> None:
    """Adds what makes every line that is sent short enough. Raises Malformed."""
    line = recoding.long_line(content, 0)
    while line >= 0:
        end = next((edit.end for edit in found if edit.start <= line < edit.end), -1)
        if end < 0:
            shorter = list(_in_shorter_lines(content, parsed, line))
            found += shorter
            end = shorter[-1].end
        line = recoding.long_line(content, end)


def _in_shorter_lines(content: Octets, parsed: Parsed, line: int) -> Iterator[Edit]:
    """The edits for the field or leaf that holds the line; the last of them ends behind it."""
    for part in parsed.parts:
        if part.is_leaf and part.start <= line < part.end:
            if not recoding.body_may_change(part):
                raise Malformed("line too long in a signed part")
            yield from recoding.changes(content, part)
            return
        if part.headers and part.headers[0].start <= line < part.headers[-1].end:
            yield _folded(content, part, next(field for field in part.headers if line < field.end))
            return
    raise Malformed("line too long outside of any part")


def _folded(content: Octets, part: Part, field: Header) -> Edit:
    if not recoding.header_may_change(part):
        raise Malformed("header line too long")
    try:
        return Edit(field.start, field.end, fields.folded(_line(content, field)))
    except ValueError:
        raise Malformed("header line too long") from None


def _sent_as(parsed: Parsed, address: str) -> Iterator[Edit]:
    """A Reply-To that says nothing goes: there may be one, and From becomes it."""
    yield rewritten_from(parsed, address)
    if not parsed.first("reply-to"):
        yield from (Edit(header.start, header.end) for header in parsed.headers if header.name == "reply-to")


def rewritten_from(parsed: Parsed, address: str) -> Edit:
    """The one From header, which address.mailbox has read, as one of `address`: `"Anna via anna at example.net" <...>`.

    Whoever answers writes to where the message came from: that becomes the Reply-To, if there is none.
    """
    [header] = [header for header in parsed.headers if header.name == "from"]
    name = _name(mime.unfold(header.value).decode("utf-8", "replace"))
    came_from = addresses.mailbox(mime.unfold(header.value)).replace("@", " at ")  # in a name an @ is what forgers write
    shown = mime.text(name.encode()).replace("@", " at ")[:_LONGEST_NAME]
    lines = _from(f"{shown} via {came_from}" if shown else came_from, address)
    if not parsed.first("reply-to"):
        lines += _reply_to(header.value)
    return Edit(header.start, header.end, lines)


def _name(mailbox: str) -> str:
    try:
        return parseaddr(mailbox)[0]
    except RecursionError:  # comments in comments
        return ""


def _reply_to(value: bytes) -> bytes:
    """What was fit to be sent as a From may be too long with four letters more. Raises Malformed."""
    line = b"Reply-To:" + value + b"\r\n"
    if not line.isascii():
        return raw_fields.in_ascii(line)
    try:
        return fields.folded(line) if recoding.long_line(line, 0) >= 0 else line
    except ValueError:
        raise Malformed("header line too long") from None


def _from(shown: str, address: str) -> bytes:
    """The header with a name that may be anything."""
    printable = "".join(character for character in shown if character.isprintable())
    quoted = b'"' + re.sub(r'(["\\])', r"\\\1", printable).encode() + b'"'
    name = quoted if quoted.isascii() and b"=?" not in quoted else printable
    return fields.field(b"From", [fields.Word(b" ", name), fields.Word(b" ", f"<{address}>".encode())])
