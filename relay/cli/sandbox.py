"""The verbs of the sandbox: run it, send the demo's mail through it."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from pathlib import Path

import click
from rich.table import Table

from relay import journal
from relay.cli.loop import run, told, until_any
from relay.cli.terminal import show
from relay.playground import API, APPLICATION, CALLBACKS, OPERATOR, PRIVATE, SUBMISSION, SUBMISSIONS, Playground, demo

_folder = click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path("sandbox"), show_default=True)


@click.command()
@_folder
@click.option("--demo", "with_demo", is_flag=True, help="Send the demo's traffic once it runs.")
@run
async def sandbox(folder: Path, with_demo: bool) -> None:
    """Run the whole relay against an AWS in miniature, on this machine only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "relay.log").open("a", encoding="utf-8") as log:
        journal.open_journal(stream=log)
        playground = Playground(folder)
        await playground.start()
        try:
            all_right = await _show_demo(folder) if with_demo else True
            _print_sandbox(folder)
            if not all_right:
                click.echo("Some rows of the demo are not as they should be.", err=True)
            await until_any(told().wait(), playground.app.failed.wait())
        finally:
            await playground.stop()


@click.command("demo")
@_folder
@run
async def demo_command(folder: Path) -> None:
    """Send the demo's traffic through a sandbox that runs; exit 0 only if every row is as it should be."""
    sys.exit(0 if await _show_demo(folder) else 1)


async def _show_demo(folder: Path) -> bool:
    headers = ("", "what was sent", "what must happen", "what happened instead")
    table = Table(*headers, title="Relay demo: through the real SMTP door, SES in miniature behind it")
    async with AsyncExitStack() as stack:
        rows = [row async for row in (await demo(folder, stack)).rows()]
    for row in rows:
        table.add_row("ok" if row.is_right else "WRONG", row.what, row.expected, "" if row.is_right else row.seen)
    show(table)
    return all(row.is_right for row in rows)


def _print_sandbox(folder: Path) -> None:
    to = "success@simulator.amazonses.com"
    login = f"'{APPLICATION.name}', '{APPLICATION.password}'"
    mail = f"'{APPLICATION.sender}', '{to}', 'From: {APPLICATION.sender}\\r\\nSubject: hi\\r\\n\\r\\nHello\\r\\n'"
    python = (
        f"import smtplib, ssl; s = smtplib.SMTP('127.0.0.1', {SUBMISSION}); "
        f"s.starttls(context=ssl._create_unverified_context()); s.login({login}); s.sendmail({mail})"
    )
    click.echo(
        f"""
The sandbox runs; Ctrl-C ends it.

  SMTP        127.0.0.1:{SUBMISSION} (STARTTLS)   127.0.0.1:{SUBMISSIONS} (TLS)   self-signed certificate
  login       {APPLICATION.name} / {APPLICATION.password}   sends as anything @example.com
  webhook     http://127.0.0.1:{CALLBACKS}/sns
  HTTP API    http://127.0.0.1:{API}/email/v1   the same login
  console     http://127.0.0.1:{PRIVATE}   {OPERATOR.name} / {OPERATOR.password}

Send one:

  swaks --server 127.0.0.1:{SUBMISSION} --tls --auth-user {APPLICATION.name} --auth-password {APPLICATION.password} \\
        --from {APPLICATION.sender} --to {to}

  python3 -c "{python}"

  curl -u {APPLICATION.name}:{APPLICATION.password} http://127.0.0.1:{API}/email/v1/Messages \\
       -d '{{"Sender": {{"Address": "{APPLICATION.sender}"}}, "Recipient": {{"Address": "{to}"}},
            "Subject": "hi", "Text": "Hello"}}'

See what became of it (other addresses to try: bounce@, complaint@, ooto@, suppressionlist@simulator.amazonses.com):

  .venv/bin/relay message list --dir {folder}
  .venv/bin/relay message show ID --dir {folder}
  tail -f {folder}/relay.log

Look at every hop between mail programs, SES and back; set up at this AWS what is missing; look again, and prove it with mail:

  .venv/bin/relay doctor --dir {folder}
  .venv/bin/relay aws setup --dir {folder}
  .venv/bin/relay doctor --dir {folder} --send {APPLICATION.sender}
"""
    )
