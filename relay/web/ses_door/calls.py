"""One call, whichever of the two APIs it is of: who asks, for what, and what can be asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from relay.credential import Credential, Scope
from relay.model import Receipt
from relay.web.ses_door.faults import SesFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A login whose signature is right. `region` is the one that was signed; `receipt` is for what must happen once."""

    credential: Credential
    peer: str
    region: str
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came: `path` as it went over the wire, without the query."""

    method: str
    path: str
    query: Sequence[tuple[bytes, bytes]]
    body: bytes


Does = Callable[[Caller], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that SES can be asked, as it is called there; `does` gives the fields of its result."""

    name: str
    scope: Scope
    does: Does


class Dialect(Protocol):
    """One of the two APIs."""

    async def read(self, asked: Asked) -> Action:
        """Raises SesFault for what it does not know, and for what cannot be read."""

    def result(self, action: Action, fields: Mapping[str, Any], request_id: str) -> tuple[str, bytes]:
        """A content type, and a body."""

    def fault(self, fault: SesFault, request_id: str) -> tuple[int, dict[str, str], bytes]:
        """A status, headers, and a body."""
