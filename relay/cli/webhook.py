"""The verbs of webhooks: who is told what becomes of mail."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, BinaryIO, TextIO

import click
from rich.table import Table

from relay.assembly.sealing import seal
from relay.cli import arguments
from relay.cli.access import changing, on_config, on_store, reading
from relay.cli.terminal import Failure, add_row, line, show, when
from relay.event_words import EVENT_WORDS
from relay.ports.notices import Standing
from relay.settings import Config, StoreConfig
from relay.webhooks import rules, signatures, texts
from relay.webhooks.webhook import Format, Proof, Text, Webhook

_SETTINGS = (
    click.option("--format", type=click.Choice([str(word) for word in Format]), help="Of a body. Default: relay."),
    click.option(
        "--event", "events", type=click.Choice(EVENT_WORDS, case_sensitive=False), multiple=True, help="Only it. Repeatable."
    ),
    click.option("--credential", "credentials", multiple=True, help="Only mail of this login. Repeatable."),
    click.option("--sender", "senders", type=arguments.sender, multiple=True, help="Only mail from it. Repeatable."),
    click.option("--campaign", "campaigns", multiple=True, help="Only mail of it. Repeatable."),
    click.option("--batch", "most", type=click.IntRange(1, rules.MOST), help="So many events in one request. Default: 1."),
    click.option("--method", type=click.Choice(["POST", "PUT", "PATCH", "GET", "DELETE"]), help="Default: POST."),
    click.option("--header", "headers", multiple=True, help="`Name: value`. Repeatable."),
    click.option("--texts", type=click.File("rb"), help="A TOML file with the texts of the format template."),
    click.option(
        "--proof", type=click.Choice([str(word) for word in Proof]), help="How it knows that it is us. Default: none."
    ),
    click.option("--user", help="The user of basic, the access key id of sigv4."),
    click.option("--region", help="Of sigv4."),
    click.option("--service", help="Of sigv4: sns, sqs, events, lambda ..."),
    click.option(
        "--secret-file",
        type=click.File(encoding="utf-8"),
        help="Where the secret stands; for standard one is made otherwise.",
    ),
    click.option("--private/--public", "is_private", default=None, help="Its host may be one of our own network, without TLS."),
)


def _with_settings(verb: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_SETTINGS):
        verb = option(verb)
    return verb


@click.group()
def webhook() -> None:
    """Who is told what becomes of mail."""


@webhook.command("add")
@click.argument("name")
@click.argument("url")
@_with_settings
@on_config
async def webhook_add(config: Config, *, name: str, url: str, **said: Any) -> None:
    """Tell URL what happens from now on."""
    async with reading(config.store) as store:
        if any(each.webhook.name == name for each in await store.webhooks.all()):
            raise Failure(f"there is a webhook {name} already")
    await _put(config, Webhook(name=name, url=url), said)
    line(f"{name} is told what happens from now on")


@webhook.command("change")
@click.argument("name")
@click.option("--url", help="Where it is.")
@_with_settings
@on_config
async def webhook_change(config: Config, *, name: str, url: str | None, **said: Any) -> None:
    """Change what is said; the rest stays, and what waits is told in the new way."""
    found = (await _find(config.store, name)).webhook
    await _put(config, replace(found, url=url or found.url), said)
    line(f"{name} is changed")


async def _put(config: Config, webhook: Webhook, said: dict[str, Any]) -> None:
    file, template = said.pop("secret_file"), said.pop("texts")
    given = {name: _value(name, value) for name, value in said.items() if value not in (None, ())}
    if template:
        given["texts"] = _texts(template)
    made = replace(webhook, **given)
    secret = _secret(file, made, webhook)
    if secret is not None or made.proof is Proof.NONE:
        for objection in rules.objections(made, secret or ""):
            raise Failure(objection)
        made = replace(made, secret=_sealed(config, made.name, secret) if secret else "")
    else:
        for objection in rules.objections(made, _opened(config, made)):
            raise Failure(objection)
    async with changing(config.store) as admin:
        await admin.put_webhook(made)
    if secret and not file:
        line(f"it is signed with the secret {secret}")


def _value(name: str, value: Any) -> Any:
    match name:
        case "events":
            return frozenset(word.upper() for word in value)
        case "credentials" | "senders" | "campaigns":
            return frozenset(value)
        case "headers":
            return tuple(_header(text) for text in value)
        case "format":
            return Format(value)
        case "proof":
            return Proof(value)
        case _:
            return value


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise Failure(f"{text}: not a header, as `Name: value`")
    return name.strip(), value.strip()


def _texts(file: BinaryIO) -> tuple[Text, ...]:
    try:
        return texts.read(file.read().decode())
    except ValueError as error:
        raise Failure(f"{file.name}: {error}") from error


def _secret(file: TextIO | None, made: Webhook, before: Webhook) -> str | None:
    """None for that of before."""
    if file:
        return arguments.secret(file)
    if made.proof is Proof.STANDARD and before.proof is not Proof.STANDARD:
        return signatures.new_secret(secrets.token_bytes)
    return None if before.secret and made.proof is before.proof else ""


def _sealed(config: Config, name: str, secret: str) -> str:
    if (sealing := seal(config)) is None:
        raise Failure("a secret needs a key in secrets.keys: `relay key new`")
    return sealing.seal(secret, about=name)


def _opened(config: Config, webhook: Webhook) -> str:
    if (sealing := seal(config)) is None:
        raise Failure("its secret needs the key in secrets.keys")
    return sealing.open(webhook.secret, about=webhook.name) if webhook.secret else ""


@webhook.command("list")
@on_store
async def webhook_list(where: StoreConfig) -> None:
    """All of them, and how they do."""
    table = Table("name", "url", "format", "tells", "waiting", "", box=None)
    async with reading(where) as store:
        waiting = await store.webhooks.waiting()
        for each in await store.webhooks.all():
            found = each.webhook
            count = waiting[found.name].count if found.name in waiting else 0
            words = ", ".join(sorted(found.events)) or "everything"
            add_row(table, found.name, found.url, found.format, words, str(count), _state(each))
    show(table)


def _state(standing: Standing) -> str:
    if standing.disabled:
        return f"disabled: {standing.disabled}"
    if standing.is_paused:
        return "paused"
    return f"fails since {when(standing.failing_since)}" if standing.failing_since else ""


@webhook.command("pause")
@click.argument("name")
@on_store
async def webhook_pause(where: StoreConfig, *, name: str) -> None:
    """Tell it nothing for a while: what happens meanwhile waits."""
    await _pause(where, name, is_paused=True)
    line(f"{name} is paused")


@webhook.command("resume")
@click.argument("name")
@on_store
async def webhook_resume(where: StoreConfig, *, name: str) -> None:
    """Tell it what waits, and go on, also where it was given up."""
    await _pause(where, name, is_paused=False)
    line(f"{name} goes on")


async def _pause(where: StoreConfig, name: str, *, is_paused: bool) -> None:
    async with changing(where) as admin:
        if not await admin.pause_webhook(name, is_paused=is_paused):
            raise Failure(f"there is no webhook {name}")


@webhook.command("remove")
@click.argument("name")
@on_store
async def webhook_remove(where: StoreConfig, *, name: str) -> None:
    """Tell it nothing any more, and forget what waits."""
    async with changing(where) as admin:
        if not await admin.remove_webhook(name):
            raise Failure(f"there is no webhook {name}")
    line(f"{name} is removed")


@webhook.command("replay")
@click.argument("name")
@click.option("--since", "ago", type=arguments.duration, required=True, help="From so long ago on: 2h, 3d.")
@click.option("--until", "until_ago", type=arguments.duration, help="Up to so long ago. Default: now.")
@on_store
async def webhook_replay(where: StoreConfig, *, name: str, ago: float, until_ago: float | None) -> None:
    """Tell it once more what was heard in a time: events keep their id."""
    await _find(where, name)
    now = time.time()
    async with changing(where) as admin:
        count = await admin.tell_again(name, since=now - ago, until=now - (until_ago or 0.0))
    line(f"{name} is told {count} events again")


@webhook.command("log")
@click.argument("name")
@click.option("--last", type=click.IntRange(1, 1000), default=20, show_default=True, help="So many.")
@click.option("--whole", is_flag=True, help="With what was sent and answered.")
@on_store
async def webhook_log(where: StoreConfig, *, name: str, last: int, whole: bool) -> None:
    """The last requests."""
    async with reading(where) as store:
        for each in await store.webhooks.requests(name, count=last):
            what = each.failure or f"answered {each.status}"
            line(f"{when(each.at)}  {each.notices} events  {each.seconds * 1000:.0f} ms  {what}")
            if whole:
                click.echo("\n".join(f"    {part!r}"[:4000] for part in (each.request, each.answer)))


@webhook.command("test")
@click.argument("name")
@on_config
async def webhook_test(config: Config, *, name: str) -> None:
    """Send it one event that never happened, now, and show the answer."""
    from relay.assembly.webhooks import tried  # aiohttp, which the other verbs do without

    found = (await _find(config.store, name)).webhook
    answer = await tried(config, found, at=time.time())
    line(f"{answer.failure or f'answered {answer.status}'} in {answer.seconds * 1000:.0f} ms")
    if answer.text:
        line(answer.text)
    if answer.failure:
        raise Failure("it was not taken")


async def _find(where: StoreConfig, name: str) -> Standing:
    async with reading(where) as store:
        found = next((each for each in await store.webhooks.all() if each.webhook.name == name), None)
    if found is None:
        raise Failure(f"there is no webhook {name}")
    return found
