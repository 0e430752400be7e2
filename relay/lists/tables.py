"""The tables that lists come as, known by the names of their columns, and what a row of each says.

Names are compared in lower case and without blanks, dashes and underscores: a provider's download, its API and a dump of its
database differ in nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from relay.suppression import EVERYWHERE, Reason, of_list

Row = Mapping[str, str]

_DECORATION = re.compile(r"[\s_-]+")
_BETWEEN_TAGS = re.compile(r"[\s,;\[\]\"']+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`columns` must be there, and are all that there is if it is `exact`; the other fields name some of them, or read a row.

    In a table of ours cells are kept from being taken for formulas.
    """

    format: str
    columns: frozenset[str]
    address: str
    reason: Callable[[Row], Reason]
    at: str = ""
    until: str = ""
    note: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    scopes: Callable[[Row], tuple[str, ...]] = lambda _: (EVERYWHERE,)
    exact: bool = False
    is_ours: bool = False


def normal(column: str) -> str:
    """The name of a column, to be compared."""
    return _DECORATION.sub("", column).lower()


def find(columns: Collection[str], format: str) -> Table | None:
    """The first that fits, of one format or of all ("")."""
    found = set(columns)
    for table in TABLES:
        fits = table.columns == found if table.exact and not format else table.columns <= found
        if fits and format in ("", table.format):
            return table
    return None


def _always(reason: Reason) -> Callable[[Row], Reason]:
    return lambda _: reason


def _one_of(column: str, reasons: Mapping[str, Reason]) -> Callable[[Row], Reason]:
    def read(row: Row) -> Reason:
        word = row[column].strip().lower()
        if word not in reasons:
            raise ValueError(f"{row[column]!r} is no reason")
        return reasons[word]

    return read


def _postmark(row: Row) -> Reason:
    """What a recipient has added to the list is a click on the link to unsubscribe."""
    reason = _POSTMARK(row)
    is_own = reason is Reason.MANUAL and row["origin"].strip().lower() == "recipient"
    return Reason.UNSUBSCRIBED if is_own else reason


def _postal(row: Row) -> Reason:
    """Postal's words are "too many soft fails" and "too many hard fails"; people write others."""
    if row["type"].strip().lower() != "recipient":
        raise ValueError(f"an entry for a {row['type']!r}, not for a recipient")
    words = row["reason"].lower()
    return next((reason for word, reason in _POSTAL.items() if word in words), Reason.IMPORTED)


def _tags(row: Row) -> tuple[str, ...]:
    """Who has left one of Mailgun's tags still gets the rest; `*` is all of the domain."""
    tags = [tag for tag in _BETWEEN_TAGS.split(row["tags"]) if tag]
    return (EVERYWHERE,) if not tags or "*" in tags else tuple(map(of_list, tags))


_POSTAL = {"hard fail": Reason.HARD_BOUNCE, "soft fail": Reason.SOFT_BOUNCES}
_SES = _one_of("reason", {"bounce": Reason.HARD_BOUNCE, "complaint": Reason.COMPLAINT})
_POSTMARK = _one_of(
    "suppressionreason",
    {"hardbounce": Reason.HARD_BOUNCE, "spamcomplaint": Reason.COMPLAINT, "manualsuppression": Reason.MANUAL},
)


def _table(format: str, columns: str, reason: Callable[[Row], Reason] | Reason, **fields: object) -> Table:
    read = _always(reason) if isinstance(reason, Reason) else reason
    return Table(format=format, columns=frozenset(columns.split()), reason=read, **fields)  # type: ignore[arg-type]


# The longer ones first: a list of complaints has the columns that a list of bounces has as well.
TABLES = (
    _table(
        "relay",
        "address reason scope since until source note",
        _one_of("reason", {str(reason): reason for reason in Reason}),
        address="address",
        at="since",
        until="until",
        note=("note",),
        source=("source",),
        is_ours=True,
        scopes=lambda row: (row["scope"],),
    ),
    _table(
        "postal",
        "type address reason timestamp keepuntil",
        _postal,
        address="address",
        at="timestamp",
        until="keepuntil",
        note=("reason",),
    ),
    _table("postmark", "emailaddress suppressionreason origin createdat", _postmark, address="emailaddress", at="createdat"),
    _table("ses", "emailaddress reason lastupdatetime", _SES, address="emailaddress", at="lastupdatetime"),
    _table("ses", "emailaddress reason", _SES, address="emailaddress"),
    _table(
        "mailgun", "address code error createdat", Reason.HARD_BOUNCE, address="address", at="createdat", note=("code", "error")
    ),
    _table("mailgun", "address tags createdat", Reason.UNSUBSCRIBED, address="address", at="createdat", scopes=_tags),
    _table("mailgun", "address createdat", Reason.COMPLAINT, address="address", at="createdat"),
    _table(
        "sendgrid", "status reason email created", Reason.HARD_BOUNCE, address="email", at="created", note=("status", "reason")
    ),
    _table("sendgrid", "email ip created", Reason.COMPLAINT, address="email", at="created"),
    _table("sendgrid", "reason email created", Reason.HARD_BOUNCE, address="email", at="created", note=("reason",)),
    _table("sendgrid", "email created", Reason.UNSUBSCRIBED, address="email", at="created"),
    _table("plain", "address", Reason.IMPORTED, address="address", exact=True),
    _table("plain", "email", Reason.IMPORTED, address="email", exact=True),
    _table("plain", "emailaddress", Reason.IMPORTED, address="emailaddress", exact=True),
)
FORMATS = tuple(dict.fromkeys(table.format for table in TABLES))
