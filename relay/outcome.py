"""What came of one call of SES. Told apart once, in ses_errors.py, close to where the answer is seen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Sent:
    """SES has it."""

    ses_message_id: str


@dataclass(frozen=True, slots=True)
class Later:
    """Not now; the same call may work later. Uses up one failure; with `at_most` that many failures are the end."""

    reason: str
    at_most: int = 0


@dataclass(frozen=True, slots=True)
class SlowDown:
    """Over the account's rate. Uses up nothing; the sender slows."""

    reason: str


class HoldScope(StrEnum):
    """What a hold stops."""

    ACCOUNT = "account"
    IDENTITY = "identity"
    CONFIGURATION_SET = "configuration_set"
    CREDENTIAL = "credential"
    CREDENTIAL_BULK = "credential_bulk"  # its mail to many, and nothing else of it
    TASK = "task"  # a mailing
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing of this scope can be sent until someone mends it, or quota frees. Uses up nothing.

    `subject` is the held domain, configuration set ("" is the relay's own), credential or task. After `seconds` one call is the
    probe. A `bounded` hold keeps no delivery longer than its own time.
    """

    scope: HoldScope
    reason: str
    seconds: float
    subject: str = ""
    bounded: bool = False


@dataclass(frozen=True, slots=True)
class Never:
    """SES will not send this one."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """SES may have accepted it: the answer was lost or no answer at all."""

    reason: str


Outcome = Sent | Later | SlowDown | Hold | Never | Unknown
