"""What a form was filled in with: nobody undoes, without knowing it, what somebody else did while his form was open."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

from relay.web.console.visits import Objection

_SEEN = "seen"


def mark_of(fields: Mapping[str, str]) -> str:
    """Of what a form shows: it comes back with the form."""
    return sha256(json.dumps(sorted(fields.items())).encode()).hexdigest()


def check(said: Mapping[str, str], fields: Mapping[str, str], *, name: str) -> None:
    """`said` is the form as it came, `fields` what it would show now. Raises Objection."""
    if said.get(_SEEN, mark_of(fields)) != mark_of(fields):
        raise Objection(
            "{name} was changed since you opened this form. Look at it first: what you keep now undoes that.", name=name
        )
