"""A relay as one would write it first: aiosmtpd, `email`, aiosqlite, and boto3 in threads. Durable, and without policy."""

from __future__ import annotations

import asyncio
import email
import email.policy
import sys
from pathlib import Path
from typing import Any

import aiosqlite
import boto3
from aiosmtpd.smtp import SMTP
from botocore.config import Config

from relay.sandbox.cloud import ACCESS_KEYS

_TABLE = "CREATE TABLE messages (id INTEGER PRIMARY KEY, sender TEXT, recipient TEXT, content BLOB, state TEXT, ses_id TEXT)"
_INDEX = "CREATE INDEX queued ON messages (state, id)"
_AT_ONCE = 30


class Queue:
    """Keeps a message before it is told 250."""

    def __init__(self, db: aiosqlite.Connection, wake: asyncio.Event) -> None:
        self._db = db
        self._wake = wake

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        message = email.message_from_bytes(envelope.content, policy=email.policy.SMTP)
        if not message["From"]:
            return "554 No From"
        values = (envelope.mail_from, envelope.rcpt_tos[0], envelope.content)
        await self._db.execute("INSERT INTO messages (sender, recipient, content, state) VALUES (?, ?, ?, 'queued')", values)
        await self._db.commit()
        self._wake.set()
        return "250 Ok"


async def send(db: aiosqlite.Connection, ses: Any, row: Any) -> None:
    number, sender, recipient, content = row
    answer = await asyncio.to_thread(
        ses.send_email,
        FromEmailAddress=sender,
        Destination={"ToAddresses": [recipient]},
        Content={"Raw": {"Data": content}},
    )
    await db.execute("UPDATE messages SET state = 'sent', ses_id = ? WHERE id = ?", (answer["MessageId"], number))
    await db.commit()


async def dispatch(db: aiosqlite.Connection, ses: Any, wake: asyncio.Event) -> None:
    while True:
        query = "SELECT id, sender, recipient, content FROM messages WHERE state = 'queued' ORDER BY id LIMIT ?"
        rows = list(await db.execute_fetchall(query, (_AT_ONCE,)))
        await asyncio.gather(*(send(db, ses, row) for row in rows))
        if not rows:
            wake.clear()
            await wake.wait()


async def main(port: int, endpoint: str, folder: Path) -> None:
    key, secret = next(iter(ACCESS_KEYS.items()))
    config = Config(max_pool_connections=_AT_ONCE, retries={"total_max_attempts": 1})
    ses = boto3.client(
        "sesv2",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=config,
    )
    async with aiosqlite.connect(folder / "queue.db") as db:
        await db.execute("PRAGMA journal_mode = WAL")
        await db.execute("PRAGMA synchronous = FULL")
        await db.execute(_TABLE)
        await db.execute(_INDEX)
        wake = asyncio.Event()
        queue, loop = Queue(db, wake), asyncio.get_running_loop()
        await loop.create_server(lambda: SMTP(queue, hostname="bench.example", loop=loop), "127.0.0.1", port)
        await dispatch(db, ses, wake)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
