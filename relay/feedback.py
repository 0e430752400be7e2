"""The only way an event of SES gets in: genuine first, then read, then recorded once. Returning means committed."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from relay import bounces, inbound, journal, metrics, ses_event, sns_message
from relay.bounces import BounceRules
from relay.errors import NoCertificate, StoreUnavailable, TryAgain, Unreadable, Untrusted
from relay.event import EventType
from relay.listening import Listening
from relay.ports.clock import Clock
from relay.ports.feedback import Certificates, FeedbackStore, Recorded, Topics
from relay.sns_message import SnsMessage
from relay.unsubscribing import Unsubscribing

_MESSAGE_ID = re.compile(r"[0-9A-Fa-f-]{36}", re.ASCII)
# What SES posts to a topic when an event destination is made, as text.
_VALIDATION = "Successfully validated SNS topic for Amazon SES event publishing."


class Feedback:
    """Takes SNS posts of the topics named, signed in one of `versions`. With a `mailbox` readers unsubscribe by mail to it."""

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
        unsubscribing: Unsubscribing | None = None,
        mailbox: str = "",
    ) -> None:
        self._store = store
        self._certificates = certificates
        self._sns = sns
        self._clock = clock
        self._listening = listening
        self._rules = rules
        self._topics = frozenset(topics)
        self._versions = frozenset(versions)
        self._unsubscribing = unsubscribing
        self._mailbox = mailbox

    async def receive(self, body: bytes) -> None:
        """One post of SNS. Raises Unreadable, Untrusted, TryAgain or StoreUnavailable; then nothing was stored."""
        message = sns_message.read(body)
        sns_message.check_origin(message, topics=self._topics, versions=self._versions)
        try:
            await self._keep(message)
        except NoCertificate:  # a stranger can name one as often as he likes
            raise
        except (StoreUnavailable, TryAgain):
            self._listening.begin_anew(self._clock())
            raise
        if message.type == sns_message.SUBSCRIPTION_CONFIRMATION:
            # By the API and never by visiting SubscribeURL: nothing in a body makes us fetch an address.
            await self._sns.confirm(message.topic_arn, message.token)
            journal.topic_confirmed(topic=message.topic_arn)
        elif message.type == sns_message.UNSUBSCRIBE_CONFIRMATION:
            journal.topic_unsubscribed(topic=message.topic_arn)

    async def receive_queued(self, body: str, *, id: str, queue: str, takes_raw: bool) -> None:
        """One message of a queue. An envelope is judged as a post is; without one it is taken where the queue's policy vouches
        for it. Raises as `receive` does.
        """
        octets = body.encode("utf-8", "surrogatepass")
        if sns_message.is_envelope(octets):
            await self.receive(octets)
        elif takes_raw:
            await self.receive_raw(body, id=id, source=queue)
        else:
            raise Unreadable("not an SNS message, and bodies without an envelope are not taken")

    async def receive_raw_post(self, body: bytes, *, id: str, topic: str) -> None:
        """One post of SNS without envelope, by somebody who was authenticated otherwise; `id` and `topic` are its headers.

        Raises Unreadable, Untrusted or StoreUnavailable.
        """
        if topic not in self._topics:
            raise Untrusted("the topic is not on the list")
        if not _MESSAGE_ID.fullmatch(id):
            raise Unreadable("raw delivery without an identifier")
        try:
            payload = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Unreadable("not UTF-8") from error
        await self.receive_raw(payload, id=id, source=topic)

    async def receive_raw(self, payload: str, *, id: str, source: str) -> None:
        """What SES published, without envelope and signature, from a `source` that was authenticated otherwise.

        Raises Unreadable or StoreUnavailable.
        """
        if not _is_of_ses(payload):
            raise Unreadable("neither an SNS message nor an event of SES")
        try:
            await self._record(id, source, payload, self._clock())
        except StoreUnavailable:
            self._listening.begin_anew(self._clock())
            raise

    async def _keep(self, message: SnsMessage) -> None:
        now = self._clock()
        sns_message.verify(message, await self._certificates.get(message.signing_cert_url), now=now)
        is_event = message.type == sns_message.NOTIFICATION
        await self._record(message.message_id, message.topic_arn, message.message, now, is_event=is_event)

    async def _record(self, id: str, source: str, payload: str, now: float, *, is_event: bool = True) -> None:
        recorded = await self._store.record(
            notification_id=id,
            topic=source,
            payload=payload,
            received_at=now,
            events=ses_event.parse(payload, received_at=now) if is_event else (),
            rules=self._rules,
        )
        for fact in recorded:
            _tell(fact, self._rules)
        if self._unsubscribing and self._mailbox and (token := inbound.unsubscribes(payload, self._mailbox)):
            await self._unsubscribing.leave_by_mail(token)


def _is_of_ses(payload: str) -> bool:
    """An event, or one of the things that SES posts when something is set up."""
    if payload.strip() == _VALIDATION:
        return True
    try:
        data = json.loads(payload)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and ("eventType" in data or "notificationType" in data)


def _tell(fact: Recorded, rules: BounceRules) -> None:
    event = fact.event
    metrics.events.labels(event.type).inc()
    journal.event(
        type=event.type,
        id=fact.delivery_id,
        recipient=event.recipient,
        found=bounces.event_class(event, rules),
        crm=bounces.crm_category(event, rules) if event.type is EventType.BOUNCE else "",
        detail=event.detail,
        ses_message_id=event.ses_message_id,
    )
    if fact.suppressed:
        journal.suppressed(address=event.recipient, reason=fact.suppressed, source=event.ses_message_id, id=fact.delivery_id)
