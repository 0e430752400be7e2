"""Links of the manual, and commands that it tells to type: what they name is there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from relay.cli import main
from tests.pages import BEFORE, PAGES, ROOT, commands, prose

_SYNOPSIS = re.compile(r"[\[\]]|\b[A-Z][A-Z-]+\b|\.\.\.")


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    found: list[str] = []
    for heading in re.findall(r"(?m)^#+ (.+)$", prose(page)):
        name = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).strip().replace(" ", "-")
        found.append(f"{name}-{found.count(name)}" if name in found else name)
    return set(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" in link or link.startswith("mailto:"):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_a_heading_becomes_the_anchor_that_github_gives_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# [store]\n\n## What it `refuses`, and why\n\n    # no heading\n\n## A\n\n```\n# none\n```\n\n## A\n")
    assert anchors(page) == {"store", "what-it-refuses-and-why", "a", "a-1"}


# Commands


def spans(page: Path) -> Iterator[str]:
    """In backticks."""
    for span in re.findall(r"`([^`]+)`", prose(page)):
        if found := re.match(rf"{BEFORE}(relay .*)", " ".join(span.split())):
            yield found[1].replace("\\|", "|")


def verb(words: list[str]) -> tuple[click.Command, click.Context, list[str]]:
    """The command that they name, and what stands behind its name. Raises UsageError."""
    command: click.Command = main
    context = click.Context(main, info_name="relay")
    while isinstance(command, click.Group) and words:
        if words[0] == "--config":
            words = words[2:]
            continue
        if words[0].startswith("--") or words[0] in ("VERB", "OPTIONS"):
            break
        found = command.get_command(context, words[0])
        if found is None:
            raise click.UsageError(f"no verb {words[0]}")
        command, context, words = found, click.Context(found, info_name=words[0], parent=context), words[1:]
    return command, context, words


def check_options(words: list[str]) -> None:
    """Of a synopsis: the verb is there, and so is each option. Raises UsageError."""
    command, context, rest = verb(words)
    known = {name for option in command.get_params(context) for name in (*option.opts, *option.secondary_opts)}
    for word in rest:
        if word.startswith("--") and word not in known:
            raise click.NoSuchOption(word)


def check_command(words: list[str]) -> None:
    """Of what can be typed as it stands: values fit their options as well, and nothing is missing. Raises UsageError."""
    command, context, rest = verb(words)
    values, left, _ = command.make_parser(context).parse_args(rest)
    if left:
        raise click.UsageError(f"too many arguments: {left}")
    for param in command.get_params(context):
        value = values.get(param.name or "")
        given = [value] if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else []
        if param.required and not given:
            raise click.MissingParameter(param=param)
        if isinstance(param.type, click.Choice | click.IntRange | click.types.FuncParamType):
            convert: Any = param.type.convert
            for each in given:
                convert(each, param, context)


def test_readers_of_commands_find_what_is_wrong() -> None:
    check_command(shlex.split("credential add shop --sender @example.com"))
    check_options("credential add NAME --macros".split())
    for wrong in (
        "credential ad shop",
        "credential add shop",
        "credential add shop --sender nobody",
        "credential add shop --sender @example.com --kind robot",
        "credential add shop --sender @example.com twice",
        "serve --worker",
        "doctor --send",
    ):
        with pytest.raises(click.ClickException):
            check_command(wrong.split())
    for wrong in ("queue stop", "doctor --sent FROM"):
        with pytest.raises(click.ClickException):
            check_options(wrong.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_the_relay_has_verbs_and_options_that_exist(page: Path) -> None:
    wrong = []
    for command in {*commands(page), *spans(page)}:
        is_synopsis = bool(_SYNOPSIS.search(command)) or command not in set(commands(page))
        words = re.sub(r"[\[\]|]", " ", command).split() if is_synopsis else shlex.split(command)
        try:
            (check_options if is_synopsis else check_command)(words[1:])
        except click.ClickException as error:
            wrong.append(f"{command}: {error.format_message()}")
    assert wrong == []


def test_commands_are_found_at_all() -> None:
    assert sum(1 for page in PAGES for _ in commands(page)) > 80
    assert sum(1 for page in PAGES for _ in spans(page)) > 100
