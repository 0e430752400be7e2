"""What the steps below refuse, as the API says it. Our own troubles are 503: the same call may be repeated."""

from __future__ import annotations

from relay import errors, mailing_rules
from relay.web.api.codes import NO_TEMPLATE, SERVER_FAULT, TOO_MANY_FAILURES, WRONG_LOGIN, Code, Fault, Text

_SENDER = Text("Sender: this login may not send from {subject}", "Sender: этот логин не может писать с {subject}")
_UNVERIFIED = Text("Sender: SES would not send from {subject}: {reason}", "Sender: SES не примет письмо от {subject}: {reason}")
_RECIPIENT = Text("{subject} is no address that SES would take", "{subject}: такой адрес SES не примет")
_SUPPRESSED = Text("the recipient is suppressed: {subject}", "получатель в стоп-листе: {subject}")
_MACRO = Text("the text has no {subject}", "в тексте нет {subject}")
_LARGE = Text("the message is too large", "письмо слишком велико")
_ATTACHMENT = Text("attachments of type {subject} are not allowed", "вложения типа {subject} запрещены")
_MALFORMED = Text("{subject}", "{subject}")
_QUOTA = Text("too many messages this {subject}, try again later", "слишком много писем ({subject}), повторите позже")
_MISSING = Text("{subject}: a value is missing", "{subject}: значение не задано")
_EARLY = Text(
    "EndDateTime: is not after StartDateTime, or over already", "EndDateTime: должно быть позже StartDateTime и ещё не пройти"
)
_NO_MACRO = Text("the text has no [{subject}]", "в тексте нет [{subject}]")
_LARGE_TEXT = Text(
    "text, subject and attachments are larger than {subject} octets", "текст, тема и вложения больше {subject} байт"
)
_NO_GROUP = Text("there is no group {subject}", "группы {subject} нет")
_FULL = Text("too much waits already, try again later", "очередь переполнена, повторите позже")

# The first that an error is one of: a code, a status where it is not the code's own, seconds until it may be repeated, a text.
_ANSWERS: tuple[tuple[type[errors.RelayError], Code, int, int, Text], ...] = (
    (errors.SenderNotVerified, Code.INVALID_VALUE, 0, 0, _UNVERIFIED),
    (errors.SenderNotAllowed, Code.INVALID_VALUE, 0, 0, _SENDER),
    (errors.InvalidRecipient, Code.INVALID_EMAIL, 0, 0, _RECIPIENT),
    (errors.NotAscii, Code.INVALID_EMAIL, 0, 0, _RECIPIENT),
    (errors.RecipientSuppressed, Code.NOT_AVAILABLE, 0, 0, _SUPPRESSED),
    (errors.MissingMacro, Code.MISSING_MACROS, 0, 0, _MACRO),
    (errors.MessageTooLarge, Code.SIZE_EXCEEDED, 0, 0, _LARGE),
    (errors.AttachmentNotAllowed, Code.INVALID_VALUE, 0, 0, _ATTACHMENT),
    (errors.Malformed, Code.INVALID_VALUE, 0, 0, _MALFORMED),
    (errors.WrongLogin, Code.AUTHORIZATION_FAILED, 0, 0, WRONG_LOGIN),
    (errors.TooManyFailures, Code.AUTHORIZATION_FAILED, 429, 60, TOO_MANY_FAILURES),
    (errors.TooManyMessages, Code.NOT_AVAILABLE, 429, 60, _QUOTA),
    (errors.NoRoom, Code.INTERNAL_ERROR, 503, 10, _FULL),
    (errors.DiskFull, Code.INTERNAL_ERROR, 503, 60, _FULL),
    (mailing_rules.Missing, Code.EMPTY_VALUE, 0, 0, _MISSING),
    (mailing_rules.EndsTooEarly, Code.INVALID_VALUE, 0, 0, _EARLY),
    (mailing_rules.TooLarge, Code.SIZE_EXCEEDED, 0, 0, _LARGE_TEXT),
    (mailing_rules.NoMacro, Code.MISSING_MACROS, 0, 0, _NO_MACRO),
    (mailing_rules.NoGroup, Code.NOT_FOUND, 0, 0, _NO_GROUP),
    (mailing_rules.NoTemplate, Code.NOT_FOUND, 0, 0, NO_TEMPLATE),
    (errors.RefusedForGood, Code.INVALID_VALUE, 0, 0, _MALFORMED),
    (errors.RelayError, Code.INTERNAL_ERROR, 503, 5, SERVER_FAULT),
)


def fault(error: errors.RelayError) -> Fault:
    """How the API says it."""
    found = next(each for each in _ANSWERS if isinstance(error, each[0]))
    _, code, status, again_in, text = found
    subject, reason = getattr(error, "subject", ""), getattr(error, "reason", "")
    return Fault(code, text, status=status, again_in=again_in, subject=subject, reason=reason)
