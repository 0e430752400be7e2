"""A store as it is after a year of mail: all that the relay keeps of it, put there by SQL, and where to find what in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from blake3 import blake3

from relay import documents, ids
from relay.mailing import Mailing
from relay.statistics import DAY, HOURS_KEPT
from tests.bench import year_rows as rows

DAYS = 365
CONTENT = b"From: shop@example.com\r\nSubject: Order\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>" + b"x " * 1900
_MAILINGS = 20
_AT_ONCE = 50_000
_BODIES, _NOTIFICATIONS = 2.9 * DAY, 29.9 * DAY  # what is older is not kept


class Filling(Protocol):
    """A connection to a database that has no indexes meanwhile. `octets` and `end` stand about a text to be stored so."""

    octets: str
    end: str

    def run(self, query: str, values: Mapping[str, Any]) -> None:
        """One statement, in a transaction of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """So many messages until `now`, the last of them just then; a tenth as many addresses have come with lists, or `listed`."""

    total: int
    now: float
    listed: int = 0

    @property
    def readers(self) -> int:
        return self.total // 5

    def id(self, number: int) -> str:
        """Of the message with that number among all; of the others one to many."""
        return ids.ulid(self._ms(number) / 1000, bytes(10))[:10] + f"{number:016}"

    def ses_id(self, number: int) -> str:
        return f"0100{number:012}-0000-000000"

    def reader(self, number: int) -> str:
        """The first quarter of them got nothing in half a year."""
        return f"reader{number}@example{number % 97}.net"

    def mailing(self, task: int) -> str:
        """Its message."""
        return self.id(self.total * task // _MAILINGS)[:10] + f"9{task:015}"

    def at(self, number: int) -> float:
        return self._ms(number) / 1000

    def _ms(self, number: int) -> int:
        return self._begin + number * self._span // self.total

    @property
    def _span(self) -> int:
        return int(DAYS * DAY * 1000)

    @property
    def _begin(self) -> int:
        return int(self.now * 1000) - self._span

    def fill(self, db: Filling) -> Iterator[str]:
        """Says what is done."""
        values = self._values()
        db.run(rows.FLOWS, values | {"first": 1, "last": rows.LOGINS * rows.DOMAINS})
        for first in range(1, self.total + 1, _AT_ONCE):
            of = values | {"first": first, "last": min(first + _AT_ONCE - 1, self.total)}
            db.run(rows.SINGLE, of)
            db.run(f"{rows.EACH} {rows.DELIVERIES.format(flow='c * 10 + d + 1')}", of)
            db.run(f"{rows.EACH} {rows.EVENTS}", of)
            if first % (20 * _AT_ONCE) == 1:
                yield f"{first} messages"
        for task in range(1, _MAILINGS + 1):
            self._mail_to_many(db, values, task)
        yield "mailings"
        self._fill_rest(db, values)

    def _values(self) -> dict[str, Any]:
        return {
            "begin": self._begin,
            "span": self._span,
            "total": self.total,
            "readers": self.readers,
            "waiting": self.total - self.total * 8 // 1000,
            "hours": int((self.now - HOURS_KEPT) // DAY * DAY * 1000),
            "size": len(CONTENT),
            "digest": blake3(CONTENT).digest(),
            "content": CONTENT,
            "posted": rows.POSTED,
            "now": self.now,
            "newest": self.id(self.total),
        }

    def _mail_to_many(self, db: Filling, values: Mapping[str, Any], task: int) -> None:
        """The last one waits."""
        is_last = task == _MAILINGS
        mailing = Mailing(name=f"News {task}", sender="shop@shop0.example.com", sender_name="", subject="News for all", html="")
        at = self.at(self.total * task // _MAILINGS)
        of = {
            **values,
            "task": task,
            "first": 1,
            "last": self.total * (6 if is_last else 2) // 1000,
            "id": self.mailing(task),
            "ms": int(at * 1000),
            "at": at,
            "state": "queued" if is_last else "sent",
            "stage": "started" if is_last else "finished",
            "ended_at": None if is_last else at + 3600,
            "document": documents.written(mailing),
        }
        for query in rows.OF_TASK:
            db.run(query, of)

    def _fill_rest(self, db: Filling, values: Mapping[str, Any]) -> None:
        posts = f"INSERT INTO notifications (id, topic, received_at, payload) {rows.POSTS.format(octets=db.octets, end=db.end)}"
        days = self.total / DAYS / DAY
        for query, first, last in (
            (f"{rows.EACH} {posts}", self.total - int(_NOTIFICATIONS * days), self.total),
            (f"{rows.EACH} INSERT INTO bodies SELECT id, :content, 0 FROM mail", self.total - int(_BODIES * days), self.total),
            (
                f"{rows.EACH} INSERT INTO attempts SELECT id, 1, 1, at, 'queued', 'throttled' FROM mail WHERE n % 100 = 5",
                1,
                self.total,
            ),
            (rows.COUNTED, 1, self.total),
            (rows.OWN, 1, self.total // 100),
            (rows.IMPORTED, 1, self.listed or self.total // 10),
            (rows.HISTORY, 0, 0),
            (rows.LISTED, 0, 0),
            (rows.CONTACTS, 1, self.total // 20),
            (rows.STRANGERS, 1, self.total // 2000),
            (rows.AUDIT, 1, 50_000),
            (rows.LOADS, 0, 0),
            ("INSERT INTO imports (source, began_at, finished_at) VALUES ('list.csv', 1, 1)", 0, 0),
            ("INSERT INTO contact_groups (credential, name, description, created_at) VALUES ('app10', 'all', '', 1)", 0, 0),
            ("INSERT INTO bodies VALUES (:mailing, :content, 0)", 0, 0),
        ):
            db.run(query, {**values, "first": first, "last": last, "mailing": self.mailing(_MAILINGS)})
        for name, share in rows.SHARES.items():
            db.run(rows.SHARE.format(name=name, share=share), values)
