"""What is attached to mailings."""

from __future__ import annotations

from collections.abc import Sequence

from relay.model import File
from relay.store.sql.session import Reader, Session, beside_others

_OF_TASK = "FROM task_attachments WHERE task = ? ORDER BY number"
LOCK_NEW = "UPDATE tasks SET state = 'new' WHERE id = ? AND state = 'new'"  # nobody starts it, or attaches more, meanwhile


async def read(reader: Reader, task_id: int) -> tuple[File, ...]:
    """All of one. Raises StoreUnavailable."""
    rows = await reader.rows(f"SELECT file_name, data, content_id {_OF_TASK}", (task_id,))
    return tuple(File(name=name, data=bytes(data), content_id=content_id) for name, data, content_id in rows)


async def names(reader: Reader, task_id: int) -> tuple[str, ...]:
    """The same, without what is in them."""
    return tuple(name for (name,) in await reader.rows(f"SELECT file_name {_OF_TASK}", (task_id,)))


@beside_others
def attach_all(db: Session, items: Sequence[tuple[int, File]]) -> list[bool]:
    """Only while they are new: whether each was."""
    return [_attach(db, *item) for item in items]


def _attach(db: Session, task_id: int, file: File) -> bool:
    if not db.execute(LOCK_NEW, (task_id,)).rowcount:
        return False
    db.execute(
        "INSERT INTO task_attachments (task, number, file_name, content_id, data)"
        " SELECT ?, coalesce(max(number), 0) + 1, ?, ?, ? FROM task_attachments WHERE task = ?",
        (task_id, file.name, file.content_id, file.data, task_id),
    )
    return True


@beside_others
def detach_all(db: Session, items: Sequence[int]) -> list[bool]:
    """All of each; as above."""
    found = [bool(db.execute(LOCK_NEW, (task_id,)).rowcount) for task_id in items]
    gone = [task_id for task_id, is_found in zip(items, found, strict=True) if is_found]
    db.executemany("DELETE FROM task_attachments WHERE task = ?", [(task_id,) for task_id in gone])
    return found
