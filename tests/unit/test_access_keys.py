"""New access keys look as those of AWS do."""

from __future__ import annotations

import re
import secrets

from relay import access_keys


def test_ids_and_secrets_are_as_long_as_those_of_aws_and_each_is_another() -> None:
    ids = {access_keys.new_id(secrets.token_bytes) for _ in range(200)}
    found = {access_keys.new_secret(secrets.token_bytes) for _ in range(200)}
    assert len(ids) == len(found) == 200
    assert all(re.fullmatch(r"AKIA[A-Z2-7]{16}", id) and access_keys.is_id(id) for id in ids)
    assert all(re.fullmatch(r"[A-Za-z0-9+/]{40}", secret) for secret in found)


def test_names_of_logins_are_no_ids() -> None:
    assert not any(
        map(access_keys.is_id, ("", "shop", "AKIA", "AKIAEXAMPLEEXAMPLE2", "AKIAexampleexample22", "AKIAEXAMPLEEXAMPLE22\n"))
    )


def test_a_printed_key_shows_no_secret() -> None:
    key = access_keys.IssuedKey(id="AKIA", credential="shop", secret="1:hush", smtp_hash="hush", created_at=0.0)
    assert "hush" not in repr(key)
