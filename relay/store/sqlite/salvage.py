"""Copies every row that can be read of a damaged database into a new one."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import NoneType

from relay.store.sql import flows
from relay.store.sqlite import schema
from relay.store.sqlite.database import SqliteDatabase
from relay.store.sqlite.file.pages import Pages, Record, Unreadable

_BATCH = 1000
_IS_ROWID = (NoneType,)  # which stands elsewhere
_TYPES: dict[str, tuple[type, ...]] = {"TEXT": (str,), "INTEGER": (int,), "REAL": (int, float), "BLOB": (bytes,)}
# Pages that were given back still show rows as they once were. Where the list of those is damaged, a delivery that is over, or
# was tried more often, is the newer one, and a count that is higher.
_NEWER = {
    "deliveries": """ ON CONFLICT DO UPDATE SET state = excluded.state, attempt = excluded.attempt
        WHERE excluded.attempt > attempt OR (state IN ('queued', 'sending', 'in_doubt')
        AND excluded.state NOT IN ('queued', 'sending', 'in_doubt'))""",
    "counters": " ON CONFLICT DO UPDATE SET count = max(count, excluded.count)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """How much could be read. `damaged_log` are pages of the log, where they cost anything."""

    pages: int
    unreadable_pages: int
    unreadable_rows: int
    damaged_log: int

    @property
    def is_whole(self) -> bool:
        return not (self.unreadable_pages or self.unreadable_rows or self.damaged_log)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the rows of a table or an index look like: its columns in the order in which they are stored."""

    name: str
    is_table: bool
    columns: tuple[str, ...]
    types: tuple[tuple[type, ...], ...]

    def row(self, rowid: int, record: Record) -> Record:
        """With its number in the column that is another name for it, where the record has nothing."""
        place = next((place for place, types in enumerate(self.types) if types == _IS_ROWID), len(record))
        return (*record[:place], *([rowid] if place < len(record) else ()), *record[place + 1 :])

    def fits(self, record: Record) -> bool:
        """A row may be shorter, if its table got columns since."""
        return len(record) <= len(self.columns) and all(map(isinstance, record, self.types))


def salvage(damaged: Path, new: Path) -> Salvaged:
    """`damaged` is only read; `new` is made. Raises OSError or sqlite3.Error."""
    with Pages(damaged) as pages:
        db = sqlite3.connect(new, isolation_level=None)
        try:
            db.execute("PRAGMA synchronous = OFF")
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # as the relay makes its databases: before there is anything in them
            schema.migrate(db, new, to=pages.version or None)
            db.execute("BEGIN")
            unreadable_rows = _copy(pages, db)
            flows.mend(SqliteDatabase(db))
            for statement in _GO_ON:
                db.execute(statement)
            db.execute("COMMIT")
        finally:
            db.close()
        return Salvaged(
            pages=pages.count,
            unreadable_pages=pages.unknown,
            unreadable_rows=unreadable_rows,
            damaged_log=pages.log.damaged if pages.log.cut_off else 0,
        )


def _copy(pages: Pages, db: sqlite3.Connection) -> int:
    """Returns how many rows there were that cannot be read, or belong nowhere."""
    shapes = _shapes(db)
    owners = _owners(pages, shapes)
    batches: defaultdict[tuple[_Shape, int], list[Record]] = defaultdict(list)
    lost = 0
    for number in pages.holding():
        if owners[number] and not shapes[owners[number] - 1].is_table:
            continue  # what an index says its table says as well
        try:
            records, unreadable = pages.records(number)
        except Unreadable:
            continue
        lost += unreadable
        for rowid, record in records:
            shape = _shape_of(record, owners[number], shapes)
            lost += shape is None
            if shape and shape.is_table:
                batch = batches[shape, len(record)]
                batch.append(shape.row(rowid, record))
                if len(batch) == _BATCH:
                    _insert(db, shape, batch)
                    batch.clear()
    for (shape, _), batch in batches.items():
        _insert(db, shape, batch)
    return lost


def _insert(db: sqlite3.Connection, shape: _Shape, records: Sequence[Record]) -> None:
    if records:
        columns = shape.columns[: len(records[0])]
        db.executemany(
            f"INSERT OR IGNORE INTO {shape.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
            f"{_NEWER.get(shape.name, '')}",
            records,
        )


def _shape_of(record: Record, owner: int, shapes: Sequence[_Shape]) -> _Shape | None:
    """That of the tree which its page belongs to; where that is not known, the only one it can be."""
    if owner and shapes[owner - 1].fits(record):
        return shapes[owner - 1]
    fitting = [shape for shape in shapes if len(record) == len(shape.columns) and shape.fits(record)]
    return fitting[0] if len(fitting) == 1 else None


def _owners(pages: Pages, shapes: Sequence[_Shape]) -> bytearray:
    """For each page the number of its shape, from 1 on, as far as the trees can be walked."""
    numbers = {shape.name: number for number, shape in enumerate(shapes, 1)}
    owners = bytearray(pages.count + 1)
    for page in _claim_tree(pages, 1, numbers[_SCHEMA.name], owners):
        for _, record in pages.records(page)[0]:
            if _SCHEMA.fits(record) and record[1] in numbers:
                for _ in _claim_tree(pages, record[3], numbers[record[1]], owners):
                    pass
    return owners


def _claim_tree(pages: Pages, root: int, number: int, owners: bytearray) -> Iterator[int]:
    """The pages of a tree that can be read and are nobody's yet."""
    below = [root]
    while below:
        page = below.pop()
        if not 0 < page < len(owners) or owners[page]:
            continue
        with suppress(Unreadable):
            below += pages.children(page)
            owners[page] = number
            yield page


_SCHEMA = _Shape(
    name="sqlite_schema",
    is_table=False,
    columns=("type", "name", "tbl_name", "rootpage", "sql"),
    types=((str,), (str,), (str,), (int,), (str, NoneType)),
)
_NUMBERS = _Shape(name="sqlite_sequence", is_table=False, columns=("name", "seq"), types=((str,), (int,)))  # made anew
# What webhooks have read tells of facts that are gone: one with a smaller number would be told to nobody.
_GO_ON = (
    "INSERT INTO sqlite_sequence SELECT 'events', 0 WHERE 'events' NOT IN (SELECT name FROM sqlite_sequence)",
    "UPDATE sqlite_sequence SET seq = max(seq, (SELECT coalesce(max(fact), 0) FROM notices_read)) WHERE name = 'events'",
)


def _shapes(db: sqlite3.Connection) -> list[_Shape]:
    """Those of all tables and indexes of a database."""
    found = [_SCHEMA, _NUMBERS]
    tables = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    for name, sql in db.execute(tables).fetchall():
        columns = db.execute('SELECT name, type, "notnull", pk FROM pragma_table_info(?)', (name,)).fetchall()
        without_rowid = "WITHOUT ROWID" in sql.upper()
        types = {column: _types(kind, notnull, key, without_rowid) for column, kind, notnull, key in columns}
        if without_rowid:
            columns = sorted(columns, key=lambda column: column[3] or len(columns))
        found.append(_Shape(name, True, tuple(column[0] for column in columns), tuple(types[column[0]] for column in columns)))
        for index, origin in db.execute("SELECT name, origin FROM pragma_index_list(?)", (name,)).fetchall():
            if origin != "pk" or not without_rowid:
                parts = db.execute("SELECT name FROM pragma_index_xinfo(?)", (index,)).fetchall()
                found.append(_Shape(index, False, tuple(map(str, parts)), tuple(types.get(part, (int,)) for (part,) in parts)))
    return found


def _types(kind: str, notnull: int, key: int, without_rowid: bool) -> tuple[type, ...]:
    if key and kind == "INTEGER" and not without_rowid:
        return _IS_ROWID
    types = _TYPES.get(kind, (object,))
    return types if notnull or key else (*types, NoneType)
