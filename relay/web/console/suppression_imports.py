"""/suppressions/import: a list comes in as a file, and a page tells how far it is and what came of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, MultipartReader

from relay.lists import tables
from relay.lists.rows import Given
from relay.operators import AuditEntry, OperatorRole
from relay.ports.access import Operators
from relay.ports.clock import Clock
from relay.ports.logins import Credentials
from relay.ports.operators import Admin
from relay.ports.suppressions import SortedList
from relay.web.console.chores import Chores
from relay.web.console.known_logins import KnownLogins
from relay.web.console.list_import import ListImport, Plan, Progress
from relay.web.console.sessions import UNREADABLE
from relay.web.console.suppression_forms import MAIL, REASONS, clean, reason_of, scope_of
from relay.web.console.visits import Go, Objection, Page, Route, Routes, Said, Visit, act, look

_CHORE = "import of a suppression list"
_PATH = "/suppressions/import"
_FILE = "file"
_CHUNK = 1 << 18
_MOST_OCTETS = 1 << 30
_ROOM = 3  # times its size, for the file and for its entries in their order
_LONGEST_FIELD = 1000
_MOST_FIELDS = 20
_LONGEST_NAME = 200
_FORMATS = (("", "seen from the file"), *((format, format) for format in tables.FORMATS))


class ImportPages:
    """Its routes. One list at a time: `new_list` makes the place where it is sorted."""

    def __init__(
        self,
        *,
        admin: Admin,
        credentials: Credentials,
        logins: KnownLogins,
        operators: Operators,
        chores: Chores,
        new_list: Callable[[], SortedList],
        clock: Clock,
    ) -> None:
        self._admin = admin
        self._credentials = credentials
        self._logins = logins
        self._operators = operators
        self._chores = chores
        self._new_list = new_list
        self._clock = clock
        self._progress: Progress | None = None

    def routes(self) -> Routes:
        operator = OperatorRole.OPERATOR
        upload = Route(
            method="POST",
            path=_PATH,
            does=self._upload,
            needs=operator,
            action="import of a list begun",
            is_upload=True,
        )
        return (
            look(_PATH, self._show, operator),
            upload,
            act(f"{_PATH}/stop", self._stop, operator, "import of a list stopped"),
        )

    async def _show(self, visit: Visit) -> Page:
        is_busy = self._chores.is_under_way(_CHORE)
        facts: dict[str, Any] = {
            "is_busy": is_busy,
            "progress": self._progress,
            "chore": self._chores.of(_CHORE),
            "formats": _FORMATS,
            "reasons": (("", "as the file says"), *REASONS),
            "mail": (("", "as the file says"), *MAIL[1:]),
            "logins": [] if is_busy else [login.name for login in await self._logins.all()],
        }
        return Page(template="suppression_import", facts=facts)

    async def _upload(self, visit: Visit) -> Go:
        """The file goes to the disk while it comes; what is to be done with it stands before it in the form."""
        if self._chores.is_under_way(_CHORE):
            raise Objection("A list is coming in already.")
        if visit.upload is None:
            raise Objection("Choose a file.")
        folder = tempfile.TemporaryDirectory(prefix="relay-upload-")
        try:
            path = Path(folder.name) / _FILE
            fields, name = await _received(visit.upload, path, visit.request.content_length or 0)
            plan = await self._plan(fields, name, visit.now)
            progress = Progress(name=name, size=path.stat().st_size)
            work = ListImport(path, plan, progress, admin=self._admin, new_list=self._new_list)
            self._chores.begin(_CHORE, lambda: self._run(work, progress, folder, visit))
        except BaseException:
            folder.cleanup()
            raise
        self._progress = progress
        return Go(path=_PATH, subject=name, detail=str({key: value for key, value in fields.items() if value}))

    async def _stop(self, visit: Visit) -> Go:
        """As soon as the step is over that it is in; nothing where it has ended."""
        if self._progress and self._chores.is_under_way(_CHORE):
            self._progress.is_stopped = True
        return Go(path=_PATH, subject=self._progress.name if self._progress else "")

    async def _plan(self, fields: dict[str, str], name: str, now: float) -> Plan:
        """Raises Objection."""
        format = fields.get("format", "")
        given = Given(
            source=f"import of {name}",
            now=now,
            format=format if format in tables.FORMATS else "",
            name=name,
            reason=reason_of(fields.get("reason", "")),
            scope=await scope_of(fields.get("mail", ""), fields.get("name", ""), self._credentials),
        )
        again, strict, dry = (fields.get(option) == "on" for option in ("again", "strict", "dry"))
        return Plan(given=given, again=again, strict=strict, dry=dry)

    async def _run(self, work: ListImport, progress: Progress, folder: tempfile.TemporaryDirectory[str], visit: Visit) -> Said:
        """Its end stands in the audit log as well."""
        try:
            said = await work.run()
        finally:
            folder.cleanup()
        entry = AuditEntry(
            at=self._clock(),
            operator=visit.operator.name,
            peer=visit.request.remote or "",
            action="import of a list ended",
            subject=progress.name,
            detail=_told(progress, said),
            outcome="failed" if progress.has_failed else "done",
        )
        await self._operators.note(entry)
        return said


def _told(progress: Progress, said: Said) -> str:
    done = progress.done
    counts = f" added {done.added}, longer {done.longer}, stood {done.stood}, released {done.released}" if done else ""
    return f"{said.text.format_map(said.words)} rows {progress.rows}, bad {progress.bad}{counts}"


async def _received(upload: MultipartReader, path: Path, size: int) -> tuple[dict[str, str], str]:
    """The fields before the file, and its name. Raises Objection."""
    _check_room(path, size)
    fields: dict[str, str] = {}
    try:
        while isinstance(part := await upload.next(), BodyPartReader):
            if part.name == _FILE:
                return fields, await _stored(part, path)
            if len(fields) == _MOST_FIELDS:
                break
            fields[part.name or ""] = clean((await part.read_chunk(_LONGEST_FIELD)).decode("utf-8", "replace"))
    except UNREADABLE:
        raise Objection("The file did not come whole.") from None
    raise Objection("Choose a file.")


async def _stored(part: BodyPartReader, path: Path) -> str:
    name = clean(part.filename or "")[:_LONGEST_NAME]
    octets = 0
    with path.open("wb") as file:
        while chunk := await part.read_chunk(_CHUNK):
            octets += len(chunk)
            if octets > _MOST_OCTETS:
                raise Objection("The file is larger than {most} MB.", most=_MOST_OCTETS >> 20)
            file.write(chunk)
    if not octets:
        raise Objection("Choose a file.")
    return name or "list"


def _check_room(path: Path, size: int) -> None:
    """Raises Objection where the disk would become full, or memory where that is one."""
    if size > _MOST_OCTETS:
        raise Objection("The file is larger than {most} MB.", most=_MOST_OCTETS >> 20)
    if shutil.disk_usage(path.parent).free < _ROOM * size:
        raise Objection("There is no room for it on the disk.")
