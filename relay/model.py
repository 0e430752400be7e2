"""The nouns of the relay: frozen values that travel between the floors. They hold no behaviour and no I/O.

Times are seconds since the epoch, UTC, as float. Identifiers are ULID text (26 characters, sortable by time); a delivery's
is its message's, a hyphen and the recipient's number, so that searching a log for the message finds its deliveries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from relay.credential import Credential, MessageClass
from relay.outcome import Hold


class State(StrEnum):
    """Where a delivery stands in the queue. All moves between them are in lifecycle.py."""

    QUEUED = "queued"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    SENT = "sent"
    SUPPRESSED = "suppressed"
    IGNORED = "ignored"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a client calls a request of its own, so that it has an effect once; `fingerprint` is of the whole request. It may
    come again under one of two keys.
    """

    key: str
    fingerprint: bytes
    also: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key, self.also) if self.also else (self.key,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Who sends to whom, and from where it came to us."""

    sender: str
    recipients: tuple[str, ...]
    credential: Credential
    peer: str
    helo: str
    protocol: str  # the RFC 3848 keyword of the Received line: ESMTPSA
    merged: frozenset[str] = frozenset()  # names of merge fields
    values: tuple[str, ...] = ()  # of these, for each recipient: as Delivery.fields has them
    task: int = 0
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class File:
    """An attachment; or an image in the text, where that shows `cid:` and its `content_id`. Without a type it has that of its
    name.
    """

    name: str
    data: bytes
    content_id: str = ""
    content_type: str = ""


class Encoding(StrEnum):
    """A Content-Transfer-Encoding that changes octets, or none."""

    NONE = ""
    QUOTED_PRINTABLE = "quoted-printable"
    BASE64 = "base64"


class Place(StrEnum):
    """Where the value of a merge field is put, and so how it is written."""

    TEXT = "text"
    HTML = "html"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Edit:
    """Octets [start, end) of the accepted content are sent as `text` instead, or anew in the encoding `encode`.

    `decode` is the encoding in which they came. `links` names macros: in their place each recipient gets his own links, in what
    the octets decode to or in `text`. A `footer` is put into what they decode to, before octet `footer_at` of it. `fields`
    names merge fields: in their place each recipient gets his own values, written as `place` needs it.
    """

    start: int
    end: int
    text: bytes = b""
    decode: Encoding = Encoding.NONE
    encode: Encoding = Encoding.NONE
    links: tuple[str, ...] = ()
    footer: bytes = b""
    footer_at: int = 0
    fields: tuple[str, ...] = ()
    place: Place = Place.TEXT


class Lane(StrEnum):
    """Mail that somebody waits for goes before mail to many."""

    TRANSACTIONAL = "transactional"
    BULK = "bulk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What the sender says about a message in X-Relay-* headers; empty where nothing was said.

    `send_at` is the earliest time, 0 for at once; after `expires_at` nobody wants it any more, 0 for the relay's own patience.
    `tags` are names and values. The last two are orders to SES, by the headers that SES has for them.
    """

    id: str = ""
    campaign: str = ""
    list: str = ""
    message_class: MessageClass = MessageClass.UNSAID
    send_at: float = 0.0
    expires_at: float = 0.0
    tags: tuple[tuple[str, str], ...] = ()
    ses_tags: tuple[tuple[str, str], ...] = ()
    configuration_set: str = ""

    @property
    def is_transactional(self) -> bool:
        """Said to be, not only not said to be marketing."""
        return self.message_class is MessageClass.TRANSACTIONAL

    @property
    def lane(self) -> Lane:
        return Lane.BULK if self.message_class is MessageClass.MARKETING else Lane.TRANSACTIONAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Deliveries that take turns with others, and that one hold can stop. `identity` is the sender's domain; `task` is the
    mailing that they are of, 0 for none.
    """

    id: int
    lane: Lane
    credential: str
    identity: str
    configuration_set: str
    task: int = 0


class Origin(NamedTuple):
    """Whose mail it is, for the statistics; empty where that is not known, or of no task."""

    credential: str
    sender_domain: str
    campaign: str
    task: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An accepted message. `digest` (BLAKE3) and `size` are of the content as it was accepted, before `edits`."""

    id: str
    accepted_at: float
    credential: str
    sender: str
    header_from: str
    client_message_id: str
    subject: str
    peer: str
    size: int
    digest: bytes
    edits: tuple[Edit, ...]
    labels: Labels = Labels()
    task: int = 0

    @property
    def load(self) -> int:
        """Octets that each delivery of it counts for in the queue. Those of a mailing share one content, and count for none."""
        return 0 if self.task else self.size

    @property
    def links(self) -> frozenset[str]:
        """The macros in whose place its recipients get links."""
        return frozenset(name for edit in self.edits for name in edit.links)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one recipient: one row of the queue, one call of SES.

    `attempt` counts calls, also those that cost nothing; `failures` drives back-off and give-up. `fields` is a JSON object:
    what merge fields are for this recipient, and empty where there are none.
    """

    message_id: str
    number: int
    recipient: str
    state: State
    due_at: float
    expires_at: float
    attempt: int = 0
    failures: int = 0
    reason: str = ""
    fields: str = ""

    @property
    def id(self) -> str:
        return f"{self.message_id}-{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery under our lease, with all that its call needs. `content` is None where it lies in a spool file.

    `held` are the seconds for which holds stopped it until now: our patience did not run out meanwhile.
    """

    delivery: Delivery
    message: Message
    flow: int
    content: bytes | None
    held: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a call did to a delivery: written by the store, fenced by the attempt. `size` is its message's load,
    `origin` whose mail it is.
    """

    delivery: Delivery
    flow: int
    size: int
    origin: Origin
    state: State
    due_at: float
    failures: int
    at: float
    reason: str = ""
    ses_message_id: str = ""
    hold: Hold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of a message's life, for people."""

    at: float
    what: str
    recipient: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A message, its deliveries and everything that happened to it, in order. Content is kept for less long.

    `held` says of each delivery what keeps it from being sent, as long as that stands.
    """

    message: Message
    deliveries: tuple[Delivery, ...]
    statuses: tuple[str, ...]
    held: tuple[str, ...]
    has_content: bool
    moments: tuple[Moment, ...] = field(default=())
