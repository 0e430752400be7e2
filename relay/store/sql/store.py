"""All ports of the store, over one that writes and one that reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection

from relay.erasure import NO_MARKS, Marks
from relay.ports.nodes import Shared
from relay.store.sql.access_keys import SqlAccessKeys
from relay.store.sql.account import SqlAccount
from relay.store.sql.account_list import SqlAccountList
from relay.store.sql.alarms import SqlAlarms
from relay.store.sql.backlog import SqlBacklog
from relay.store.sql.contacts import SqlContacts
from relay.store.sql.counters import SqlCounters
from relay.store.sql.credentials import SqlCredentials
from relay.store.sql.desk import SqlDesk
from relay.store.sql.erasing import SqlErasing
from relay.store.sql.events import SqlEvents
from relay.store.sql.feedback import SqlFeedback
from relay.store.sql.feedback_log import SqlFeedbackLog
from relay.store.sql.identities import SqlIdentities
from relay.store.sql.imports import SqlImports
from relay.store.sql.links import SqlLinks
from relay.store.sql.marked import SqlMarked
from relay.store.sql.messages import SqlMessages
from relay.store.sql.notices import SqlNotices
from relay.store.sql.operators import SqlOperators
from relay.store.sql.personal import SqlPersonal
from relay.store.sql.provenance import SqlProvenance
from relay.store.sql.quarantine import SqlQuarantine
from relay.store.sql.queue import SqlQueue
from relay.store.sql.receipts import SqlReceipts
from relay.store.sql.restored import SqlRestored
from relay.store.sql.retention import SqlRetention
from relay.store.sql.search import SqlSearch
from relay.store.sql.session import Reader, Session
from relay.store.sql.suppressions import SqlSuppressions
from relay.store.sql.tasks import SqlTasks
from relay.store.sql.templates import SqlTemplates
from relay.store.sql.webhooks import SqlWebhooks
from relay.store.sql.writer import Writer

_SPOOLED = """SELECT id FROM messages m WHERE id IN (SELECT value FROM json_each(?))
    AND NOT EXISTS (SELECT 1 FROM bodies b WHERE b.lasts = m.lasts AND b.message_id = m.id)"""


class SqlStore:
    """To be closed in the end. `shorten` gives some of the room back that is free in the database, and says how much. Where
    several nodes may share it, it has what they share.
    """

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        *,
        shorten: Callable[[Session], int] = lambda _: 0,
        shared: Shared | None = None,
        marks: Marks = NO_MARKS,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self.shared = shared
        self.queue = SqlQueue(writer)
        self.suppressions = SqlSuppressions(writer, reader, marks)
        self.provenance = SqlProvenance(reader)
        self.credentials = SqlCredentials(writer, reader)
        self.access_keys = SqlAccessKeys(writer, reader)
        self.feedback = SqlFeedback(writer, reader)
        self.feedback_log = SqlFeedbackLog(reader)
        self.identities = SqlIdentities(writer, reader)
        self.messages = SqlMessages(reader)
        self.search = SqlSearch(reader)
        self.desk = SqlDesk(writer, reader)
        self.account = SqlAccount(writer, reader)
        self.backlog = SqlBacklog(reader)
        self.counters = SqlCounters(writer, reader)
        self.quarantine = SqlQuarantine(writer, reader)
        self.account_list = SqlAccountList(writer, reader)
        self.imports = SqlImports(writer)
        self.links = SqlLinks(writer, reader)
        self.receipts = SqlReceipts(reader)
        self.events = SqlEvents(reader)
        self.tasks = SqlTasks(writer, reader)
        self.templates = SqlTemplates(writer, reader)
        self.contacts = SqlContacts(writer, reader)
        self.operators = SqlOperators(writer, reader)
        self.webhooks = SqlWebhooks(writer, reader)
        self.notices = SqlNotices(writer, reader)
        self.alarms = SqlAlarms(writer, reader)
        self.restored = SqlRestored(writer)
        self.personal = SqlPersonal(reader)
        self.erasing = SqlErasing(writer, reader, marks)
        self.marked = SqlMarked(writer, reader)
        self.retention = SqlRetention(writer, reader, self.imports, shorten=shorten)

    async def spooled(self, some: Collection[str]) -> frozenset[str]:
        """Those of some messages whose content lies in the spool folder."""
        return frozenset(id for (id,) in await self._reader.rows(_SPOOLED, (json.dumps(list(some)),)))

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()
