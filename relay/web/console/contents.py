"""The content of a message, for the pages about it: read from where it is kept, and looked at in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from relay.errors import DamagedBody, Malformed
from relay.links import LinkedMail
from relay.ports.bodies import Bodies
from relay.ports.links import LinkStore
from relay.reading.octets import Slices
from relay.tokens import Kind, Link
from relay.web.console.visits import NotThere, Objection
from relay.writing import edits, merging

T = TypeVar("T")

_AT_ONCE = 2  # each may hold a large message in memory


class Contents:
    """As it was sent to its recipient, but without his own links: nobody is to follow them for him."""

    def __init__(self, *, store: LinkStore, bodies: Bodies) -> None:
        self._store = store
        self._bodies = bodies
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def look(self, delivery_id: str, reading: Callable[[bytes], T]) -> T:
        """What is made of it. Raises NotThere where it is not kept any more, Objection where it cannot be read, and
        StoreUnavailable.
        """
        message_id, _, number = delivery_id.partition("-")
        mail = await self._store.mail(Link(Kind.WEB_VERSION, message_id, int(number)))
        if mail is None:
            raise NotThere
        try:
            async with self._turns:
                content = await self._bodies.read(mail.message, mail.content)
                return await asyncio.to_thread(lambda: reading(_sent(mail, content)))
        except DamagedBody:
            raise Objection("What is kept of this message is not what was accepted: it is damaged.") from None
        except Malformed as error:
            raise Objection("This message cannot be taken apart: {why}. Its source is there.", why=error.subject) from None


def _sent(mail: LinkedMail, content: Slices) -> bytes:
    return b"".join(edits.edited(content, mail.message.edits, {}, merging.values(mail.fields)))
