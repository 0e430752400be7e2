"""What the forms of the suppression list say: addresses, for which mail, which entries, and a place in the list."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from relay import address
from relay.errors import NotAscii
from relay.ports.logins import Credentials
from relay.ports.suppressions import Spot
from relay.suppression import EVERYWHERE, Reason, Sought, of_credential, of_list
from relay.web.console.visits import Objection

_ALL, _LOGIN, _LIST = "all", "login", "list"
MAIL = ((_ALL, "all mail"), (_LOGIN, "mail of one login"), (_LIST, "mail to one list"))
REASONS = tuple((reason.value, reason.value.replace("_", " ")) for reason in Reason)
_LONGEST_NAME = 200
_LONGEST_NOTE = 500
_SHOWN = 100
_FIELDS = ("text", "reason", "mail", "name")


def clean(text: str) -> str:
    """What no database takes is left out."""
    return text.replace("\0", "").encode("utf-8", "replace").decode().strip()


def note_of(text: str) -> str:
    """As long as notes may be."""
    return clean(text)[:_LONGEST_NOTE]


def address_of(text: str) -> str:
    """Its case kept. Raises Objection."""
    try:
        return address.plain(text.strip().encode())
    except (ValueError, NotAscii):
        raise Objection("{given} is no address.", given=clean(text)[:_SHOWN]) from None


def reason_of(text: str) -> Reason | None:
    """None for none. Raises Objection."""
    try:
        return Reason(text) if text else None
    except ValueError:
        raise Objection("There is no such reason.") from None


async def scope_of(mail: str, name: str, credentials: Credentials) -> str:
    """Of a new entry. Raises Objection, also for a login that is not there."""
    if mail not in (_LOGIN, _LIST):
        return EVERYWHERE
    if not name or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise Objection("Name the login or the list.")
    if mail == _LOGIN and await credentials.get(name) is None:
        raise Objection("There is no login {name}.", name=name)
    return of_credential(name) if mail == _LOGIN else of_list(name)


def scope_given(text: str) -> str:
    """Of an entry that is there. Raises Objection."""
    scope = clean(text)
    if scope != EVERYWHERE and not scope.startswith((of_credential(""), of_list(""))):
        raise Objection("There is no such scope.")
    return scope


def sought(query: Mapping[str, str]) -> Sought:
    """Which entries. What makes no sense says nothing."""
    reason, mail, name = query.get("reason", ""), query.get("mail", ""), clean(query.get("name", ""))
    of = {_LOGIN: of_credential, _LIST: of_list}.get(mail)
    scope = EVERYWHERE if mail == _ALL else of(name) if of and name else None
    return Sought(
        reason=Reason(reason) if reason in list(Reason) else None,
        scope=scope,
        scopes=of("") if of and not name else "",
        text=clean(query.get("text", "")),
    )


def asked(query: Mapping[str, str]) -> dict[str, str]:
    """The same, as it was put into the form."""
    return {name: clean(query.get(name, "")) for name in _FIELDS}


def listed(query: Mapping[str, str], behind: Spot | None = None) -> str:
    """The query of a page of the list."""
    spot = {"behind": base64.urlsafe_b64encode(json.dumps(behind).encode()).decode()} if behind else {}
    return urlencode({name: value for name, value in asked(query).items() if value} | spot)


def spot_of(text: str) -> Spot | None:
    """Out of a query; None for the beginning."""
    try:
        import_id, created_at, key, scope, reason = json.loads(base64.urlsafe_b64decode(text.encode("ascii", "replace")))
        words = [clean(word) for word in (key, scope, reason)]
        return Spot(int(import_id) if 0 <= import_id < 2**53 else 0, float(created_at), *words)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def page_of(wanted: str) -> str:
    """The path of the page of an address."""
    return f"/suppressions/address?address={quote(wanted, safe='')}"
