"""A refusal -> what the other side is told. The only place where refusals are worded."""

from __future__ import annotations

from dataclasses import dataclass

from relay import errors

_LONGEST = 510  # RFC 5321 4.5.3.1.5, without the CRLF


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply: basic code, RFC 3463 enhanced code, one line of text."""

    code: int
    enhanced: str
    text: str

    def line(self, *, enhanced: bool = True) -> bytes:
        """The line on the wire. Some clients match on the position of the text: they get no enhanced code."""
        words = f"{self.code} {self.enhanced} {self.text}" if enhanced and self.enhanced else f"{self.code} {self.text}"
        return words.encode("ascii", "backslashreplace")[:_LONGEST] + b"\r\n"


# The texts are those of the Devino SMTP API where it has one, its misspelling included: clients match on them.
_REPLIES: dict[type[errors.Refused], tuple[int, str, str]] = {
    errors.EncryptionRequired: (530, "5.7.0", "Must issue a STARTTLS command first"),
    errors.EncryptionRequiredForLogin: (538, "5.7.11", "Encryption required for requested authentication mechanism"),
    errors.NotAuthenticated: (554, "5.7.0", "Must authenticate before sending mail"),
    errors.WrongLogin: (535, "5.7.8", "Authentication credentials invalid"),
    errors.MessageTooLarge: (554, "5.3.4", "Message exceeds fixed size limit"),
    errors.Malformed: (554, "5.6.0", "Malformed message: {subject}"),
    errors.MissingMacro: (554, "5.6.0", "Missing macro: {subject}"),
    errors.LinksMissing: (451, "4.3.5", "Links in mail are not set up"),
    errors.SenderNotAllowed: (554, "5.7.1", "Disallowed source address: {subject}"),
    errors.SenderNotVerified: (554, "5.7.1", "Disallowed source address: {subject} ({reason})"),
    errors.InvalidRecipient: (554, "5.1.3", "Invalid recipient address: {subject}"),
    errors.NotAscii: (553, "5.6.7", "Address beyond ASCII: {subject}"),
    errors.MailLoop: (554, "5.4.6", "Too many hops"),
    errors.RecipientSuppressed: (550, "5.1.1", "Recipient suppressed: {subject}"),
    errors.TooManyRecipients: (554, "5.5.3", "Only one recipient per message"),
    errors.AttachmentNotAllowed: (554, "5.7.1", "Not allowed attachement type {subject}"),
    errors.InternalFault: (451, "4.3.0", "Internal server error"),
    errors.StoreUnavailable: (451, "4.3.0", "Internal server error"),
    errors.StoreLocked: (451, "4.3.0", "Internal server error"),
    errors.TooManyMessages: (451, "4.7.1", "Too many messages this {subject}, try again later"),
    errors.TooManyFailures: (454, "4.7.0", "Too many failed logins, try again later"),
    errors.TooBusy: (454, "4.7.0", "Temporary authentication failure"),
    errors.NoRoom: (452, "4.3.1", "Insufficient system storage, try again later"),
    errors.DoorClosed: (452, "4.3.1", "Insufficient system storage, try again later"),
    errors.DiskFull: (452, "4.3.1", "Insufficient system storage, try again later"),
}


def reply_to(refusal: errors.Refused) -> Reply:
    """The reply for a refusal; what is in no table is our fault and so 451."""
    code, enhanced, text = _REPLIES.get(type(refusal), _REPLIES[errors.InternalFault])
    return Reply(code, enhanced, text.format(subject=printable(refusal.subject), reason=printable(refusal.reason)))


def printable(text: str) -> str:
    """Text of the other side, cut and without control characters, so that it cannot write lines of ours."""
    return "".join(c if c.isprintable() else "?" for c in text[:400])
