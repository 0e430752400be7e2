"""Who may send from an identity: by the index, and by asking of every address whether SES and the login let it pass."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from relay import policy
from relay.credential import Credential
from relay.errors import SenderNotAllowed
from relay.identities import Identities, Identity, IdentityState, KnownIdentities
from relay.web.console.sender_users import Users
from tests.harness import APPLICATION

DOMAINS = ("example.com", "a.example.com", "b.a.example.com", "example.org", "xample.com")
ADDRESSES = [f"{local}@{domain}" for domain in DOMAINS for local in ("anna", "anna+x", "bert")]
BELOW = [f"anna@z.{domain}" for domain in DOMAINS]
ENTRIES = [*ADDRESSES, *(f"@{domain}" for domain in DOMAINS), *(f"@*.{domain}" for domain in (*DOMAINS, "com"))]
LOGINS = [
    replace(APPLICATION, name=" ".join(entries), senders=entries)
    for many in (0, 1, 2)
    for entries in combinations(ENTRIES, many)
]


def may_send(login: Credential, identity: str) -> bool:
    identities = Identities()
    found = Identity(name=identity, state=IdentityState.VERIFIED)
    identities.learn(KnownIdentities(at=1.0, identities=(found,)))
    return any(not identities.why_not(address) and allows(login, address) for address in (*ADDRESSES, *BELOW))


def allows(login: Credential, address: str) -> bool:
    try:
        return bool(policy.allowed_sender(address, login))
    except SenderNotAllowed:
        return False


@pytest.mark.parametrize(
    "identity", [*DOMAINS, *(address for address in ADDRESSES if "+" not in address), "Example.COM", "com"]
)
def test_an_identity_is_used_by_those_who_can_send_something_that_it_stands_for(identity: str) -> None:
    users = Users(LOGINS)
    assert users.of(identity) == sorted(login.name for login in LOGINS if may_send(login, identity))


def test_a_wide_login_may_use_also_what_none_of_the_addresses_above_is_of() -> None:
    users = Users([replace(APPLICATION, name="wide", senders=("@*.example.net",))])
    assert users.of("deep.below.example.net") == users.of("carla@below.example.net") == users.of("example.net") == ["wide"]
    assert users.of("carla@example.net") == users.of("example.org") == []
