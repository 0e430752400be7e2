"""What an answer says beside its result: a code for programs, and a sentence for people in their language."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Code(StrEnum):
    """The words of `Code`. Clients ask whether it is `ok`."""

    OK = "ok"
    NOT_CHANGED = "not_changed"
    INVALID_EMAIL = "invalid_email"
    NOT_FOUND = "not_found"
    EMPTY_VALUE = "empty_value"
    INVALID_VALUE = "invalid_value"
    MISSING_MACROS = "missing_macros"
    SIZE_EXCEEDED = "size_exceeded"
    INTERNAL_ERROR = "internal_error"
    NOT_AVAILABLE = "not_available"
    INVALID_PERMISSION = "invalid_permission"
    ACCESS_DENIED = "access_denied"
    AUTHORIZATION_FAILED = "authorization_failed"


STATUS = {
    Code.OK: 200,
    Code.NOT_CHANGED: 200,
    Code.INVALID_EMAIL: 400,
    Code.NOT_FOUND: 404,
    Code.EMPTY_VALUE: 400,
    Code.INVALID_VALUE: 400,
    Code.MISSING_MACROS: 400,
    Code.SIZE_EXCEEDED: 400,
    Code.INTERNAL_ERROR: 500,
    Code.NOT_AVAILABLE: 400,
    Code.INVALID_PERMISSION: 403,
    Code.ACCESS_DENIED: 403,
    Code.AUTHORIZATION_FAILED: 401,
}


class Text(NamedTuple):
    """A sentence in English and in Russian, with {names} in the place of what differs."""

    en: str
    ru: str

    def said(self, language: str, **values: object) -> str:
        """In a language we have, or else in English."""
        return (self.ru if language == "ru" else self.en).format(**values)


class Fault(Exception):
    """What was asked is not done. The status is the code's own, unless it is said."""

    def __init__(self, code: Code, text: Text, *, status: int = 0, again_in: int = 0, **values: object) -> None:
        """`again_in` are the seconds after which it may be asked again, if that is known; `values` are for the text."""
        super().__init__(text.said("en", **values))
        self.code = code
        self.status = status or STATUS[code]
        self.again_in = again_in
        self._text = text
        self._values = values

    def description(self, language: str) -> str:
        return self._text.said(language, **self._values)


OK = Text("ok", "ok")
FOUND = Text("found it!", "найдено")
FOUND_THEM = Text("found them", "найдены")
SERVER_FAULT = Text("a fault of ours; the same call may be repeated later", "сбой у нас; запрос можно повторить позже")
UNKNOWN_RESOURCE = Text("there is no such resource", "такого ресурса нет")
UNKNOWN_METHOD = Text("the resource has no such method", "у ресурса нет такого метода")
UNKNOWN_FORMAT = Text("format is json or xml", "format: json или xml")
UNREADABLE = Text("the body cannot be read: {why}", "тело запроса не читается: {why}")
TOO_LARGE = Text("the body is larger than {octets} octets", "тело запроса больше {octets} байт")
TOO_SLOW = Text("the body does not come", "тело запроса не приходит")
WRONG_LOGIN = Text("wrong login or password", "неверный логин или пароль")
TOO_MANY_FAILURES = Text("too many failed logins, try again later", "слишком много неудачных попыток входа, повторите позже")
TOO_OFTEN = Text("too many calls, try again later", "слишком много запросов, повторите позже")
NO_RIGHT = Text("this login has no right to {scope}", "у этого логина нет права на {scope}")
NOT_YOURS = Text("{what} is another login's", "{what} принадлежит другому логину")
MISSING = Text("{field}: a value is missing", "{field}: значение не задано")
WRONG = Text("{field}: {why}", "{field}: {why}")
NO_TASK = Text("there is no such task", "такой задачи нет")
NO_TEMPLATE = Text("there is no such template", "такого шаблона нет")
NO_RANGE = Text("the header Range: items=1-100 is missing", "нет заголовка Range: items=1-100")
WRONG_RANGE = Text("Range is not items=FIRST-LAST, of {most} at most", "Range: items=ПЕРВЫЙ-ПОСЛЕДНИЙ, не более {most}")
BEYOND = Text("there are only {total}", "всего {total}")
KEY_TOO_LONG = Text("Idempotency-Key has more than 255 characters", "Idempotency-Key длиннее 255 символов")
KEY_REUSED = Text("this Idempotency-Key came with another request", "этот Idempotency-Key уже был в другом запросе")
