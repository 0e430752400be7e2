"""Facts gone over once more: by other rules, and by a reader that understands more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from relay import ses_event
from relay.bounces import DEFAULT_RULES, BounceRules
from relay.event import Event, EventType, Replayed
from relay.store.sql.store import SqlStore
from relay.suppression import Change, Reason
from tests.store.kit import NOW, enqueue, event, hard_bounce, release, rows, suppressed, suppression

READER = "reader@example.net"
TRUSTING = BounceRules(trusts_diagnostics=True, trusts_predictions=True)
NOTHING = Replayed()


async def replay(store: SqlStore, rules: BounceRules = DEFAULT_RULES) -> Replayed:
    done = Replayed()
    async for step in store.feedback.replay(rules=rules, now=NOW + 500):
        done += step
    return done


async def record(store: SqlStore, *facts: Event, payload: str = "{}") -> None:
    await store.feedback.record(notification_id=payload, topic="t", payload=payload, received_at=NOW + 9, events=facts)


async def test_nothing_changes_where_the_rules_are_the_same(store: SqlStore) -> None:
    sent = await enqueue(store)
    await record(store, event(of=sent), hard_bounce(of=sent), event(EventType.OPEN, of=sent, is_bot=True))
    before = await suppressed(store, READER)
    assert await replay(store) == NOTHING
    assert await suppressed(store, READER) == before
    assert len(await store.suppressions.history(READER)) == 1


async def test_a_rule_that_is_stricter_suppresses_and_the_old_one_releases_again(store: SqlStore) -> None:
    sent = await enqueue(store)
    await record(store, hard_bounce(of=sent, bounce_type="Transient", status="5.1.1"))
    assert await suppressed(store, READER) == {}
    assert await replay(store, TRUSTING) == Replayed(changed=1, suppressed=1)
    assert (await suppressed(store, READER))[READER].reason is Reason.HARD_BOUNCE
    assert await replay(store, TRUSTING) == NOTHING
    assert await replay(store) == Replayed(changed=1, released=1)
    assert await suppressed(store, READER) == {}
    assert await replay(store, TRUSTING) == Replayed(changed=1, suppressed=1)
    told = [past.change for past in await store.suppressions.history(READER)]
    assert told == [Change.ADDED, Change.REVOKED, Change.ADDED]


async def test_who_was_released_by_hand_stays_so(store: SqlStore) -> None:
    sent = await enqueue(store)
    await record(store, hard_bounce(of=sent))
    await store.suppressions.remove(release(READER))
    assert await replay(store, TRUSTING) == NOTHING
    assert await suppressed(store, READER) == {}


async def test_what_was_not_understood_is_read_again(store: SqlStore) -> None:
    """As if the reader of then had not known bounces."""
    sent = await enqueue(store)
    told = {
        "eventType": "Bounce",
        "mail": {"messageId": "ses-1", "destination": [READER], "tags": {"relay_id": [sent.id]}},
        "bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [{"emailAddress": READER}],
            "feedbackId": "f",
        },
    }
    await record(store, payload=json.dumps(told))
    assert await replay(store) == Replayed(added=1, suppressed=1)
    assert READER in await suppressed(store, READER)
    assert await replay(store) == NOTHING
    assert await rows(store, "SELECT type, class, message_id FROM events") == [("bounce", "hard", sent.message_id)]


async def test_a_fact_is_kept_with_all_that_ses_said(store: SqlStore) -> None:
    payload = (Path(__file__).parents[1] / "data" / "ses" / "click.json").read_text()
    (told,) = ses_event.parse(payload, received_at=NOW)
    await record(store, told)
    [(document,)] = await rows(store, "SELECT document FROM events")
    said = json.loads(document)
    assert (said["link"], said["user_agent"]) == (told.link, told.user_agent)
    assert ["ses:from-domain", "example.com"] in said["tags"]


async def test_a_long_history_is_gone_over_in_steps(store: SqlStore) -> None:
    for number in range(1, 251):
        sent = await enqueue(store, number, recipient=f"reader{number}@example.net")
        told = hard_bounce(of=sent, bounce_type="Transient", status="5.1.1", feedback_id=str(number))
        await record(store, told, payload=str(number))
    steps = [step async for step in store.feedback.replay(rules=TRUSTING, now=NOW + 500)]
    assert len(steps) == 6
    assert sum(step.suppressed for step in steps) == 250


async def test_an_entry_that_is_revoked_leaves_those_of_other_facts(store: SqlStore) -> None:
    """The one that stands came first, and counts from a later time."""
    sent = await enqueue(store)
    stands = replace(hard_bounce(of=sent, feedback_id="B"), at=NOW + 8)
    predicted = hard_bounce(of=sent, feedback_id="A", bounce_subtype="EmailValidationSuppressed", ses_message_id="ses-0")
    for number, bounce in enumerate((stands, predicted)):
        await store.feedback.record(
            notification_id=str(number), topic="t", payload="{}", received_at=NOW + 9, events=(bounce,), rules=TRUSTING
        )
    assert (await suppressed(store, READER))[READER].created_at == predicted.at
    assert await replay(store) == NOTHING
    assert (await suppressed(store, READER))[READER].created_at == stands.at
    assert await replay(store) == NOTHING


async def test_what_an_operator_has_added_stays_when_a_bounce_is_revoked(store: SqlStore) -> None:
    sent = await enqueue(store)
    await store.suppressions.add(suppression(READER))
    await record(store, hard_bounce(of=sent, bounce_type="Transient", status="5.1.1"))
    await replay(store, TRUSTING)
    await replay(store)
    assert (await suppressed(store, READER))[READER].reason is Reason.MANUAL


async def test_somebody_who_came_back_did_so_once(store: SqlStore) -> None:
    await record(store, event(EventType.SUBSCRIPTION, opted_in=("news",), recipient=READER))
    for _ in range(2):
        await replay(store)
    assert len(await store.suppressions.history(READER)) == 1
