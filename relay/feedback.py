"""The only way an event of SES gets in: genuine first, then read, then recorded once. Returning means committed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from relay import journal, ses_event, sns_message
from relay.bounces import BounceRules
from relay.errors import StoreUnavailable, TryAgain
from relay.ports import Certificates, Clock, FeedbackStore, Recorded, Topics
from relay.sns_message import SnsMessage


@dataclass(slots=True)
class Listening:
    """Since when every event that came could be kept: what came before may be lost, or come again much later."""

    since: float


class Feedback:
    """Takes SNS posts of the topics named, signed in one of `versions`."""

    def __init__(
        self,
        *,
        store: FeedbackStore,
        certificates: Certificates,
        sns: Topics,
        clock: Clock,
        listening: Listening,
        rules: BounceRules,
        topics: Collection[str],
        versions: Collection[str],
    ) -> None:
        self._store = store
        self._certificates = certificates
        self._sns = sns
        self._clock = clock
        self._listening = listening
        self._rules = rules
        self._topics = frozenset(topics)
        self._versions = frozenset(versions)

    async def receive(self, body: bytes) -> None:
        """One post of SNS. Raises Unreadable, Untrusted, TryAgain or StoreUnavailable; then nothing was stored."""
        message = sns_message.read(body)
        sns_message.check_origin(message, topics=self._topics, versions=self._versions)
        try:
            await self._keep(message)
        except (StoreUnavailable, TryAgain):
            self._listening.since = self._clock()
            raise
        if message.type == sns_message.SUBSCRIPTION_CONFIRMATION:
            # By the API and never by visiting SubscribeURL: nothing in a body makes us fetch an address.
            await self._sns.confirm(message.topic_arn, message.token)
            journal.topic_confirmed(topic=message.topic_arn)
        elif message.type == sns_message.UNSUBSCRIBE_CONFIRMATION:
            journal.topic_unsubscribed(topic=message.topic_arn)

    async def _keep(self, message: SnsMessage) -> None:
        now = self._clock()
        sns_message.verify(message, await self._certificates.get(message.signing_cert_url), now=now)
        await self._record(message, now)

    async def _record(self, message: SnsMessage, now: float) -> None:
        is_event = message.type == sns_message.NOTIFICATION
        recorded = await self._store.record(
            notification_id=message.message_id,
            topic=message.topic_arn,
            payload=message.message,
            received_at=now,
            events=ses_event.parse(message.message, received_at=now) if is_event else (),
            rules=self._rules,
        )
        for fact in recorded:
            _tell(fact)


def _tell(fact: Recorded) -> None:
    event = fact.event
    journal.event(
        type=event.type,
        id=fact.delivery_id,
        recipient=event.recipient,
        detail=event.detail,
        ses_message_id=event.ses_message_id,
    )
    if fact.suppressed:
        journal.suppressed(address=event.recipient, reason=fact.suppressed, source=event.ses_message_id)
