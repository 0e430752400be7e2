"""What goes wrong, in the words of SES: one table for both of its APIs.

A fault of ours is 5xx, so that the other side tries again: SES API reference, "Common Errors", and the errors of each call.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from relay import errors
from relay.once import KeyReused
from relay.replies import printable
from relay.sigv4 import BadSignature, Flaw
from relay.web import bodies


class Words(NamedTuple):
    """Code and HTTP status in the query API, and in v2."""

    code: str
    status: int
    v2_code: str
    v2_status: int


class Kind(Enum):
    """What kind of fault it is."""

    UNSIGNED = Words("MissingAuthenticationToken", 403, "MissingAuthenticationTokenException", 403)
    INCOMPLETE = Words("IncompleteSignature", 400, "IncompleteSignatureException", 403)
    UNKNOWN_KEY = Words("InvalidClientTokenId", 403, "UnrecognizedClientException", 403)
    STALE = Words("RequestExpired", 400, "InvalidSignatureException", 403)
    WRONG = Words("SignatureDoesNotMatch", 403, "InvalidSignatureException", 403)
    DENIED = Words("AccessDenied", 403, "AccessDeniedException", 403)
    NO_ACTION = Words("InvalidAction", 400, "UnknownOperationException", 404)
    INVALID = Words("InvalidParameterValue", 400, "BadRequestException", 400)
    NO_TOKEN = Words("InvalidNextToken", 400, "InvalidNextTokenException", 400)
    NOT_THERE = Words("InvalidParameterValue", 400, "NotFoundException", 404)
    REJECTED = Words("MessageRejected", 400, "MessageRejected", 400)
    TOO_FAST = Words("Throttling", 400, "TooManyRequestsException", 429)
    DAY_IS_OVER = Words("Throttling", 400, "LimitExceededException", 400)
    AWAY = Words("ServiceUnavailable", 503, "ServiceUnavailableException", 503)
    OUR_FAULT = Words("InternalFailure", 500, "InternalServiceErrorException", 500)


class SesFault(Exception):
    """What was asked is not done. The text is for people."""

    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = printable(text)

    @property
    def is_ours(self) -> bool:
        return self.kind.value.status >= 500


_BY_FLAW = {
    Flaw.MISSING: Kind.UNSIGNED,
    Flaw.INCOMPLETE: Kind.INCOMPLETE,
    Flaw.UNKNOWN_KEY: Kind.UNKNOWN_KEY,
    Flaw.STALE: Kind.STALE,
    Flaw.WRONG: Kind.WRONG,
}
_UNVERIFIED = "Email address is not verified. The following identities failed the check in region {region}: {subject}"
_LARGE = "Message length is more than {most} bytes long."
_RATE, _DAY = "Maximum sending rate exceeded.", "Daily message quota exceeded."

# The first that an error is one of.
_FAULTS: tuple[tuple[type[errors.RelayError], Kind, str], ...] = (
    (errors.SenderNotAllowed, Kind.REJECTED, _UNVERIFIED),
    (errors.RecipientSuppressed, Kind.REJECTED, "Address is on the suppression list: {subject}"),
    (errors.TooManyRecipients, Kind.REJECTED, "Only one recipient per message is taken from this login."),
    (errors.InvalidRecipient, Kind.INVALID, "Illegal address: {subject}"),
    (errors.NotAscii, Kind.INVALID, "Local address contains non-ASCII characters: {subject}"),
    (errors.MessageTooLarge, Kind.INVALID, _LARGE),
    (errors.AttachmentNotAllowed, Kind.INVALID, "Illegal attachment of type: {subject}"),
    (errors.Malformed, Kind.INVALID, "Malformed message: {subject}"),
    (errors.MissingMacro, Kind.REJECTED, "Missing macro: {subject}"),
    (errors.MailLoop, Kind.REJECTED, "Too many hops"),
    (errors.RefusedForGood, Kind.REJECTED, "Message rejected: {subject}"),
    (KeyReused, Kind.INVALID, "Another request came with this signature or invocation id."),
    (errors.RelayError, Kind.AWAY, "The relay cannot take it now. Try again later."),
)


def fault(error: errors.RelayError, *, most: int, region: str = "") -> SesFault:
    """How SES says it. `most` are the octets that a message may have."""
    if isinstance(error, BadSignature):
        return SesFault(_BY_FLAW[error.flaw], str(error))
    if isinstance(error, errors.TooManyMessages):
        return SesFault(Kind.DAY_IS_OVER, _DAY) if error.subject == "day" else SesFault(Kind.TOO_FAST, _RATE)
    _, kind, text = next(each for each in _FAULTS if isinstance(error, each[0]))
    return SesFault(kind, text.format(subject=getattr(error, "subject", ""), region=region.upper(), most=most))


def unread(error: bodies.Unread, *, most: int) -> SesFault:
    """Of a body that was not taken."""
    if isinstance(error, bodies.TooLarge):
        return SesFault(Kind.INVALID, f"Request is more than {most} bytes long.")
    return SesFault(
        Kind.INVALID, "The body is compressed." if isinstance(error, bodies.Compressed) else "The body does not come."
    )
