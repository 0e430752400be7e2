"""Header fields in raw 8-bit, which SES does not take, in ASCII: read as before by whoever took them for UTF-8.

Text becomes RFC 2047 words where RFC 2047 5 lets them stand: in free text, in comments, in phrases. A parameter of
Content-Disposition becomes RFC 2231; the `name` of a Content-Type, which older readers look at, an encoded word in
quotes. What has no such form is Malformed, above all an address: it would become another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from relay.errors import Malformed
from relay.reading import mime
from relay.writing import fields
from relay.writing.fields import Word

_TOKEN = re.compile(rb'([ \t\r\n]*)("(?:[^"\\]|\\.)*"|<[^<>]*>|[(,:;]|(?:[^ \t\r\n"(,:;<\\]|\\.)+|[^ \t\r\n])', re.DOTALL)
_IN_COMMENT = re.compile(rb"([ \t\r\n]*)([()]|(?:[^ \t\r\n()\\]|\\.)+|[^ \t\r\n])", re.DOTALL)
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"?')
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_ENCODED_WORD = re.compile(rb"=\?[^?]+\?[BbQq]\?[^?]*\?=")
_PARAMETER = re.compile(rb';[ \t]*([^ \t=;"]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"?|[^;]*)')
_WELL_FORMED = re.compile(
    rb'[^;"]*+(?:;[ \t]*+(?:[^ \t=;"]++[ \t]*+=[ \t]*+(?:"(?:[^"\\]|\\.)*+"[ \t]*+|(?!")[^;"]*+))?+)*+', re.DOTALL
)
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_ATTRIBUTE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`{|}~"  # RFC 2231 7
_PERCENT = [bytes((octet,)) if octet in _ATTRIBUTE else b"%%%02X" % octet for octet in range(256)]
_LONGEST_PIECE = 54
_NEVER_TEXT = (b"boundary", b"charset")
_NONE = Word(b"", b"")


def in_ascii(line: bytes) -> bytes:
    """A field as it was written, its CRLF included, in ASCII. Raises Malformed."""
    name, _, value = line.removesuffix(b"\r\n").partition(b":")
    try:
        value.decode("utf-8")
        words = _READERS.get(name.lower(), _free_text)(value)
        return fields.field(name, _apart(words))
    except UnicodeDecodeError:
        raise Malformed("8-bit header not in UTF-8") from None
    except ValueError:
        raise Malformed("header line too long") from None


def _free_text(value: bytes) -> list[Word]:
    return [Word(white, word if word.isascii() else word.decode()) for white, word in fields.spaced(value)]


def _addresses(value: bytes) -> list[Word]:
    """In phrases, that is before < and before the colon of a group, and in comments."""
    return _structured(value, phrases_before=(b"<", b":"))


def _identifier(value: bytes) -> list[Word]:
    """In comments alone."""
    return _structured(value, phrases_before=())


def _structured(value: bytes, phrases_before: Sequence[bytes]) -> list[Word]:
    words: list[Word] = []
    special = b""  # the next one behind the word
    for white, token, in_comment in reversed(list(_tokens(value))):
        if not token.isascii() and not in_comment and (token.startswith(b"<") or special not in phrases_before):
            raise Malformed("8-bit in an address or identifier")
        words.append(Word(white, token if token.isascii() else _meaning(token)))
        if not in_comment and token[:1] in (b"<", b",", b":", b";"):
            special = token[:1]
    return words[::-1]


def _tokens(value: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """The white space before each token, the token, and whether it is of a comment."""
    position = depth = 0
    while match := (_IN_COMMENT if depth else _TOKEN).match(value, position):
        opens = match[2] == b"("
        yield match[1], match[2], depth > 0 or opens
        depth += 1 if opens else -1 if depth and match[2] == b")" else 0
        position = match.end()


def _meaning(token: bytes) -> str:
    """Without the quotes of a quoted string, and without the backslashes."""
    plain = token.replace(b"\r\n", b"")
    if len(plain) > 1 and plain.startswith(b'"') and plain.endswith(b'"'):
        plain = plain[1:-1]
    return _QUOTED_PAIR.sub(rb"\1", plain).decode()


def _parameters(value: bytes) -> list[Word]:
    line = mime.unfold(value)
    if b"(" in _QUOTED.sub(b"", line):
        raise Malformed("8-bit beside a comment")
    if not _WELL_FORMED.fullmatch(line):  # what stands behind a quote, say, would become part of the name
        raise Malformed("8-bit in a parameter")
    names = {match[1].lower() for match in _PARAMETER.finditer(line)}
    extended = {name.partition(b"*")[0] for name in names if b"*" in name}
    changed = _PARAMETER.sub(lambda match: _parameter(match, extended), line)
    if not changed.isascii():
        raise Malformed("8-bit in a parameter")
    return [Word(white or b" ", word) for white, word in fields.spaced(changed)]


def _parameter(match: re.Match[bytes], extended: set[bytes]) -> bytes:
    """`; name=value` in ASCII, where it can be. Some are there as RFC 2231 has them as well."""
    name, raw = match[1], match[2].strip()
    attribute = name.lower()
    if raw.isascii() or attribute in _NEVER_TEXT or b"=?" in raw:  # some readers would decode what looks encoded
        return match[0]
    if attribute.endswith(b"*"):
        return b"; " + name + b"=" + _BEYOND_ASCII.sub(lambda octet: b"%%%02X" % ord(octet[0]), raw)
    if b"*" in attribute:
        return match[0]
    text = _meaning(raw) if raw.startswith(b'"') else raw.decode()
    is_extended = attribute in extended
    if attribute != b"name" and not is_extended:
        return _extended(name, text)
    if '"' in text or "\\" in text:  # there are readers that decode first, and look for the quotes then
        return match[0] if is_extended else _extended(name, text)
    return b"; " + name + b'="' + b" ".join(fields.encoded_words(text, 60, 72)) + b'"'


def _extended(name: bytes, text: str) -> bytes:
    """RFC 2231: one parameter, or pieces of it where it is too long for one line. None cuts a character."""
    pieces = [b""]
    for character in text:
        encoded = b"".join(_PERCENT[octet] for octet in character.encode())
        if len(pieces[-1]) + len(encoded) > _LONGEST_PIECE:
            pieces.append(b"")
        pieces[-1] += encoded
    if len(pieces) == 1:
        return b"; " + name + b"*=utf-8''" + pieces[0]
    numbered = (b"%s*%d*=%s%s" % (name, n, b"" if n else b"utf-8''", piece) for n, piece in enumerate(pieces))
    return b"; " + b"; ".join(numbered)


def _apart(words: Sequence[Word]) -> Iterator[Word]:
    """Encoded words with white space around them.

    Readers drop the white space between two encoded words (RFC 2047 6.2): next to one that was there it has to be encoded.
    """
    merged = list(_merged(words))
    for before, (white, word), after in zip([_NONE, *merged], merged, [*merged[1:], _NONE], strict=False):
        if isinstance(word, str):
            leading = _unfolded(white) if _is_encoded(before.word) else ""
            trailing = _unfolded(after.white) if _is_encoded(after.word) else ""
            yield Word(white or b" ", leading + word + trailing)
        else:
            yield Word(white or b" " if isinstance(before.word, str) else white, word)


def _merged(words: Sequence[Word]) -> Iterator[Word]:
    """Neighbours that are to be encoded as one, with what stands between them."""
    for is_text, group in groupby(words, key=lambda each: isinstance(each.word, str)):
        if is_text:
            first, *rest = group
            yield Word(first.white, "".join((str(first.word), *(_unfolded(white) + str(word) for white, word in rest))))
        else:
            yield from group


def _is_encoded(word: bytes | str) -> bool:
    return isinstance(word, bytes) and _ENCODED_WORD.fullmatch(word) is not None


def _unfolded(white: bytes) -> str:
    return white.replace(b"\r\n", b"").decode()


_ADDRESSES = """from sender reply-to to cc bcc resent-from resent-sender resent-to resent-cc resent-reply-to list-id
    disposition-notification-to return-receipt-to errors-to bounces-to apparently-to mail-followup-to mail-reply-to"""
_IDENTIFIERS = """date message-id in-reply-to references resent-date resent-message-id received return-path delivered-to
    mime-version content-id content-transfer-encoding content-location content-md5 content-language content-length
    dkim-signature domainkey-signature authentication-results arc-seal arc-message-signature arc-authentication-results
    received-spf list-help list-unsubscribe list-unsubscribe-post list-subscribe list-post list-owner list-archive
    auto-submitted original-message-id"""

# What is not here is free text.
_READERS: dict[bytes, Callable[[bytes], list[Word]]] = {
    **dict.fromkeys(_ADDRESSES.encode().split(), _addresses),
    **dict.fromkeys(_IDENTIFIERS.encode().split(), _identifier),
    **dict.fromkeys((b"content-type", b"content-disposition"), _parameters),
}
