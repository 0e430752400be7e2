"""The verbs that look at messages."""

from __future__ import annotations

from collections.abc import Iterator

import click
from rich.table import Column, Table

from relay.cli.access import on_store, reading
from relay.cli.arguments import limit_type
from relay.cli.check import message_check
from relay.cli.terminal import Failure, add_row, line, show, when
from relay.model import Labels, Life
from relay.settings import StoreConfig


@click.group()
def message() -> None:
    """Look at messages."""


message.add_command(message_check)


@message.command("list")
@click.option("--limit", type=limit_type, default=20, show_default=True)
@on_store
async def message_list(where: StoreConfig, limit: int) -> None:
    """The newest messages and what became of each."""
    table = Table(Column("id", no_wrap=True), "accepted", "credential", "sender", "recipient", "status", "subject")
    async with reading(where) as store:
        for life in await store.messages.newest(limit=limit):
            _add_rows(table, life)
    show(table)


def _add_rows(table: Table, life: Life) -> None:
    found = life.message
    accepted = when(found.accepted_at)
    for delivery, status, held in zip(life.deliveries, life.statuses, life.held, strict=True):
        shown = f"{status} (held: {held})" if held else status
        add_row(table, found.id, accepted, found.credential, found.sender, delivery.recipient, shown, found.subject)


@message.command("show")
@click.argument("message_id", metavar="ID")
@on_store
async def message_show(where: StoreConfig, message_id: str) -> None:
    """The life of one message as a timeline."""
    async with reading(where) as store:
        life = await store.messages.show(message_id.upper())
    if life is None:
        raise Failure(f"no message {message_id}")
    _print_life(life)


@message.command("events")
@click.argument("message_id", metavar="ID")
@on_store
async def message_events(where: StoreConfig, message_id: str) -> None:
    """What SES reported of a message, as it was posted: a line of JSON each."""
    async with reading(where) as store:
        if await store.messages.show(message_id.upper()) is None:
            raise Failure(f"no message {message_id}")
        for payload in await store.messages.notifications(message_id.upper()):
            line(payload.decode("utf-8", "replace").strip())


def _print_life(life: Life) -> None:
    found = life.message
    line(f"{found.id}  {found.subject}")
    line(f"  from {found.sender} (header {found.header_from}), {found.size} octets, by {found.credential} at {found.peer}")
    for said in _label_lines(found.labels):
        line(f"  {said}")
    if not life.has_content:
        line("  its content is no longer kept")
    for delivery, status, held in zip(life.deliveries, life.statuses, life.held, strict=True):
        line(f"  to {delivery.recipient}: {status}{f' ({delivery.reason})' if delivery.reason else ''}")
        if held:
            line(f"    held: {held}")
    for moment in life.moments:
        line(f"  {when(moment.at)}  {moment.what:<22} {moment.recipient}  {moment.detail}".rstrip())


def _label_lines(labels: Labels) -> Iterator[str]:
    """What the sender says of the message."""
    said = {"id": labels.id, "campaign": labels.campaign, "list": labels.list, "class": labels.message_class}
    said |= {"configuration set": labels.configuration_set}
    said |= {"not before": when(labels.send_at) if labels.send_at else ""}
    said |= {"not after": when(labels.expires_at) if labels.expires_at else ""}
    if any(said.values()):
        yield ", ".join(f"{name} {value}" for name, value in said.items() if value)
    for what, tags in (("tags", labels.tags), ("SES tags", labels.ses_tags)):
        if tags:
            yield f"{what} {', '.join(f'{name}={value}' for name, value in tags)}"
