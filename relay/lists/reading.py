"""Reads a list, whatever its kind: entries, and the rows that are none with the reason why not.

What it is is seen from its beginning: JSON, a JSON object per line, a table with or without a header, or an address per line.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from relay.lists import tables
from relay.lists.cells import restored
from relay.lists.records import records
from relay.lists.rows import BadRow, Given, Numbered, UnknownList, entries
from relay.lists.tables import Row, Table
from relay.suppression import Suppression

_SES_WITHOUT_HEADER = {"bounce", "complaint"}
_COMMENT = re.compile(r"(^|\s)#.*", re.DOTALL)
_SHOWN = 100


def read(file: Iterable[str], given: Given) -> Iterator[Suppression | BadRow]:
    """All of it, in its order. Raises UnknownList, where it can be seen before the first row."""
    first, lines = _first_line(iter(file))
    if not first:
        return iter(())
    return entries(_json(first, lines, given) if first[0] in "{[" else _table(first, lines, given), given)


def _first_line(file: Iterator[str]) -> tuple[str, Iterator[str]]:
    """The first that is not empty, and all lines. A table has its names there; above them are none."""
    before: list[str] = []
    for line in file:
        before.append(line)
        if line.strip():
            break
    return (before[-1].strip() if before else ""), chain(before, file)


def _json(first: str, lines: Iterator[str], given: Given) -> Numbered:
    if _found(_loaded(first), given):
        return ((number, *_object(_loaded(line), number, given)) for number, line in enumerate(lines, 1) if line.strip())
    try:
        document = json.loads("".join(lines))
    except (ValueError, RecursionError) as error:
        raise UnknownList(f"neither JSON nor a table: {error}") from None
    if isinstance(document, dict) and document.get("NextToken"):
        raise UnknownList("a page of SES's list, with more behind it (NextToken): `relay suppression sync` fetches all of it")
    items = _items(document)
    if items and not _found(items[0], given):
        raise UnknownList(f"JSON of a kind that is not known: {_shown(items[0])}")
    return ((number, *_object(item, number, given)) for number, item in enumerate(items, 1))


def _loaded(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _items(document: Any) -> list[Any]:
    """The list, or the one list in the object around it."""
    lists = [document] if isinstance(document, list) else []
    if isinstance(document, dict):
        lists = [value for value in document.values() if isinstance(value, list)]
    if len(lists) != 1:
        raise UnknownList("JSON, and no list in it")
    return lists[0]


def _found(item: Any, given: Given) -> Table | None:
    return tables.find([tables.normal(name) for name in item], given.format) if isinstance(item, dict) else None


def _object(item: Any, number: int, given: Given) -> tuple[Table, Row | BadRow]:
    table = _found(item, given)
    if table is None:
        return tables.TABLES[0], BadRow(number, f"not an entry: {_shown(item)}")
    return table, {tables.normal(name): _text(value) for name, value in item.items()}


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _shown(item: Any) -> str:
    return (", ".join(item) if isinstance(item, dict) else repr(item))[:_SHOWN]


def _table(first: str, lines: Iterator[str], given: Given) -> Numbered:
    delimiter = max(",;\t", key=first.count)
    try:
        cells = next(csv.reader([first], delimiter=delimiter))
    except csv.Error as error:
        raise UnknownList(f"not a table: {error}") from None
    names = tuple(map(tables.normal, cells))
    if "@" in first and given.format in ("", "ses") and _is_ses(cells):
        return _rows(lines, delimiter, ("emailaddress", "reason"), given, has_header=False)
    if "@" not in first and first[0] != "#" and not (given.format == "plain" and tables.find(names, "plain") is None):
        return _rows(lines, delimiter, names, given, has_header=True)
    if given.format not in ("", "plain"):
        raise UnknownList(f"no list of {given.format}: it begins with {first[:_SHOWN]}")
    return _plain(lines)


def _is_ses(cells: list[str]) -> bool:
    return len(cells) > 1 and cells[1].strip().lower() in _SES_WITHOUT_HEADER


def _plain(lines: Iterable[str]) -> Numbered:
    """An address per line. A # with a blank before it, or with nothing, begins a comment: addresses may have one within."""
    table = tables.find(("address",), "plain")
    assert table is not None
    for number, line in enumerate(lines, 1):
        if found := _COMMENT.sub("", line).strip():
            yield number, table, {"address": found}


def _rows(lines: Iterator[str], delimiter: str, names: tuple[str, ...], given: Given, *, has_header: bool) -> Numbered:
    table = tables.find(names, given.format)
    if table is None:
        raise UnknownList(f"a table of a kind that is not known, with the columns {', '.join(names)[:_SHOWN]}")
    if table.format == "sendgrid" and "status" in table.columns and "block" in given.name.lower() and given.reason is None:
        raise UnknownList("SendGrid goes on sending to those it lists as blocked: name a --reason to import them all the same")
    return _table_rows(lines, delimiter, table, names, has_header=has_header)


def _table_rows(lines: Iterator[str], delimiter: str, table: Table, names: tuple[str, ...], *, has_header: bool) -> Numbered:
    """The names are taken off once, and rows are numbered by the line that they begin in."""
    place, skips = names.index(table.address), has_header
    for number, row in records(lines, delimiter, lambda cells: len(cells) >= len(names) and "@" in cells[place]):
        if isinstance(row, BadRow):
            yield number, table, row
        elif not any(cell.strip() for cell in row):
            continue
        elif skips:
            skips = False
        elif len(row) < len(names):
            yield number, table, BadRow(number, f"{len(row)} columns instead of {len(names)}")
        else:
            yield number, table, dict(zip(names, map(restored, row) if table.is_ours else row, strict=False))
