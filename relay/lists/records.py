"""The rows of a table between delimiters, each with the line that it begins in. A quote that nobody closes costs one line."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from relay.lists.rows import BadRow

_MOST_LINES = 100  # of one row: a server's words may have line ends, in quotes
_OPEN = "unexpected end of data"  # what the csv module says of a line that ends within quotes

Cells = list[str]
_Line = tuple[int, str]


def records(lines: Iterable[str], delimiter: str, is_row: Callable[[Cells], bool]) -> Iterator[tuple[int, Cells | BadRow]]:
    """`is_row` says of the cells of a single line that they are a whole row: such a line is in nobody's quotes."""
    waiting: deque[_Line] = deque()
    coming = enumerate(lines, 1)
    while line := waiting.popleft() if waiting else next(coming, None):
        number, text = line
        more: list[_Line] = []
        found = _parsed(text, delimiter)
        while found is None and len(more) < _MOST_LINES and (line := waiting.popleft() if waiting else next(coming, None)):
            more.append(line)
            if _is_whole(line[1], delimiter, is_row):
                break
            found = _parsed(text + "".join(each for _, each in more), delimiter)
        if found is None:
            waiting.extendleft(reversed(more))
            found = "a quote that is not closed"
        yield number, BadRow(number, found) if isinstance(found, str) else found


def _is_whole(text: str, delimiter: str, is_row: Callable[[Cells], bool]) -> bool:
    found = _parsed(text, delimiter)
    return isinstance(found, list) and is_row(found)


def _parsed(text: str, delimiter: str) -> Cells | str | None:
    """The cells of one row; what is wrong with it; or None where it ends within quotes."""
    if '"' not in text:
        return text.rstrip("\r\n").split(delimiter)  # most rows, in half the time
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        return None if str(error) == _OPEN else str(error)
