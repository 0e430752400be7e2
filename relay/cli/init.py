"""`relay init`: from a fresh machine to settings, keys, a certificate, a first login and a first operator; also again."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from relay import config as settings
from relay import first_settings
from relay.assembly import installing, way_in
from relay.assembly.installing import Owner
from relay.cli import DEFAULT_CONFIG, arguments
from relay.cli.aws import aws_setup
from relay.cli.first_people import admit
from relay.cli.loop import run
from relay.cli.terminal import Failure, line
from relay.cli.wishes import Said
from relay.doctor import machine, rounds
from relay.doctor.look import Look
from relay.doctor.rounds import Check
from relay.errors import ConfigError
from relay.findings import Grade
from relay.first_settings import Wishes
from relay.provisioning import Transport
from relay.settings import Config

_USER = "relay"
_CHECKS = {"ports": Check(machine.ports), "disk": Check(machine.disk)}


@click.command()
@click.option("--config", "own", type=click.Path(path_type=Path), help=f"The file to write.  [default: {DEFAULT_CONFIG}]")
@click.option("--hostname", default="", help="The name that mail programs connect to.")
@click.option("--region", default="", help="Of SES.")
@click.option("--certificate", type=click.Path(path_type=Path), help="PEM, with its chain; the relay's user must read it.")
@click.option("--key", type=click.Path(path_type=Path), help="Of the certificate, PEM.")
@click.option("--self-signed", is_flag=True, help="Make a certificate that nobody vouches for; so it is without --certificate.")
@click.option("--public-url", default="", help="How SNS reaches the relay: https://relay.example.com. Without it: by a queue.")
@click.option("--proxy", "proxies", type=arguments.network, multiple=True, help="Ends TLS for that URL. Repeatable.")
@click.option("--login", default="", help="The name of the first login.")
@click.option("--sender", "senders", type=arguments.sender, multiple=True, help="What it may send as: @domain. Repeatable.")
@click.option("--operator", default="", help="The name of the console's first operator.")
@click.option("--data", type=click.Path(path_type=Path), help="The folder of the store.  [default: /var/lib/relay]")
@click.option("--user", default="", help=f"Whom the relay runs as.  [default: {_USER}, where there is one and root asks]")
@click.option("--force", is_flag=True, help="Write the file of settings anew; the one that is there becomes FILE.old.")
@click.option("--yes", is_flag=True, help="Ask nothing: what is not said is as it would be suggested.")
@click.pass_context
def init(context: click.Context, /, own: Path | None, *, yes: bool, **options: Any) -> None:
    """Write the settings, and make keys, a certificate, the folder, a first login and a first operator. What is there stays.

    Asks for what is not said, where there is a terminal. Passwords are shown this once. On a server root runs it: the settings
    are then root's, and the store belongs to the user that the relay runs as.
    """
    said = Said(**options, asks=sys.stdin.isatty() and not yes)
    context.obj = own or context.obj or DEFAULT_CONFIG
    try:
        owner = Owner(said.user or _usual_user())
        config = _on_disk(context.obj, said, owner)
    except (ConfigError, OSError, ValueError) as error:
        raise Failure(str(error)) from error
    login = admit(config, said)
    if said.asks:
        _offer_aws(context, config)
    _tell_next(config, owner, login)


def _usual_user() -> str:
    try:
        return Owner(_USER).name if os.geteuid() == 0 else ""
    except ConfigError:
        return ""


def _on_disk(file: Path, said: Said, owner: Owner) -> Config:
    """All of it; in the end this process is the relay's user. Raises ConfigError, OSError, ValueError."""
    is_new = said.force or not file.exists()
    config = _written(file, said.wishes(file), said, owner) if is_new else _found(file, said)
    if said.self_signed or config.smtp.certificate.parent == file.absolute().parent / "tls":
        _sign(config, owner)
    store = config.store.path.parent
    line(f"{store}: {'made' if owner.folder(store) else 'is there'}, for {owner.name}")
    owner.become()
    config = settings.load(file, os.environ)
    way_in.smtp_tls(config)
    return config


def _found(file: Path, said: Said) -> Config:
    config = settings.load(file, os.environ)
    said.check_agrees(config)
    _look(config)
    line(f"{file}: is there")
    if not config.secrets.keys:
        line('no secrets.keys: `relay key new FILE`, and keys_file = "FILE" under [secrets]')
    return config


def _written(file: Path, wishes: Wishes, said: Said, owner: Owner) -> Config:
    config = settings.parsed(first_settings.text(wishes), str(file), os.environ)
    _look(config)
    if not config.secrets.keys:  # the environment may have some
        wishes = first_settings.with_keys(wishes, file.absolute().parent / "keys")
    text = first_settings.text(wishes)
    if said.asks:
        click.echo(f"\n{text}")
        click.confirm(f"Write {file}?", default=True, abort=True)
    _make_folder(file.parent, owner)
    if wishes.keys:
        _make_key(wishes.keys, owner)
    if file.exists():
        file.rename(file.with_name(f"{file.name}.old"))
    installing.write(file, text)
    owner.may_read(file)
    line(f"{file}: written")
    if not wishes.public_url:
        line(
            "no public URL: events come by a queue, mail has no links, and callbacks.listen is empty: nobody listens for these"
        )
    return settings.load(file, os.environ)


def _make_folder(folder: Path, owner: Owner) -> None:
    if not folder.exists() or folder == DEFAULT_CONFIG.parent:  # systemd makes that one as well, for root alone
        folder.mkdir(parents=True, exist_ok=True)
        owner.may_read(folder)


def _look(config: Config) -> None:
    """At the machine. Nothing is written where the relay could not run; a relay that runs has what it needs."""
    found = installing.facts(config.store)
    found += run(rounds.examine)(Look(config), _CHECKS)[: len(_CHECKS)]
    for each in found:
        line(f"{each.check}: {each.seen}" + (f": {each.remedy}" if each.remedy else ""))
    if any(each.grade is Grade.FAIL for each in found) and not machine.relay_runs(config):
        raise Failure("nothing was written: mend this first")


def _make_key(file: Path, owner: Owner) -> None:
    if file.exists():
        line(f"{file}: is there")
        return
    installing.add_key(file)
    owner.may_read(file)
    line(f"{file}: made; keep a copy of it elsewhere")


def _sign(config: Config, owner: Owner) -> None:
    smtp = config.smtp
    if installing.sign_ourselves(smtp.certificate, smtp.key, name=smtp.hostname, now=time.time(), owner=owner):
        line(f"{smtp.certificate}: made; nobody vouches for it: docs/tls.md")
    else:
        line(f"{smtp.certificate}: is there")


def _offer_aws(context: click.Context, config: Config) -> None:
    if not click.confirm("Set up the way of SES's events at AWS now? Credentials that may do so are needed", default=False):
        return
    try:
        context.invoke(aws_setup, transport=_transport(config), public_url=None, no_tracking=False, dry_run=False, patience=0)
    except Failure as failure:
        failure.show()
    except SystemExit:
        pass  # nothing is confirmed before the relay runs


def _transport(config: Config) -> str:
    return str(Transport.HTTPS if config.callbacks.public_url else Transport.SQS)


def _tell_next(config: Config, owner: Owner, login: str) -> None:
    """What is left to be done, ready to be typed."""
    smtp, file = config.smtp, Path(config.file)
    port = smtp.submission.rpartition(":")[2]
    relay = "relay" if file == DEFAULT_CONFIG else f"relay --config {file}"
    verb = f"runuser --user {owner.name} -- {relay}" if owner.is_another else relay
    transport = "" if config.callbacks.public_url else f" --transport {Transport.SQS}"
    click.echo(
        f"""
What is left:

  DNS     {smtp.hostname} leads to this machine, and SES has verified the domains that mail is sent from
  AWS     {verb} aws setup{transport}
          prints what must stand in {file} then; {relay} aws policy{transport} prints the rights of the relay itself
  start   systemctl enable --now relay    (docs/install.md; by hand: {verb} serve)
  look    {verb} doctor
          and at the console, where it is on: http://{config.private.listen}
  send    swaks --server {smtp.hostname}:{port} --tls --auth-user {login} --auth-password PASSWORD \\
                --from SENDER --to success@simulator.amazonses.com
"""
    )
