from __future__ import annotations

from dataclasses import fields

import pytest

from relay import documents
from relay.credential import (
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
from relay.identities import Identity, IdentityState, KnownIdentities
from relay.suppression import Reason, Suppression

PLAIN = Credential(name="app", kind=Kind.APPLICATION, password_hashes=("a", "b"))
FULL = Credential(
    name="büro",
    kind=Kind.PERSON,
    password_hashes=(),
    scopes=frozenset((Scope.MESSAGES, Scope.TASKS)),
    senders=("shop@example.com", "@example.org"),
    networks=("192.0.2.0/24",),
    recipients=Recipients.SPLIT,
    on_suppressed=OnSuppressed.REJECT,
    null_sender="bounce@example.com",
    rewrite_from="shop@example.com",
    enhanced_codes=False,
    line_ends=LineEnds.NORMALISE,
    per_minute=3,
    per_day=4,
    attachments=Attachments(also_denied=frozenset(("zip",)), permitted=frozenset(("jar", "exe")), encrypted_archives=False),
    ses_headers=True,
    message_class=MessageClass.TRANSACTIONAL,
    macros=Macros.REQUIRED,
    list_unsubscribe=ListUnsubscribe.ADD,
    disabled=True,
)
SUPPRESSION = Suppression(address="a@example.net", reason=Reason.COMPLAINT, source="ses", created_at=1.5)

IDENTITIES = KnownIdentities(
    at=1.5,
    identities=(
        Identity(name="example.com", state=IdentityState.PAUSED, since=1.0, dkim="pending"),
        Identity(name="anna@example.org", state=IdentityState.VERIFIED),
    ),
)


@pytest.mark.parametrize("value", [PLAIN, FULL, SUPPRESSION, IDENTITIES])
def test_what_is_written_is_read(value: object) -> None:
    assert documents.read(type(value), documents.written(value)) == value


def test_every_field_of_a_credential_is_kept() -> None:
    others = {field.name for field in fields(Credential) if getattr(PLAIN, field.name) != getattr(FULL, field.name)}
    assert others == {field.name for field in fields(Credential)}


def test_a_document_of_an_older_or_newer_relay_is_read() -> None:
    older = '{"name": "app", "kind": "application", "password_hashes": ["a", "b"]}'
    newer = '{"name": "app", "kind": "application", "password_hashes": ["a", "b"], "colour": "green"}'
    assert documents.read(Credential, older) == documents.read(Credential, newer) == PLAIN
