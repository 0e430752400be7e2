"""`relay message check`: what would become of a message, and why, without sending it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from relay import judge, labels, policy
from relay.address import key
from relay.assembly import database
from relay.assembly.sealing import marks
from relay.cli import arguments
from relay.cli.access import find_credential, on_config, reading
from relay.cli.terminal import Failure
from relay.credential import Credential, Kind, MessageClass, OnSuppressed
from relay.errors import MessageTooLarge, RecipientSuppressed, Refused
from relay.identities import Identities
from relay.judge import Case, Rule
from relay.model import Edit
from relay.replies import reply_to
from relay.settings import Config
from relay.smtp.content import normalised
from relay.writing import edits

_ANYBODY = Credential(name="", kind=Kind.APPLICATION, password_hashes=(), on_suppressed=OnSuppressed.REJECT)

Step = tuple[str, str, Refused | None]
"""What was looked at, what was seen, and the refusal."""


@click.command("check")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--credential", "name", type=arguments.name, help="Judge as if this login sent it.")
@click.option("--sender", type=arguments.sender, help="Judge with the default policy, as if this address were allowed.")
@click.option("--recipient", help="Who it would be sent to.")
@on_config
async def message_check(config: Config, *, path: Path, name: str | None, sender: str | None, recipient: str | None) -> None:
    """What the policy would do to the message in FILE, step by step.

    Without --credential and --sender the address in its From header counts as allowed. Exit status: 0 it would pass, 1 it
    would be refused, 2 it could not be read.
    """
    if name and sender:
        raise Failure("--credential and --sender exclude each other")
    octets, sending = _octets(path), await _sending(config, name, sender)
    steps = [await _recipient(config, recipient, sending)] if recipient else []
    steps += _content(config, octets, sending, await _identities(config, name))
    for what, seen, refusal in steps:
        click.echo(f"{what:<12} {_reply(refusal) if refusal else seen}")
    refused = any(refusal for _, _, refusal in steps)
    click.echo("It would be refused." if refused else "It would pass.")
    sys.exit(1 if refused else 0)


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error


async def _sending(config: Config, name: str | None, sender: str | None) -> Credential:
    """Who sends it; without senders of its own, whoever the From header names."""
    if name:
        return await find_credential(config.store, name)
    return replace(_ANYBODY, senders=(sender,)) if sender else _ANYBODY


async def _recipient(config: Config, text: str, sending: Credential) -> Step:
    try:
        recipient = policy.recipient(text.encode("utf-8"))
    except Refused as refusal:
        return "recipient", "", refusal
    if not database.exists(config.store):
        return "recipient", f"{recipient} is an address; there is no suppression list here", None
    async with reading(config.store, marks(config)) as store:
        suppressed = await store.suppressions.find([recipient])
    is_transactional = sending.message_class is MessageClass.TRANSACTIONAL
    found = suppressed.of(recipient, credential=sending.name, is_transactional=is_transactional, now=time.time())
    if found and sending.on_suppressed is OnSuppressed.REJECT:
        return "recipient", "", RecipientSuppressed(found.why)
    return "recipient", f"accepted, and not sent: suppressed, {found.why}" if found else recipient, None


async def _identities(config: Config, name: str | None) -> Identities:
    """What SES has verified, as far as a login of ours is concerned: all else is judged as if it were."""
    identities = Identities()
    if name and config.ses.identities_seconds:
        async with reading(config.store) as store:
            if known := await store.identities.known():
                identities.learn(known)
    return identities


def _content(config: Config, octets: bytes, sending: Credential, identities: Identities) -> Iterator[Step]:
    """Step by step, as at the door. What cannot be read is not judged further."""
    yield "size", f"{len(octets)} octets", MessageTooLarge() if len(octets) > config.smtp.max_size else None
    try:
        content = normalised(octets)
        yield "line ends", "as they are" if content == octets else "made CRLF here", None
        case = judge.case(content, sending, identities=identities)
    except Refused as refusal:
        yield "structure", "", refusal
        return
    yield "structure", ", ".join(part.content_type or "text/plain" for part in case.parsed.parts), None
    if not sending.senders:
        case = replace(case, credential=replace(sending, senders=(key(case.header_from),)))
    yield from _rules(case, frozenset(map(Rule, config.policy.observed)))
    yield from _edits(config, case)


def _rules(case: Case, observed: frozenset[Rule]) -> Iterator[Step]:
    found = {finding.rule: finding.refusal for finding in judge.findings(case)}
    for rule in Rule:
        refusal = found.get(rule)
        if refusal and rule in observed:
            yield rule, f"only observed: {_reply(refusal)}", None
        else:
            yield rule, "pass", refusal


def _edits(config: Config, case: Case) -> Iterator[Step]:
    now = time.time()
    try:
        labels.read(case.parsed, now=now, credential=case.credential)
        changes = edits.needed(
            case.content,
            case.parsed,
            message_id="(its id)",
            hostname=config.smtp.hostname,
            protocol="ESMTPSA",
            now=now,
            send_as=case.header_from if case.is_rewritten else "",
        )
    except Refused as refusal:
        yield "edits", "", refusal
        return
    for edit in changes:
        yield "edit", _told(edit, case), None


def _told(edit: Edit, case: Case) -> str:
    """An edit for people: where, and what."""
    old = case.content[edit.start : min(edit.end, edit.start + 60)].partition(b"\r\n")[0].decode("ascii", "backslashreplace")
    if edit.encode:
        return f"octets {edit.start} to {edit.end} sent as {edit.encode}"
    new = edit.text.decode("ascii", "backslashreplace").rstrip().replace("\r\n", " | ")
    return " ".join(word for word in (old and f"without {old!r}", new and f"with {new!r}") if word)


def _reply(refusal: Refused) -> str:
    return reply_to(refusal).line().decode("ascii").rstrip()
