"""The documents of AWS as texts that can be compared: in one spelling, a policy by its statements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def canonical(document: object) -> str:
    """JSON in one spelling, so that texts can be compared."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def listed(words: Sequence[str]) -> str:
    """A list whose order says nothing."""
    return " ".join(sorted(words))


def statement_of(policy: str, sid: str) -> str:
    """Our statement of a policy, canonical; empty where there is none."""
    return next((canonical(each) for each in of_policy(policy) if each.get("Sid") == sid), "")


def with_statement(policy: str, statement: Mapping[str, Any]) -> str:
    """The policy with our statement in place of the one of its name; what others wrote there stays."""
    others = [each for each in of_policy(policy) if each.get("Sid") != statement["Sid"]]
    return canonical({"Version": "2012-10-17", "Statement": [*others, statement]})


def of_policy(policy: str) -> list[dict[str, Any]]:
    """All of a policy. AWS takes one without a list around it."""
    found = json.loads(policy).get("Statement", []) if policy else []
    return [found] if isinstance(found, dict) else found


def alike(text: str, pattern: object) -> str:
    """A document as AWS gives it back, as far as the pattern has keys: AWS adds its defaults. Numbers may come as texts."""
    return canonical(_restricted(json.loads(text), pattern)) if text else ""


def _restricted(found: Any, pattern: Any) -> Any:
    if isinstance(pattern, Mapping) and isinstance(found, Mapping):
        return {key: _restricted(found[key], value) for key, value in pattern.items() if key in found}
    if isinstance(pattern, int) and isinstance(found, str) and found.isdecimal():
        return int(found)
    return found
