"""The pages of the manual that name what the program says: settings, verbs, replies, errors, alarms."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from relay import config, metrics, replies, ses_errors
from relay.assembly import installing
from relay.doctor.rounds import CHECKS
from relay.judge import Rule
from relay.lifecycle import MOVES
from relay.model import State
from relay.settings import Config
from relay.smtp import answers
from relay.web.api.codes import STATUS
from tests import manual

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
LEVELS = {"WARNING": "warning", "ERROR": "error"}


def text_of(page: str) -> str:
    return (DOCS / page).read_text()


def cells(page: str) -> Iterator[list[str]]:
    """The rows of all tables of a page, their heads included."""
    for line in text_of(page).splitlines():
        if line.lstrip().startswith("| "):
            yield [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def first_cells(page: str) -> set[str]:
    """What stands in backticks in the first cell of any row."""
    return {word for row in cells(page) for word in re.findall(r"`([^`]+)`", row[0])}


@pytest.mark.parametrize("page", manual.PAGES)
def test_a_reference_is_what_its_maker_makes(page: str) -> None:
    assert text_of(page) == manual.PAGES[page](), "python -m tests.manual"


def test_a_comment_is_about_the_keys_right_below_it() -> None:
    example = '# All.\n[a]\n# One\n# and two.\none = 1\ntwo = "x = y"\n# Three.\nthree = []\n\n[b]\n# Four.\none = 4\n'
    said = {"a.one": "One and two.", "a.two": "See `one`.", "a.three": "Three.", "b.one": "Four."}
    assert manual.meanings(example) == said


def without_names(text: str) -> str:
    return re.sub(r"\{\w+\}", "{}", text)


REPLIES = {without_names(f"{code} {enhanced} {text}") for code, enhanced, text in replies._REPLIES.values()}
ANSWERS = {reply.line().decode().strip() for reply in vars(answers).values() if isinstance(reply, replies.Reply)}


def test_every_reply_that_refuses_mail_is_in_the_page_of_troubles_with_what_to_do() -> None:
    told = {without_names(word): row for row in cells("troubleshooting.md") for word in re.findall(r"`([^`]+)`", row[0])}
    assert told.keys() >= REPLIES
    assert all(len(row) == 3 and all(row) for reply, row in told.items() if reply in REPLIES)


def test_the_page_of_troubles_quotes_no_reply_that_the_door_does_not_give() -> None:
    quoted = {without_names(word) for word in first_cells("troubleshooting.md") if re.match(r"[2345]\d\d \d\.\d\.\d", word)}
    assert quoted <= REPLIES | ANSWERS
    assert {reply for reply in ANSWERS if reply.startswith("421")} <= quoted


def test_every_error_of_ses_that_the_relay_knows_is_in_the_page_of_troubles() -> None:
    assert {row.code for row in ses_errors.TABLE} <= first_cells("troubleshooting.md")


def test_every_code_of_the_api_is_in_the_page_of_troubles_with_its_status() -> None:
    told = {row[0].strip("`"): row[1] for row in cells("troubleshooting.md")}
    assert {code.value: str(status) for code, status in STATUS.items()}.items() <= told.items()


def test_every_check_of_the_doctor_is_in_the_page_of_troubles_with_words_that_it_says() -> None:
    rows = {row[0]: row for row in cells("troubleshooting.md")}
    assert rows.keys() >= {*CHECKS, "permissions"}
    source = [ast.parse(path.read_text()) for path in (ROOT / "relay" / "doctor").glob("*.py")]
    sentences = "|".join(pattern for tree in source for pattern in patterns(tree))
    said = [word for check in (*CHECKS, "permissions") for word in re.findall(r"`([^`]+)`", rows[check][1])]
    assert [word for word in said if not re.fullmatch(sentences, word)] == []


def patterns(part: ast.AST) -> Iterator[str]:
    """Of the texts in it, each as a whole; anything may stand where the program puts a value."""
    if isinstance(part, ast.JoinedStr):
        made = "".join(
            ".+" if isinstance(each, ast.FormattedValue) else re.escape(ast.literal_eval(each)) for each in part.values
        )
        yield from [made] if re.search(r"[A-Za-z]{3}", made) else []
    elif isinstance(part, ast.Constant) and isinstance(part.value, str):
        yield re.escape(part.value)
    else:
        for child in ast.iter_child_nodes(part):
            yield from patterns(child)


def test_every_rule_is_in_the_page_of_policy_and_beside_the_setting_that_observes_it() -> None:
    assert first_cells("policy.md") >= set(Rule)
    told = manual.meanings((ROOT / "config" / "relay.toml").read_text())["policy.observed"]
    assert [rule for rule in Rule if not re.search(rf" {rule}[,. ]", told)] == []


def settings() -> Iterator[tuple[str, str]]:
    """Pages with the blocks of TOML that are settings of the relay."""
    sections = {found.name for found in fields(Config)}
    for page in PAGES:
        for block in re.findall(r"(?ms)^ *```toml\n(.*?)^ *```", page.read_text()):
            if tomllib.loads(block).keys() <= sections:
                yield page.name, block


@pytest.mark.parametrize(("page", "block"), list(settings()))
def test_settings_in_the_manual_can_be_loaded(page: str, block: str, tmp_path: Path) -> None:
    file, keys = tmp_path / page, tmp_path / "keys"
    installing.add_key(keys)
    file.write_text(block.replace("/etc/relay/keys", str(keys)))
    assert config.load(file, {}).file == str(file)


def test_settings_are_found_in_the_pages_that_have_some() -> None:
    assert {page for page, _ in settings()} >= {"quick-start.md", "from-postfix.md", "from-aws-smtp-relay.md"}


# What the journal tells

Function = ast.FunctionDef | ast.ClassDef


def loud() -> dict[str, tuple[Function, set[str]]]:
    """What in journal.py writes a warning or an error, by name, with its levels."""
    parts = ast.parse((ROOT / "relay" / "journal.py").read_text()).body
    named = {part.name: (part, names_in(part)) for part in parts if isinstance(part, Function)}
    return {name: (part, {LEVELS[word] for word in words}) for name, (part, words) in named.items() if words}


def names_in(part: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(part) if isinstance(node, ast.Name)} & LEVELS.keys()


def told_by(part: Function) -> set[str]:
    """The events that it writes; none where the source does not name them."""
    calls = [node for node in ast.walk(part) if isinstance(node, ast.Call) and ast.unparse(node.func) == "_write"]
    return {str(call.args[0].value) for call in calls if isinstance(call.args[0], ast.Constant)}


def states_after_a_call() -> set[str]:
    """As `journal.settled` tells them: every end of a call but the good one."""
    after = {moves[State.SENDING] for moves in MOVES.values() if State.SENDING in moves} - {State.SENT}
    return {"retry" if state is State.QUEUED else state.value for state in after}


def events() -> dict[str, set[str]]:
    """Every event that may be a warning or an error, with its levels."""
    found: dict[str, set[str]] = {}
    for name, (part, levels) in loud().items():
        for event in states_after_a_call() if name == "settled" else told_by(part):
            found.setdefault(event, set()).update(levels)
    return found


def test_what_a_call_led_to_is_the_only_loud_event_that_the_source_does_not_name() -> None:
    assert [name for name, (part, _) in loud().items() if not told_by(part)] == ["settled"]


def test_every_event_that_is_a_warning_or_an_error_is_in_the_page_of_alarms_with_its_level() -> None:
    told: dict[str, set[str]] = {}
    for row in cells("alarms.md"):
        if row[1] in LEVELS.values():
            assert len(row) == 4, row
            assert all(row), row
            told.setdefault(row[0].strip("`"), set()).add(row[1])
    assert {event: levels for event, levels in events().items() if event != "library"} == told
    assert "`library`" in text_of("alarms.md")


def test_every_metric_is_in_the_page_of_alarms_and_its_rules_ask_for_no_other() -> None:
    kinds = {"counter": "_total"}
    there = {f"{found.name}{kinds.get(found.type, '')}" for found in metrics.registry.collect()}
    assert {re.sub(r"\{.*\}", "", word) for word in first_cells("alarms.md") if word.startswith("relay_")} == there
    assert set(re.findall(r"\brelay_\w+", text_of("alarms.md"))) == there


def test_what_the_page_of_alarms_says_of_troubles_is_what_the_program_says() -> None:
    table = text_of("alarms.md").partition("| `what` |")[2].partition("\n\n")[0]
    told = re.findall(r"(?m)^\| `([^`]+)`", table)
    source = "".join(path.read_text() for path in (ROOT / "relay").rglob("*.py"))
    said = re.findall(r'journal\.(?:trouble|bug)\(\s*f?"([^"]+)"', source)
    assert told
    assert {without_names(word) for word in told} <= {re.sub(r"\{[^}]+\}", "{}", text) for text in said}
