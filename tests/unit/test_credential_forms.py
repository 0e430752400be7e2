"""The form of a login says what the login says, and nothing else comes in by it."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from relay.credential import (
    DEFAULTS,
    Attachments,
    Credential,
    Kind,
    LineEnds,
    ListUnsubscribe,
    Macros,
    MessageClass,
    OnSuppressed,
    Recipients,
    Scope,
)
from relay.web.console.credential_forms import CHOICES, differences, new, read, written
from relay.web.console.visits import Objection
from relay.web.console.words import Words

PLAIN = Credential(name="shop", kind=Kind.APPLICATION, password_hashes=("hash",), senders=("@example.com",))
FULL = Credential(
    name="shop",
    kind=Kind.PERSON,
    password_hashes=("new", "old"),
    scopes=frozenset({Scope.MESSAGES, Scope.QUEUE}),
    senders=("shop@example.com", "@example.org", "@*.xn--bcher-kva.example"),
    networks=("192.0.2.0/24", "2001:db8::/32"),
    recipients=Recipients.FIRST,
    on_suppressed=OnSuppressed.REJECT,
    null_sender="bounces@example.com",
    rewrite_from="Shop@Example.com",
    enhanced_codes=False,
    line_ends=LineEnds.NORMALISE,
    per_minute=7,
    per_day=900,
    attachments=Attachments(
        also_denied=frozenset({"pdf", "image/*"}),
        permitted=frozenset({"exe"}),
        only=frozenset({"magic:elf", "text/html"}),
        encrypted_archives=False,
        lists_archives=True,
    ),
    ses_headers=True,
    message_class=MessageClass.MARKETING,
    macros=Macros.FOOTER,
    list_unsubscribe=ListUnsubscribe.REPLACE,
    disabled=True,
)


def test_the_full_one_has_nothing_as_it_is_by_default() -> None:
    same = {field.name for field in fields(Credential) if getattr(FULL, field.name) == getattr(PLAIN, field.name)}
    assert same == {"name"}


@pytest.mark.parametrize("login", [PLAIN, FULL])
def test_what_is_written_into_a_form_is_read_from_it(login: Credential) -> None:
    assert read(written(login), login) == login
    bare = Credential(name=login.name, kind=login.kind, password_hashes=login.password_hashes, disabled=login.disabled)
    assert read(written(login), bare) == login


def test_a_form_says_nothing_of_passwords_and_does_not_change_them() -> None:
    assert not {"new", "old"} & set(written(FULL).values())
    changed = read({**written(PLAIN), "password_hashes": "mine", "disabled": "on", "name": "other"}, FULL)
    assert (changed.password_hashes, changed.disabled, changed.name) == (FULL.password_hashes, True, "shop")


@pytest.mark.parametrize("kind", list(Kind))
def test_what_a_new_one_does_not_say_is_as_usual_for_its_kind(kind: Kind) -> None:
    said = {**written(PLAIN), "name": "new", "kind": str(kind), "recipients": "", "on_suppressed": ""}
    made = new(said, "hash")
    assert (made.recipients, made.on_suppressed) == DEFAULTS[kind]
    expected = Credential(name="new", kind=kind, password_hashes=("hash",), senders=PLAIN.senders)
    assert replace(made, recipients=expected.recipients, on_suppressed=expected.on_suppressed) == expected


def test_words_are_read_as_people_write_them() -> None:
    said = {
        **written(PLAIN),
        "senders": "Shop@Example.com, @BÜCHER.example;\r\n  @*.Example.ORG\n\nshop@example.com",
        "networks": "192.0.2.7 10.1.2.3/8",
        "denied": ".PDF, Image/*",
        "per_minute": "",
    }
    found = read(said, PLAIN)
    assert found.senders == ("shop@example.com", "@xn--bcher-kva.example", "@*.example.org")
    assert found.networks == ("192.0.2.7/32", "10.0.0.0/8")
    assert found.attachments.also_denied == {"pdf", "image/*"}
    assert found.per_minute == 0


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"senders": "@example.com example.org"}, "example.org"),
        ({"senders": "@*example.org"}, "@*example.org"),
        ({"senders": "zoë@example.com"}, "zoë@example.com"),
        ({"senders": "\ud800@example.com"}, "\ud800@example.com"),
        ({"networks": "192.0.2.0/33"}, "192.0.2.0/33"),
        ({"networks": "everywhere"}, "everywhere"),
        ({"recipients": "all"}, "all"),
        ({"on_suppressed": "send"}, "send"),
        ({"macros": ""}, ""),
        ({"line_ends": "REFUSE"}, "REFUSE"),
        ({"message_class": "spam"}, "spam"),
        ({"list_unsubscribe": "never"}, "never"),
        ({"per_minute": "-1"}, "-1"),
        ({"per_day": "many"}, "many"),
        ({"per_day": "1" * 5000}, "1" * 5000),
        ({"null_sender": "@example.com"}, "@example.com"),
        ({"denied": "e/x/e"}, "e/x/e"),
        ({"denied": "exe pdf", "permitted": "exe"}, "exe"),
    ],
)
def test_what_cannot_be_is_named(said: dict[str, str], word: str) -> None:
    with pytest.raises(Objection) as objected:
        read({**written(PLAIN), **said}, PLAIN)
    assert objected.value.said.words == {"word": word}


def test_an_address_that_others_become_is_one_of_its_own() -> None:
    with pytest.raises(Objection) as objected:
        read({**written(PLAIN), "rewrite_from": "shop@example.org"}, PLAIN)
    assert objected.value.said.words == {"address": "shop@example.org"}


def test_without_anything_to_be_used_for_it_is_none() -> None:
    with pytest.raises(Objection):
        read({name: word for name, word in written(PLAIN).items() if not name.startswith("scope.")}, PLAIN)


@pytest.mark.parametrize("name", ["", ".", "..", "two\nlines", "bell\a", "x" * 129])
def test_some_names_cannot_be(name: str) -> None:
    with pytest.raises(Objection):
        new({**written(PLAIN), "name": name, "kind": "person"}, "hash")


def test_a_new_one_sends_as_somebody_and_is_of_a_kind() -> None:
    said = {**written(PLAIN), "name": "new", "kind": "person"}
    assert new(said, "hash").kind is Kind.PERSON
    for wrong in ({"senders": ""}, {"kind": "robot"}):
        with pytest.raises(Objection):
            new({**said, **wrong}, "hash")


def test_what_has_changed_is_said_without_passwords() -> None:
    assert json.loads(differences(PLAIN, replace(PLAIN, per_day=5, password_hashes=("x",), scopes=frozenset()))) == {
        "per_day": [0, 5],
        "scopes": [["smtp"], []],
    }


def test_every_choice_is_there_and_has_its_name_in_russian() -> None:
    kinds = (Recipients, OnSuppressed, MessageClass, Macros, ListUnsubscribe, LineEnds)
    assert sorted([value for value, _ in of] for of in CHOICES.values()) == sorted(
        [str(each) for each in kind] for kind in kinds
    )
    table = Words("ru").table
    assert [name for of in CHOICES.values() for _, name in of if name not in table] == []
