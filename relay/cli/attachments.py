"""`relay credential attachments`: what a login may attach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import click

from relay.cli import arguments
from relay.cli.access import find_credential, on_store, put_credential
from relay.credential import Attachments
from relay.settings import StoreConfig


def _what(flag: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(flag, type=arguments.attachment, multiple=True, metavar="WHAT", help=text)


@click.command("attachments")
@click.argument("name", type=arguments.name)
@_what("--deny", "Refuse WHAT beside what is refused to all. Repeatable, as the next two.")
@_what("--permit", "Take WHAT though it is refused to all; SES may still refuse it.")
@_what("--only", "Refuse everything else.")
@click.option("--encrypted-archives/--no-encrypted-archives", default=None, help="Whether they may pass.")
@click.option("--list-archives/--no-list-archives", default=None, help="Whether names inside of zip files count.")
@click.option("--reset", is_flag=True, help="Begin with what holds for all.")
@on_store
async def credential_attachments(
    where: StoreConfig,
    *,
    name: str,
    deny: tuple[str, ...],
    permit: tuple[str, ...],
    only: tuple[str, ...],
    encrypted_archives: bool | None,
    list_archives: bool | None,
    reset: bool,
) -> None:
    """What a login may attach; without options it is only shown.

    WHAT is an extension (exe) with everything that any reader may take for one, a declared type (text/html, image/*), or what
    the content is (magic:elf).
    """
    found = await find_credential(where, name)
    rules = Attachments() if reset else found.attachments
    changed = replace(
        rules,
        also_denied=(rules.also_denied | set(deny)) - set(permit),
        permitted=(rules.permitted | set(permit)) - set(deny),
        only=rules.only | set(only),
        encrypted_archives=rules.encrypted_archives if encrypted_archives is None else encrypted_archives,
        lists_archives=rules.lists_archives if list_archives is None else list_archives,
    )
    if changed != found.attachments:
        await put_credential(where, replace(found, attachments=changed))
    for line in _shown(changed):
        click.echo(line)


def _shown(rules: Attachments) -> list[str]:
    return [
        f"refused: {', '.join(sorted(rules.denied))}",
        f"nothing else may be attached than: {', '.join(sorted(rules.only))}"
        if rules.only
        else "everything else may be attached",
        f"encrypted archives: {'pass' if rules.encrypted_archives else 'refused'}",
        f"names inside of zip files: {'count' if rules.lists_archives else 'are not looked at'}",
    ]
