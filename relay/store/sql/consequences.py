"""Who must not be mailed any more for a fact from SES, or may be mailed again; inside its transaction."""

from __future__ import annotations

import json

from relay import address, bounces
from relay.bounces import BounceClass, BounceRules, Fact
from relay.errors import NotAscii
from relay.event import Event, EventType
from relay.store.sql import account_list, entries, erased
from relay.store.sql.session import LOCK, Session
from relay.suppression import EVERYWHERE, Reason, Release, Suppression, of_list

_SOURCE = "SES"
# What changes the standing of an address, or the counts that do.
_OF_ADDRESSES = frozenset((EventType.BOUNCE, EventType.COMPLAINT, EventType.DELIVERY, EventType.SUBSCRIPTION))
_NOTE = 500  # characters
_GRACE = 3600.0  # from a removal until SES has surely heard of it
_DELIVERED_AT = "SELECT max(at) FROM events WHERE address_key = ? AND type = 'delivery'"
_HEARD = "CASE WHEN e.at < e.received_at THEN e.at ELSE e.received_at END"
# From the last delivery on, for it sets all counts back.
_SOFT_FACTS = f"""SELECT {_HEARD}, CASE e.type WHEN 'delivery' THEN NULL ELSE e.class END FROM events e
    WHERE e.address_key = :key AND e.at >= :delivered_at AND {_HEARD} > :released_at
    AND e.type IN ('delivery', 'bounce') AND (e.type = 'delivery' OR e.class IN (SELECT value FROM json_each(:classes)))
    ORDER BY e.at LIMIT 1000"""


def follow(db: Session, event: Event, rules: BounceRules, *, list: str, heard_at: float, at: float) -> Reason | None:
    """What the event means for its recipient's addresses: why it is suppressed now and was not, or was for less."""
    if not _is_address(event.recipient):
        return None
    if event.type in _OF_ADDRESSES:
        db.execute(LOCK, (address.key(event.recipient),))
    _opt(db, event, list, heard_at, at)
    if reason := bounces.suppresses(event, rules):
        if bounces.is_mirrored(event) and _leaves(db, event):
            return None
        return reason if entries.add_fact(db, suppression(event, reason, heard_at=heard_at), at=at) else None
    is_counted = event.type is EventType.BOUNCE and bounces.bounce_class(event, rules) in rules.thresholds
    if is_counted or (event.type is EventType.DELIVERY and _wears(db, event)):
        return _weigh_soft_bounces(db, event, rules, at)
    return None


def follow_erased(db: Session, event: Event, rules: BounceRules, *, heard_at: float) -> None:
    """The same of an address that was erased: it is kept from more mail, and comes back in no other way."""
    if reason := bounces.suppresses(event, rules):
        erased.keep_fact(db, suppression(event, reason, heard_at=heard_at))
    for name in event.opted_out:
        erased.keep_fact(db, suppression(event, Reason.UNSUBSCRIBED, heard_at=heard_at, scope=of_list(name)))


def _is_address(text: str) -> bool:
    """Nobody is kept from mail by words that are none."""
    try:
        return bool(address.plain(text.encode()))
    except (ValueError, NotAscii):
        return False


def _leaves(db: Session, event: Event) -> bool:
    """SES did not send for an entry of its list that was removed here, and is not gone there yet, or was not then."""
    key = address.key(event.recipient)
    return account_list.is_to_go(db, key) or 0 <= event.at - entries.released_at(db, key, EVERYWHERE) < _GRACE


def suppression(event: Event, reason: Reason, *, heard_at: float, scope: str = EVERYWHERE) -> Suppression:
    """What follows from an event. The time of a bounce is another server's clock: it is not before SES took the message, and
    not later than we heard of it.
    """
    return Suppression(
        address=event.recipient,
        reason=reason,
        source=event.ses_message_id or _SOURCE,
        created_at=min(max(event.at, event.sent_at), heard_at),
        note=event.detail[:_NOTE],
        scope=scope,
    )


def _opt(db: Session, event: Event, list: str, heard_at: float, at: float) -> None:
    """Out of lists of SES's list management, and into them again: of these lists only."""
    was_out = event.type is EventType.BOUNCE and event.bounce_subtype == "UnsubscribedRecipient"
    for name in (*event.opted_out, *([list] if was_out and list else [])):
        entries.add_fact(db, suppression(event, Reason.UNSUBSCRIBED, heard_at=heard_at, scope=of_list(name)), at=at)
    for name in event.opted_in:
        entries.opt_in(db, Release(address=event.recipient, source=_SOURCE, at=event.at, scope=of_list(name)))


def _wears(db: Session, event: Event) -> bool:
    return entries.standing(db, address.key(event.recipient), EVERYWHERE, Reason.SOFT_BOUNCES) is not None


def _weigh_soft_bounces(db: Session, event: Event, rules: BounceRules, at: float) -> Reason | None:
    """All of the address since it was released last: the same facts come to the same, in whichever order they came."""
    key = address.key(event.recipient)
    ((delivered_at,),) = db.execute(_DELIVERED_AT, (key,))
    wanted = {
        "key": key,
        "delivered_at": delivered_at or 0.0,
        "released_at": entries.released_at(db, key, EVERYWHERE),
        "classes": json.dumps([kind.value for kind in rules.thresholds]),
    }
    rows = db.execute(_SOFT_FACTS, wanted).fetchall()
    reached = bounces.worn_out_at((Fact(when, BounceClass(kind) if kind else None) for when, kind in rows), rules)
    old = entries.standing(db, key, EVERYWHERE, Reason.SOFT_BOUNCES)  # an imported one is none of ours
    if old and old.created_at != reached:
        entries.revoke(db, old, note="mail was delivered since, or counts have changed", at=at)
    if reached is None:
        return None
    new = Suppression(
        address=event.recipient,
        reason=Reason.SOFT_BOUNCES,
        source=_SOURCE,
        created_at=reached,
        note="soft bounces, and nothing delivered between them",
    )
    return Reason.SOFT_BOUNCES if entries.add_fact(db, new, at=at) else None
