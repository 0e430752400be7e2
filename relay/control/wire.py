"""What goes over the control socket: JSON of our own values, and back."""

from __future__ import annotations

from typing import Any

from relay.model import Credential, Kind, LineEnds, OnSuppressed, Reason, Recipients, Suppression


def suppression_of(fields: dict[str, Any]) -> Suppression:
    """Out of dataclasses.asdict and JSON."""
    return Suppression(**{**fields, "reason": Reason(fields["reason"])})


def credential_of(fields: dict[str, Any]) -> Credential:
    """Out of dataclasses.asdict and JSON."""
    return Credential(
        **{
            **fields,
            "kind": Kind(fields["kind"]),
            "recipients": Recipients(fields["recipients"]),
            "on_suppressed": OnSuppressed(fields["on_suppressed"]),
            "senders": tuple(fields["senders"]),
            "networks": tuple(fields["networks"]),
            "password_hashes": tuple(fields["password_hashes"]),
            "line_ends": LineEnds(fields["line_ends"]),
        }
    )
