"""Every way we say no, as one tree. Says what happened, never how it is worded: that is replies.py."""


class RelayError(Exception):
    """The root of all errors that we raise on purpose. Anything else that escapes is a bug of ours."""


class ConfigError(RelayError):
    """A setting that cannot be used. Names the file, the key and the reason; raised only at start."""

    def __init__(self, file: str, key: str, reason: str) -> None:
        super().__init__(f"{file}: {key}: {reason}")
        self.file = file
        self.key = key
        self.reason = reason


class StoreDamaged(ConfigError):
    """Rows of the database are gone, or may be: `what` says how it shows. What is left may be used where it `is_usable`."""

    def __init__(self, file: str, key: str, what: str, *, way_out: str, is_usable: bool) -> None:
        super().__init__(file, key, f"{what}. {way_out}")
        self.what = what
        self.is_usable = is_usable


class Refused(RelayError):
    """A message, or a step towards one, that we do not take. `subject` is the one word the reply needs, `reason` why."""

    def __init__(self, subject: str = "", reason: str = "") -> None:
        super().__init__(subject)
        self.subject = subject
        self.reason = reason


class RefusedForGood(Refused):
    """The other side must change something first: 5xx."""


class RefusedForNow(Refused):
    """The same words may be welcome later: 4xx."""


class EncryptionRequired(RefusedForGood):
    """Mail was offered before STARTTLS."""


class EncryptionRequiredForLogin(RefusedForGood):
    """A password was offered, or about to be, in the clear."""


class NotAuthenticated(RefusedForGood):
    """Mail was offered before a login."""


class WrongLogin(RefusedForGood):
    """Unknown name, wrong password, disabled, or not from an allowed network: the client cannot tell which."""


class MessageTooLarge(RefusedForGood):
    """More octets than the relay takes, declared or sent."""


class Malformed(RefusedForGood):
    """The content is not a message all readers agree on. `subject` is the reason."""


class MissingMacro(RefusedForGood):
    """A login must have it in every message. `subject` is the macro."""


class SenderNotAllowed(RefusedForGood):
    """The envelope sender or the From address is not one this credential may use. `subject` is the address."""


class SenderNotVerified(SenderNotAllowed):
    """The credential may use the address, and SES would not send from it. `subject` is the address."""


class InvalidRecipient(RefusedForGood):
    """Not an address that SES would take. `subject` is what was given."""


class NotAscii(RefusedForGood):
    """An address whose local part is beyond ASCII: SES takes none (RFC 6531 would need SMTPUTF8)."""


class MailLoop(RefusedForGood):
    """So many Received headers that the message must be going round in circles."""


class RecipientSuppressed(RefusedForGood):
    """The address must not be mailed. `subject` says why and since when."""


class TooManyRecipients(RefusedForGood):
    """A second recipient under the mode `one`."""


class AttachmentNotAllowed(RefusedForGood):
    """`subject` is the forbidden type: the extension in lower case, without a dot."""


class LinksMissing(RefusedForNow):
    """A login must have links in its mail, and there is no key or no address to make them with: our own fault."""


class InternalFault(RefusedForNow):
    """Our own fault: the sender must keep the message and try again."""


class StoreUnavailable(RefusedForNow):
    """The store could not be read or written; nothing was kept."""


class StoreLocked(StoreUnavailable):
    """Another process has held the store for longer than we wait; nothing was kept."""


class StoreRefuses(StoreUnavailable):
    """The store does not take this, today or later: a fault of ours. Nothing was kept."""


class DiskFull(StoreUnavailable):
    """There is no room on the disk for it; nothing was kept."""


class DamagedBody(RelayError):
    """A stored body is not what was accepted."""


class Unsealable(RelayError):
    """A secret in the database that cannot be read again: its key is gone, or it was changed."""


class CannotErase(RelayError):
    """An address that cannot be erased as things stand: says why, and what to do."""


class TooManyMessages(RefusedForNow):
    """The credential has sent what it may. `subject` is the time that counts: minute or day."""


class TooManyFailures(RefusedForNow):
    """So many wrong passwords came from this address that no more are looked at for a while."""


class TooBusy(RefusedForNow):
    """More passwords wait to be looked at than can be in good time."""


class NoRoom(RefusedForNow):
    """Too many octets in flight, or too little disk."""


class DoorClosed(NoRoom):
    """So much waits already, or so little disk is free, that nothing more is taken. Journaled once, not for each message."""


class AwsUnavailable(RelayError):
    """AWS could not be asked, or gave no answer that can be used. `kind` is the same for the same trouble."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


class SesUnavailable(AwsUnavailable):
    """SES."""


class QueueUnavailable(AwsUnavailable):
    """A queue of SQS."""


class AwsRefused(RelayError):
    """AWS did not do what it was asked, or gave no answer. `code` is its own word for why; `date` the Date of its answer."""

    def __init__(self, code: str, why: str, *, date: str = "") -> None:
        super().__init__(why)
        self.code = code
        self.date = date


class RightMissing(AwsRefused):
    """Whoever asks may not ask that. `right` is the IAM action."""

    def __init__(self, right: str, why: str, *, date: str = "") -> None:
        super().__init__("AccessDenied", why, date=date)
        self.right = right


class NoWebhook(RelayError):
    """SNS could not reach the relay's webhook as the settings are."""


class UnknownLink(RelayError):
    """A token that we have not made, or not for this."""


class FeedbackError(RelayError):
    """A notification that is not taken."""


class Untrusted(FeedbackError):
    """Not provably from a topic of ours: answered 403, so that SNS drops it."""


class Unreadable(FeedbackError):
    """Not an SNS message at all: answered 400."""


class TryAgain(FeedbackError):
    """Genuine or not could not be decided, or it could not be kept: answered 503, so that SNS repeats it."""


class NoCertificate(TryAgain):
    """SNS's own host says that there is none: whoever named it, no event of ours was lost by that."""
