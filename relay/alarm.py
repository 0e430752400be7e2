"""What can stand that wants somebody to look: the kinds in a table, and one alarm as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple
from urllib.parse import quote


class Level(IntEnum):
    """How bad it is. What an operator did himself is shown, and told to nobody."""

    NOTE = 0
    WARNING = 1
    CRITICAL = 2


class Kind(StrEnum):
    """What is wrong. docs/alarms.md has a section for each, under this name."""

    STORE = "store"
    DOOR_CLOSED = "door_closed"
    ACCOUNT_STANDING = "account_standing"
    QUOTA_USED_UP = "quota_used_up"
    ACCOUNT_UNKNOWN = "account_unknown"
    HELD = "held"
    QUEUE_AGE = "queue_age"
    DISK_LOW = "disk_low"
    FEEDBACK_SILENT = "feedback_silent"
    QUEUE_UNREADABLE = "queue_unreadable"
    DEAD_LETTERS = "dead_letters"
    QUARANTINED = "quarantined"
    DOUBTS_WAIT = "doubts_wait"
    BOUNCES = "bounces"
    COMPLAINTS = "complaints"
    CERTIFICATE_ENDS = "certificate_ends"
    CERTIFICATE_REFUSED = "certificate_refused"
    CLOCK_DIFFERS = "clock_differs"
    CLOCK_JUMPED = "clock_jumped"
    WEBHOOK_DISABLED = "webhook_disabled"
    WEBHOOK_FAILS = "webhook_fails"
    LOGIN_QUOTA = "login_quota"
    TEST = "test"


class Meaning(NamedTuple):
    """For people: what is seen, what to do, where in the console. `begins` and `ends` are the events of the journal that tell
    it already; what none tells is told as `alarm` and `alarm_over`.
    """

    seen: str
    remedy: str
    path: str
    begins: str = ""
    ends: str = ""


MEANINGS: Mapping[Kind, Meaning] = {
    Kind.STORE: Meaning(
        "The database does not answer.", "Look at the database and its disk. Clients are told to try later.", "/", "trouble"
    ),
    Kind.DOOR_CLOSED: Meaning(
        "No mail is taken: {why}.",
        "See what stops the queue, or make room on the disk.",
        "/queue",
        "door_closed",
        "door_opened",
    ),
    Kind.ACCOUNT_STANDING: Meaning(
        "SES has put the account under {standing}, or lets it send nothing.",
        "Answer the case in the AWS Support Center.",
        "/queue",
        "account_standing",
        "account_standing",
    ),
    Kind.QUOTA_USED_UP: Meaning(
        "The quota of the account is used up.",
        "Mail waits and is not lost. Ask AWS for a higher quota.",
        "/queue",
        "lanes_open",
        "lanes_open",
    ),
    Kind.ACCOUNT_UNKNOWN: Meaning(
        "SES has not said for an hour what the account may send.",
        "Give the relay the right ses:GetAccount, or look at the network. Mail goes out at the rate that was known.",
        "/queue",
        "trouble",
    ),
    Kind.HELD: Meaning(
        "{what} is held: {why}", "What SES caused ends by itself; what the relay did is lifted by hand.", "/queue", "held"
    ),
    Kind.QUEUE_AGE: Meaning(
        "The oldest mail that may go has waited for {minutes} minutes.",
        "See what stops the queue; if nothing does, the rate of the account is too low.",
        "/queue",
    ),
    Kind.DISK_LOW: Meaning(
        "{free} MB of the disk are free; below {least} MB no mail is taken.", "Make room on the disk of the store.", "/queue"
    ),
    Kind.FEEDBACK_SILENT: Meaning(
        "Mail is sent and nothing comes back.",
        "Look at every hop of the way back.",
        "/feedback/setup",
        "feedback_silent",
        "feedback_heard",
    ),
    Kind.QUEUE_UNREADABLE: Meaning(
        "A queue of events cannot be read: {why}",
        "Give the relay its rights there, or correct its URL.",
        "/feedback",
        "feedback_queue_unreadable",
        "feedback_queue_readable",
    ),
    Kind.DEAD_LETTERS: Meaning(
        "A queue of events has given up {count} messages.",
        "Have them taken up once more.",
        "/feedback",
        "feedback_dead_letters",
        "feedback_dead_letters",
    ),
    Kind.QUARANTINED: Meaning(
        "Messages of a queue of events could not be used.",
        "See why, and try them again once it is mended.",
        "/feedback",
        "feedback_quarantined",
    ),
    Kind.DOUBTS_WAIT: Meaning(
        "Mail stays in doubt, for no events come that could settle it.",
        "Mend the way back, or retry or cancel by hand.",
        "/queue",
        "doubts_wait",
    ),
    Kind.BOUNCES: Meaning(
        "Hard bounces: {percent} %.",
        "Look at who bounces, and stop lists that were bought or are old.",
        "/messages?status=bounced",
        "reputation",
        "reputation",
    ),
    Kind.COMPLAINTS: Meaning(
        "Complaints: {percent} %.",
        "Look at which campaign people complain of, and make it easy to unsubscribe.",
        "/messages?status=complained",
        "reputation",
        "reputation",
    ),
    Kind.CERTIFICATE_ENDS: Meaning("The certificate {name} ends soon.", "Renew it; it is read anew by itself.", "/"),
    Kind.CERTIFICATE_REFUSED: Meaning(
        "New certificate files cannot be used: {why}",
        "The old ones are served on until they end. Put files there that fit.",
        "/",
        "certificate_refused",
        "certificate_loaded",
    ),
    Kind.CLOCK_DIFFERS: Meaning(
        "The clock of this machine differs from AWS's by {seconds} seconds.", "Let an NTP client set it.", "/", "clock_differs"
    ),
    Kind.CLOCK_JUMPED: Meaning("The clock was set by {seconds} seconds.", "See who sets it.", "/", "clock_jumped"),
    Kind.WEBHOOK_DISABLED: Meaning(
        "The webhook {name} is disabled: {why}",
        "What happens waits. Mend what it is told by, and let it go on.",
        "/webhooks/{name}",
        "webhook_disabled",
        "webhook_changed",
    ),
    Kind.WEBHOOK_FAILS: Meaning(
        "The webhook {name} has failed for over an hour.",
        "Look at what it answers.",
        "/webhooks/{name}",
        "webhook_fails",
        "webhook_works",
    ),
    Kind.LOGIN_QUOTA: Meaning(
        "The login {name} has sent all that it may today.",
        "If that is its mail, give it more; if not, disable it.",
        "/credentials/{name}",
        "quota_used_up",
    ),
    Kind.TEST: Meaning("A test: nothing is wrong.", "Nothing is to be done.", "/"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What is wrong, with what: a webhook's name, a login's, a queue's; empty where there is one such thing. `words` fill the
    braces of what is seen.
    """

    kind: Kind
    level: Level
    subject: str = ""
    words: Mapping[str, str]

    @property
    def text(self) -> str:
        """In English."""
        said = MEANINGS[self.kind].seen.format_map(self.words)
        return f"{said} ({self.subject})" if self.is_unnamed else said

    @property
    def is_unnamed(self) -> bool:
        """None of its words says with what."""
        return bool(self.subject) and self.words.keys().isdisjoint(("name", "what"))

    @property
    def path(self) -> str:
        """In the console."""
        return MEANINGS[self.kind].path.format_map({word: quote(said, safe="") for word, said in self.words.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stands:
    """An alarm as all nodes know it. `node` is who sees it, empty for what is no node's own; `over_at` is 0.0 while it stands.
    When it was told last by each of the ways, 0.0 for not yet; `failure` is why the last who was told did not take it.
    """

    alarm: Alarm
    node: str
    began_at: float
    seen_at: float
    over_at: float
    journal_at: float
    webhook_at: float
    mail_at: float
    failure: str
