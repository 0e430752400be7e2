"""An SQS in miniature behind the methods of a boto3 client: what moto does not show, as lost deletes and errors at will."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError

URL = "https://sqs.us-east-1.amazonaws.com/123456789012/relay-events"


@dataclass
class Lying:
    """A message that lies on a shelf, and until when nobody sees it."""

    id: str
    body: str
    sent_at: float
    hidden_until: float = 0.0
    receives: int = 0


@dataclass
class Shelf:
    """One queue. `errors` are what the next polls raise, or answer, `delete_errors` what the next deletes raise; so many
    `lost_deletes` fail though the status is 200.
    """

    lying: list[Lying] = field(default_factory=list)
    errors: list[Exception | dict[str, Any]] = field(default_factory=list)
    delete_errors: list[Exception] = field(default_factory=list)
    lost_deletes: int = 0
    longest_poll: float = 0.05
    poll_takes: float = 0.0
    polls: list[dict[str, Any]] = field(default_factory=list)
    most_readers: int = 0
    _readers: int = 0
    hidden: list[int] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _lock: Lock = field(default_factory=Lock)

    def put(self, *bodies: str, sent_at: float = 0.0) -> None:
        for body in bodies:
            self.lying.append(Lying(f"sqs-{next(self._numbers)}", body, sent_at or time.time()))

    @property
    def visible(self) -> int:
        return sum(message.hidden_until <= time.monotonic() for message in self.lying)

    def receive_message(self, **options: Any) -> dict[str, Any]:
        self.polls.append(options)
        if self.errors:
            error = self.errors.pop(0)
            if isinstance(error, dict):
                return error
            raise error
        with self._reading():
            time.sleep(self.poll_takes)
        until = time.monotonic() + min(options["WaitTimeSeconds"], self.longest_poll)
        while not (found := self._some(options)) and time.monotonic() < until:
            time.sleep(0.005)
        return {"Messages": found} if found else {}

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock:
            self._readers += 1
            self.most_readers = max(self.most_readers, self._readers)
        yield
        with self._lock:
            self._readers -= 1

    def _some(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        with self._lock:
            now = time.monotonic()
            some = [message for message in self.lying if message.hidden_until <= now][: options["MaxNumberOfMessages"]]
            for message in some:
                message.hidden_until, message.receives = now + options["VisibilityTimeout"], message.receives + 1
            return [
                {
                    "MessageId": message.id,
                    "ReceiptHandle": message.id,
                    "Body": message.body,
                    "Attributes": {"SentTimestamp": str(int(message.sent_at * 1000))},
                }
                for message in some
            ]

    def delete_message_batch(self, **options: Any) -> dict[str, Any]:
        handles = {entry["ReceiptHandle"]: entry["Id"] for entry in options["Entries"]}
        assert 0 < len(handles) <= 10
        if self.delete_errors:
            raise self.delete_errors.pop(0)
        if self.lost_deletes:
            self.lost_deletes -= 1
            return {"Failed": [{"Id": id, "SenderFault": False, "Code": "InternalError"} for id in handles.values()]}
        with self._lock:
            self.lying = [message for message in self.lying if message.id not in handles]
        return {"Successful": [{"Id": id} for id in handles.values()]}

    def change_message_visibility_batch(self, **options: Any) -> dict[str, Any]:
        assert 0 < len(options["Entries"]) <= 10
        for entry in options["Entries"]:
            self.hidden.append(entry["VisibilityTimeout"])
            for message in self.lying:
                if message.id == entry["ReceiptHandle"]:
                    message.hidden_until = time.monotonic() + entry["VisibilityTimeout"]
        return {"Successful": []}


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "ReceiveMessage")
