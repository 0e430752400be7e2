"""An error of the SES v2 API -> what it means for the message. A table, read from the top: code, then text.

Sources: the errors of SendEmail in the SES v2 API reference, "Common errors", and the developer guide's page on
sending-quota errors. SES has no idempotency token, so what may have been accepted is Unknown and never just repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from relay.outcome import Hold, HoldScope, Later, Never, Outcome, SlowDown, Unknown

Verdict = Literal["later", "slow_down", "never", "unknown", "hold_account", "hold_identity", "hold_configuration_set"]


@dataclass(frozen=True, slots=True)
class Row:
    """`code` without its `Exception` suffix; `text` is searched in the message in lower case, empty for any."""

    code: str
    text: str
    verdict: Verdict
    seconds: float = 0.0


_UNVERIFIED = "email address is not verified"

# How long a hold stands before the next message probes whether it was mended.
_QUOTA = 600.0
_MENDING = 300.0
_CLOCK = 30.0

_UNKNOWN_TRIES = 5

TABLE: tuple[Row, ...] = (
    Row("TooManyRequests", "daily message quota exceeded", "hold_account", _QUOTA),
    Row("TooManyRequests", "", "slow_down"),
    Row("Throttling", "maximum sending rate exceeded", "slow_down"),
    Row("Throttling", "daily message quota exceeded", "hold_account", _QUOTA),
    Row("Throttling", "", "later"),
    Row("LimitExceeded", "daily message quota exceeded", "hold_account", _QUOTA),
    Row("LimitExceeded", "", "later"),
    Row("InternalServiceError", "", "unknown"),
    Row("InternalFailure", "", "unknown"),
    Row("InternalError", "", "unknown"),
    Row("RequestTimeout", "", "unknown"),
    Row("ServiceUnavailable", "", "later"),
    Row("ConcurrentModification", "", "later"),
    Row("RequestExpired", "", "hold_account", _CLOCK),
    Row("RequestTimeTooSkewed", "", "hold_account", _CLOCK),
    Row("InvalidSignature", "signature expired", "hold_account", _CLOCK),
    Row("InvalidSignature", "signature not yet current", "hold_account", _CLOCK),
    Row("InvalidSignature", "", "hold_account", _MENDING),
    Row("SignatureDoesNotMatch", "", "hold_account", _MENDING),
    Row("UnrecognizedClient", "", "hold_account", _MENDING),
    Row("InvalidClientTokenId", "", "hold_account", _MENDING),
    Row("MissingAuthenticationToken", "", "hold_account", _MENDING),
    Row("IncompleteSignature", "", "hold_account", _MENDING),
    Row("ExpiredToken", "", "hold_account", _CLOCK),
    Row("OptInRequired", "", "hold_account", _MENDING),
    Row("AccountSuspended", "", "hold_account", _MENDING),
    Row("ConfigurationSetSendingPaused", "", "hold_configuration_set", _MENDING),
    Row("AccountSendingPaused", "", "hold_account", _MENDING),
    Row("SendingPaused", "", "hold_account", _MENDING),
    Row("MessageRejected", "paused", "hold_account", _MENDING),
    Row("ConfigurationSetDoesNotExist", "", "hold_configuration_set", _MENDING),
    Row("NotFound", "configuration set", "hold_configuration_set", _MENDING),
    Row("NotFound", "", "hold_account", _MENDING),
    Row("MailFromDomainNotVerified", "", "hold_identity", _MENDING),
    Row("AccessDenied", "identity/", "hold_identity", _MENDING),
    Row("AccessDenied", "configuration-set/", "hold_configuration_set", _MENDING),
    Row("AccessDenied", "", "hold_account", _MENDING),
    Row("MessageRejected", _UNVERIFIED, "hold_identity", _MENDING),
    Row("MessageRejected", "", "never"),
    Row("BadRequest", "", "never"),
    Row("InvalidParameterValue", "", "never"),
    Row("Validation", "", "never"),
    Row("ValidationError", "", "never"),
    Row("RequestEntityTooLarge", "", "never"),
    Row("MalformedQueryString", "", "hold_account", _MENDING),
    Row("InvalidAction", "", "hold_account", _MENDING),
    Row("InvalidQueryParameter", "", "hold_account", _MENDING),
    Row("NotAuthorized", "", "hold_account", _MENDING),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the call was about. `senders` are the addresses that the message has as such, in lower case, as is the recipient."""

    sender_domain: str = ""
    senders: frozenset[str] = frozenset()
    recipient: str = ""


def outcome_of(status: int, code: str, text: str, about: About) -> Outcome:
    """What an HTTP answer other than 200 means.

    `code` is the x-amzn-ErrorType header, with or without its `Exception` suffix and `:url` tail. In the SES sandbox
    "not verified" may name the recipient: then the fault is this message's alone, not the identity's.
    """
    name = code.partition(":")[0].rpartition("#")[2].removesuffix("Exception")
    reason = f"{status} {name or 'no code'}: {text}"[:500]
    lowered = text.lower()
    for row in TABLE:
        if row.code == name and row.text in lowered:
            return _outcome(row, reason, lowered, about)
    return _unlisted(status, reason)


def _outcome(row: Row, reason: str, text: str, about: About) -> Outcome:
    match row.verdict:
        case "later":
            return Later(reason)
        case "slow_down":
            return SlowDown(reason)
        case "never":
            return Never(reason)
        case "unknown":
            return Unknown(reason)
        case "hold_identity":
            if row.text != _UNVERIFIED:
                return Hold(HoldScope.IDENTITY, reason, row.seconds, about.sender_domain)
            if about.sender_domain and not _names_sender(text, about):
                return Never(reason)
            return Hold(HoldScope.IDENTITY, reason, row.seconds, about.sender_domain, bounded=True)
        case "hold_configuration_set":
            return Hold(HoldScope.CONFIGURATION_SET, reason, row.seconds)
        case "hold_account":
            return Hold(HoldScope.ACCOUNT, reason, row.seconds)


def _names_sender(text: str, about: About) -> bool:
    """Whether an identity in the text is the domain, or an address in it, and not the recipient's alone. SES cuts a long list,
    and ends it in dots.
    """
    words = {word.strip(".,;:()<>") for word in text.split()} - ({about.recipient} - about.senders)
    return text.endswith("...") or any(word.rpartition("@")[2] == about.sender_domain for word in words)


def _unlisted(status: int, reason: str) -> Outcome:
    """A code AWS added since: by status, and never so that mail is lost or sent twice. What was the message's fault
    time after time is given up.
    """
    if status == 429:
        return SlowDown(reason)
    if status == 408:
        return Unknown(reason)
    if status == 413 or "message length is more than" in reason.lower():
        return Never(reason)
    if status == 503:
        return Later(reason)
    if status >= 500:
        return Unknown(reason)
    return Later(reason, at_most=_UNKNOWN_TRIES)
