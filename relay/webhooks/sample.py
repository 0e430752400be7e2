"""An event that never happened, by which somebody sees what a webhook is sent, and what it answers."""

from __future__ import annotations

from relay.bounces import LEFT, BounceClass, ComplaintClass
from relay.event import Event, EventType, Fact
from relay.webhooks import formats, signatures
from relay.webhooks.formats import Request
from relay.webhooks.webhook import Notice, Webhook

_NOBODY = "nobody@example.com"
# The first that the webhook is told of.
_KINDS = (
    (EventType.DELIVERY, ""),
    (EventType.BOUNCE, BounceClass.HARD),
    (EventType.COMPLAINT, ComplaintClass.COMPLAINT),
    (EventType.SUBSCRIPTION, LEFT),
    *((kind, "") for kind in EventType),
)


def request(webhook: Webhook, secret: str, *, at: float) -> Request:
    """What it would be sent of that event, with what proves it. `secret` is not sealed. Raises ValueError where it is told of
    nothing at all, or its secret cannot be used.
    """
    notice = _notice(webhook, at)
    made = formats.request(webhook, [notice])
    proven = signatures.prove(webhook, secret, url=made.url, headers=made.headers, body=made.body, id="evt_0", at=at)
    return Request(url=made.url, headers=proven, body=made.body)


def _notice(webhook: Webhook, at: float) -> Notice:
    facts = (_fact(webhook, kind, found, at) for kind, found in _KINDS)
    wanted = next((fact for fact in facts if webhook.wants(fact)), None)
    if wanted is None:
        raise ValueError("there is no event that it would be told")
    return Notice(number=0, fact=wanted, since=at, payload=b"{}")


def _fact(webhook: Webhook, kind: EventType, found: str, at: float) -> Fact:
    """Of mail that it is told of."""
    sender = min(webhook.senders, default="")
    event = Event(type=kind, at=at, recipient=_NOBODY, ses_message_id="", detail="a test of the webhook")
    return Fact(
        cursor=0,
        delivery_id=f"{'0' * 26}-1",
        event=event,
        found=found,
        label_id="",
        campaign=min(webhook.campaigns, default=""),
        task=0,
        credential=min(webhook.credentials, default=""),
        sender=f"nobody{sender}" if sender.startswith("@") else sender,
        list="",
        tags=(),
    )
