"""Who logs in, and what they may do: frozen values without behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from relay.extensions import FORBIDDEN_EXTENSIONS


class Kind(StrEnum):
    """Who is behind a credential; sets the defaults of the two settings below."""

    APPLICATION = "application"
    PERSON = "person"


class MessageClass(StrEnum):
    """What a message is for."""

    UNSAID = ""
    TRANSACTIONAL = "transactional"
    MARKETING = "marketing"


class Macros(StrEnum):
    """What holds for [Unsubscribe] in a message."""

    OPTIONAL = "optional"
    REQUIRED = "required"  # a message without it is refused
    FOOTER = "footer"  # a message without it gets a line with it


class ListUnsubscribe(StrEnum):
    """What becomes of the List-Unsubscribe headers of mail that is not transactional."""

    OFF = "off"
    ADD = "add"  # where there are none
    REPLACE = "replace"


class Recipients(StrEnum):
    """What a second RCPT TO means."""

    ONE = "one"  # refused, and the whole message with it
    SPLIT = "split"  # each recipient is a delivery of its own
    FIRST = "first"  # later ones are taken and ignored


class OnSuppressed(StrEnum):
    """What becomes of mail to a suppressed address."""

    DROP = "drop"  # accepted and kept on record, never sent
    REJECT = "reject"  # refused at RCPT TO


# Where nothing else is said.
DEFAULTS = {
    Kind.APPLICATION: (Recipients.ONE, OnSuppressed.DROP),
    Kind.PERSON: (Recipients.SPLIT, OnSuppressed.REJECT),
}


class Scope(StrEnum):
    """What a login may be used for."""

    SMTP = "smtp"
    MESSAGES = "messages"  # these and all below by HTTP
    TASKS = "tasks"
    CONTACTS = "contacts"
    TEMPLATES = "templates"
    SENDERS = "senders"
    STATISTICS = "statistics"
    SUPPRESSIONS = "suppressions"
    EVENTS = "events"
    ACCOUNT = "account"
    QUEUE = "queue"
    PRIVACY = "privacy"


class LineEnds(StrEnum):
    """What becomes of a lone CR or LF in content."""

    REFUSE = "refuse"
    NORMALISE = "normalise"  # made CRLF


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """What may be attached beside what is denied to all, in lower case.

    An extension (`exe`) stands for everything that any reader may take for one, by name, type or content; `image/*` and
    `text/html` for a declared type; `magic:elf` for content alone. If `only` holds anything, nothing else may be attached.
    """

    also_denied: frozenset[str] = frozenset()
    permitted: frozenset[str] = frozenset()  # though denied to all
    only: frozenset[str] = frozenset()
    encrypted_archives: bool = True  # may pass
    lists_archives: bool = False  # the names inside of zip files are looked at, without extraction

    @property
    def denied(self) -> frozenset[str]:
        return _denied(self.also_denied, self.permitted)


@lru_cache(maxsize=100)
def _denied(also: frozenset[str], permitted: frozenset[str]) -> frozenset[str]:
    return (FORBIDDEN_EXTENSIONS - permitted) | also


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A login and what it may do.

    `password_hashes` holds the newest first; a second one is valid while clients change over. `senders` holds addresses
    (`shop@example.com`), domains (`@example.com`) and the sub-domains of one (`@*.example.com`), lower-cased, as A-labels;
    `networks` holds CIDR blocks, empty for everywhere; `null_sender` is the address put for `MAIL FROM:<>`, empty to refuse
    it. What would go out under an address that is not among `senders` goes out under `rewrite_from`, if there is one. Messages
    a minute and a day: 0 is what the settings say for all.
    """

    name: str
    kind: Kind
    password_hashes: tuple[str, ...]
    scopes: frozenset[Scope] = frozenset({Scope.SMTP})
    senders: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    recipients: Recipients = Recipients.ONE
    on_suppressed: OnSuppressed = OnSuppressed.DROP
    null_sender: str = ""
    rewrite_from: str = ""
    enhanced_codes: bool = True
    line_ends: LineEnds = LineEnds.REFUSE
    per_minute: int = 0
    per_day: int = 0
    attachments: Attachments = Attachments()
    ses_headers: bool = False  # X-SES-MESSAGE-TAGS and X-SES-CONFIGURATION-SET are obeyed, and not only removed
    message_class: MessageClass = MessageClass.UNSAID  # of messages that do not say
    macros: Macros = Macros.OPTIONAL
    list_unsubscribe: ListUnsubscribe = ListUnsubscribe.OFF
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LastUse:
    """When and from where a password was used last; `helo` is what the client called itself."""

    name: str
    password_hash: str
    at: float
    peer: str
    helo: str
