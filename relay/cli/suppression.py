"""The verbs of the suppression list."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import chain, islice
from typing import TextIO

import click
from rich.table import Table

from relay.account_list import ListSync
from relay.assembly.sealing import marks
from relay.cli import lists
from relay.cli.access import changing, control, on_config, on_store, owning, reading
from relay.cli.arguments import credential_option, duration, filtered, limit_type, list_option, mail_address, scope
from relay.cli.terminal import Failure, add_row, line, show, when
from relay.errors import SesUnavailable
from relay.lists.reading import read
from relay.lists.rows import BadRow, Given, UnknownList
from relay.settings import Config, StoreConfig
from relay.suppression import Filter, Reason, Release, Suppressed, Suppression

_SOURCE = "command line"
_AT_ONCE = 1000

_address = click.argument("address", metavar="ADDRESS", type=mail_address)
_note = click.option("--note", default="", help="Why, for whoever looks later.")


@click.group()
def suppression() -> None:
    """Addresses that must not be mailed."""


for _verb in (lists.suppression_import, lists.suppression_export):
    suppression.add_command(_verb)


@suppression.command("check")
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, type=mail_address)
@click.option(
    "--file",
    "listed",
    type=click.File(encoding="utf-8-sig", errors="replace"),
    help="Those in a file as well, as `import` reads it: one per line; - is standard input.",
)
@on_config
async def suppression_check(config: Config, addresses: tuple[str, ...], listed: TextIO | None) -> None:
    """Say whether addresses are suppressed; exit 1 if one is, 2 if a line of the file is no address."""
    if not addresses and listed is None:
        raise Failure("name addresses, or a --file of them")
    bad: list[BadRow] = []
    wanted = chain(addresses, _listed(listed, bad) if listed else ())
    is_any = False
    async with reading(config.store, marks(config)) as store:
        while some := list(islice(wanted, _AT_ONCE)):
            is_any = _tell(some, await store.suppressions.find(some)) or is_any
    for row in bad:
        line(f"relay: line {row.line}: {row.why}", err=True)
    sys.exit(2 if bad else int(is_any))


def _listed(file: TextIO, bad: list[BadRow]) -> Iterator[str]:
    try:
        for found in read(file, Given(source="", now=0.0, format="plain")):
            if isinstance(found, BadRow):
                bad.append(found)
            else:
                yield found.address
    except UnknownList as error:
        raise Failure(str(error)) from error


def _tell(addresses: list[str], found: Suppressed) -> bool:
    """Whether any of them is suppressed."""
    now, is_any = time.time(), False
    for address in addresses:
        standing = [entry for entry in found.entries(address) if not 0 < entry.expires_at <= now]
        is_any = is_any or bool(standing)
        for entry in standing:
            line(f"{address}: {_told(entry)}")
        if not standing:
            line(f"{address}: not suppressed")
    return is_any


def _told(entry: Suppression) -> str:
    words = [f"{entry.reason} since {when(entry.created_at)}, from {entry.source}"]
    words += [f"for {entry.scope} only"] if entry.scope else []
    words += [f"until {when(entry.expires_at)}"] if entry.expires_at else []
    return ", ".join(words) + f" {entry.note}".rstrip()


@suppression.command("add")
@_address
@credential_option
@list_option
@click.option("--for", "seconds", metavar="TIME", type=duration, default=None, help="30m, 2h, 3d; for ever without it.")
@_note
@on_store
async def suppression_add(
    where: StoreConfig, address: str, credential: str | None, list_: str | None, seconds: float | None, note: str
) -> None:
    """Suppress an address by hand."""
    if seconds == 0:
        raise Failure("for no time at all: leave out --for, or name one")
    now = time.time()
    added = Suppression(
        address=address,
        reason=Reason.MANUAL,
        source=_SOURCE,
        created_at=now,
        note=note,
        scope=scope(credential, list_),
        expires_at=now + seconds if seconds else 0.0,
    )
    async with changing(where) as admin:
        changed = await admin.suppress(added)
    line(f"{address}: {'suppressed' if changed else 'was suppressed already'}")


@suppression.command("remove")
@_address
@credential_option
@list_option
@click.option("--keep-at-ses", is_flag=True, help="Leave it on SES's own list: SES will not send to it.")
@_note
@on_config
async def suppression_remove(
    config: Config, address: str, credential: str | None, list_: str | None, keep_at_ses: bool, note: str
) -> None:
    """Let an address be mailed again, by SES too. What happened before does not bring it back."""
    release = Release(
        address=address,
        source=_SOURCE,
        at=time.time(),
        scope=scope(credential, list_),
        note=note,
        keep_at_ses=keep_at_ses,
    )
    async with changing(config.store, marks=marks(config)) as admin:
        changed = await admin.release(release)
    line(f"{address}: {'may be mailed again' if changed else 'was not suppressed'}")


@suppression.command("sync")
@click.option("--dry-run", is_flag=True, help="Only look.")
@on_config
async def suppression_sync(config: Config, *, dry_run: bool) -> None:
    """Compare the list with SES's own now; exit 1 if SES cannot be asked."""
    try:
        done = await _sync(config, dry_run)
    except SesUnavailable as error:
        line(f"relay: SES does not say whom it has suppressed: {error}", err=True)
        sys.exit(1)
    queued = f", {done.queued} of ours to be put there, one a second while a relay runs" if config.suppression.push else ""
    line(f"{done.listed} on SES's list{'' if dry_run else ' since the last time'}, {done.added} of them new here{queued}")


async def _sync(config: Config, dry: bool) -> ListSync:
    from relay.assembly import at_aws  # boto3: the other verbs need nothing of it

    async with owning(config.store, marks(config)) as store:
        if store is None:
            return await control(config.store).sync_list(dry=dry)
        client = at_aws.sesv2(config, at_aws.session(config))
        return await at_aws.suppression_sync(config, store, client).once(dry=dry)


@suppression.command("list")
@click.option("--limit", type=limit_type, default=100, show_default=True)
@filtered
@on_store
async def suppression_list(where: StoreConfig, limit: int, wanted: Filter) -> None:
    """The newest suppressed addresses, and behind them what came with lists, the last list first."""
    table = Table("address", "reason", "since", "until", "for", "source", "note")
    async with reading(where) as store:
        for found in await store.suppressions.listed(wanted, limit=limit):
            until = when(found.expires_at) if found.expires_at else ""
            mail, since = found.scope or "all mail", when(found.created_at)
            add_row(table, found.address, found.reason, since, until, mail, found.source, found.note)
    show(table)


@suppression.command("history")
@_address
@on_store
async def suppression_history(where: StoreConfig, address: str) -> None:
    """What happened to an address's entries."""
    table = Table("at", "what", "reason", "for", "source", "note")
    async with reading(where) as store:
        for past in await store.suppressions.history(address):
            add_row(table, when(past.at), past.change, past.reason or "", past.scope or "all mail", past.source, past.note)
    show(table)
