"""Texts of a template as people write them: read back as they were, and refused in words where they are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.event_words import EVENT_WORDS
from relay.webhooks import sample, texts
from relay.webhooks.webhook import EVERYTHING, Format, Proof, Text, Webhook

_TOML = st.text(st.characters(exclude_categories=["Cs"]))
_CRM = Webhook(name="crm", url="https://crm.example.com/")


@given(trigger=_TOML, body=_TOML, url=_TOML)
def test_what_is_written_is_read_as_the_same(trigger: str, body: str, url: str) -> None:
    made = (Text(trigger="BOUNCED", body=url), Text(trigger=f"x{trigger}", body=body, url=url))
    assert texts.read(texts.written(made)) == made


@pytest.mark.parametrize("body", ["it's", "''", "a\n'''b'''", "ends with '", "\n", "\r\n", "\x7f", "\\", '{"a": "${x}"}'])
def test_what_has_quotes_or_lines_is_as_well(body: str) -> None:
    made = (Text(trigger=EVERYTHING, body=body),)
    assert texts.read(texts.written(made)) == made


def test_json_stays_as_one_writes_it() -> None:
    made = Text(trigger=EVERYTHING, body='{"text": "${recipient}"}', url="https://a.example.com/")
    assert texts.written([made]) == '["*"]\nurl = \'https://a.example.com/\'\nbody = \'{"text": "${recipient}"}\'\n'


def test_lines_as_forms_send_them_are_lines() -> None:
    assert texts.read("[BOUNCED]\r\nbody = '''\r\none\r\ntwo'''\r\n") == (Text(trigger="BOUNCED", body="one\ntwo"),)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[BOUNCED", "no TOML"),
        ("BOUNCED = 1", "a table for each event"),
        ("[BOUNCED]\nbody = 5", "a table for each event"),
        ("[BOUNCED]\nbdy = 'x'", "a table for each event"),
        ("x = " + "[" * 5000, "no TOML"),
    ],
)
def test_what_is_none_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        texts.read(text)


@pytest.mark.parametrize("word", EVENT_WORDS)
def test_a_sample_is_of_an_event_that_is_told(word: str) -> None:
    made = Webhook(
        name="crm",
        url="https://crm.example.com/",
        format=Format.TEMPLATE,
        events=frozenset({word}),
        senders=frozenset({"@example.com"}),
        credentials=frozenset({"app"}),
        campaigns=frozenset({"spring"}),
        texts=(Text(trigger=word, body="${event} ${sender} ${credential} ${campaign}"),),
    )
    assert sample.request(made, "", at=1.0).body == f"{word} nobody@example.com app spring".encode()


def test_who_is_told_of_nothing_gets_no_sample() -> None:
    made = Webhook(name="a", url=_CRM.url, format=Format.SES, events=frozenset({"SUPPRESSED"}), proof=Proof.NONE)
    with pytest.raises(ValueError, match="no event"):
        sample.request(made, "", at=1.0)
