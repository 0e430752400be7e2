"""Writes the two references of the manual out of the program itself: `python -m tests.manual`. A test compares."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import click

from relay import config
from relay.cli import main
from relay.settings import Config

ROOT = Path(__file__).parents[1]

_SETTINGS = """# Every setting

Settings come from a TOML file: `relay serve --config FILE`, else what `RELAY_CONFIG` names, else `/etc/relay/relay.toml` where
it exists, else none. `RELAY_CONFIG` holds for all verbs. What the file leaves out has the default given here.

* A variable of the environment goes before the file: `RELAY_SMTP__MAX_SIZE=20971520`. Lists have commas there, or a line for
  each item.
* With `_FILE` behind its name a variable names a file that has the value, for secrets:
  `RELAY_SECRETS__KEYS_FILE=/etc/relay/keys`. It goes before both.
* A secret, as `secrets.keys`, `store.url` or `feedback.webhook_password`, may stand in a file that the settings name, with
  `_file` behind its key: `keys_file = "/etc/relay/keys"`.
* An unknown section, key or variable stops the start, and so does a value of the wrong type, or a number beyond a century or an
  exabyte. `relay check-config FILE` says whether all can be used.
* AWS credentials are no settings: they come from the AWS chain ([aws.md](aws.md)).

This page is made of `config/relay.toml` and `relay/settings.py` by `python -m tests.manual`. "See" names the setting above
whose words are about this one as well.
"""

_COMMANDS = """# Every command

`relay VERB --help` says the same. `relay --config FILE VERB` names the settings; without it `/etc/relay/relay.toml` is read
where it exists. `--dir` looks into a sandbox's folder instead. What cannot be done is said in one line, with exit status 2.

Verbs that write go through the relay that runs, over a Unix socket beside its database, or to the database itself if none
runs.

This page is made of the program by `python -m tests.manual`.
"""


def configuration() -> str:
    """docs/configuration.md: a section's keys in the order of its class, with the comments of config/relay.toml."""
    said = meanings((ROOT / "config" / "relay.toml").read_text())
    sections = (found for found in fields(Config) if found.metadata.get("section", True))
    return "\n".join([_SETTINGS, *(_section(found.name, getattr(Config(), found.name), said) for found in sections)])


def meanings(example: str) -> dict[str, str]:
    """What the comment above each `section.key` says. A key right below another one shares its comment."""
    said: dict[str, str] = {}
    section = first = ""
    comment: list[str] = []
    for line in example.splitlines():
        if line.startswith("["):
            section, comment = line.strip("[]"), []
        elif line.startswith("# "):
            comment.append(line.removeprefix("# "))
        elif " = " in line:
            key = line.partition(" = ")[0]
            first = key if comment else first
            said[f"{section}.{key}"] = " ".join(comment) if comment else f"See `{first}`."
            comment = []
    return said


def _section(name: str, defaults: Any, said: dict[str, str]) -> str:
    types = get_type_hints(type(defaults))
    rows = [
        _row(
            f"`{found.name}`",
            config._WORDS[types[found.name]].removeprefix("a "),
            f"`{_toml(getattr(defaults, found.name))}`",
            f"`RELAY_{name}__{found.name}`".upper(),
            _linked(said[f"{name}.{found.name}"]),
        )
        for found in fields(defaults)
    ]
    heads = [_row("setting", "type", "default", "variable", "meaning"), "|---|---|---|---|---|"]
    return "\n".join([f"## [{name}]", "", inspect.getdoc(defaults) or "", "", *heads, *rows, ""])


def _toml(value: object) -> str:
    """As it stands in a file of settings."""
    return json.dumps(str(value) if isinstance(value, Path) else value)


def _linked(text: str) -> str:
    """Pages that are named become links."""
    return re.sub(r"docs/([\w-]+\.md)", r"[\1](\1)", text)


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def commands() -> str:
    """docs/commands.md: every verb in the order of `--help`, its usage, its help, its options."""
    return "\n".join([_COMMANDS, *_verbs(main, click.Context(main, info_name="relay"))])


def _verbs(command: click.Command, context: click.Context) -> Iterator[str]:
    level = "##" if context.parent is None or context.parent.parent is None else "###"
    if context.parent is not None:
        yield f"{level} {context.command_path}\n"
    yield f"    {' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    yield from _options(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            verb = command.get_command(context, name)
            assert verb is not None
            yield from _verbs(verb, click.Context(verb, info_name=name, parent=context))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    options = (param for param in command.params if isinstance(param, click.Option))
    records = [found for option in options if (found := option.get_help_record(context))]
    if records:
        yield "\n".join(["| option | |", "|---|---|", *(_row(f"`{option}`", said) for option, said in records), ""])


PAGES = {"configuration.md": configuration, "commands.md": commands}

if __name__ == "__main__":
    for page, made in PAGES.items():
        (ROOT / "docs" / page).write_text(made())
