"""The only way a message gets in: receive, judge, store. Every door calls this and nothing below it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from relay import ids, journal, judge, labels, metrics, policy
from relay.backlog import Admission
from relay.credential import Credential, Macros, MessageClass, Recipients
from relay.errors import LinksMissing, RecipientSuppressed, TooManyRecipients
from relay.identities import Identities
from relay.judge import Finding, Rule
from relay.lifecycle import Patience
from relay.links import Linker
from relay.model import Delivery, Envelope, Message, Receipt, State
from relay.ports.bodies import Bodies
from relay.ports.clock import Chance, Clock
from relay.ports.queue import Express, Queue
from relay.ports.suppressions import Suppressions
from relay.queueing import Claims
from relay.quota import Quota
from relay.reading import mime
from relay.receiving import Budget, Receiving, in_base64
from relay.refusals import Refusals
from relay.replies import reply_to
from relay.writing import edits

_LARGE_AT_ONCE = 2
_LARGEST = 4 * 1024 * 1024  # octets; what is mapped to be read counts as our memory


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What may pass. `seen` are refusals of rules that are only observed; `seal` is what kept links out of it."""

    message: Message
    seen: tuple[Finding, ...]
    seal: str


class Intake:
    """Judges and stores. `max_size` and the budget are octets; `wake` is called when something became due.

    With a `playpen` every message goes to that address, and a header tells who would have got it.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        bodies: Bodies,
        suppressions: Suppressions,
        clock: Clock,
        chance: Chance,
        wake: Callable[[], None],
        hostname: str,
        max_size: int,
        budget: Budget,
        quota: Quota,
        admission: Admission,
        refusals: Refusals,
        patience: Patience,
        observed: frozenset[Rule],
        playpen: str,
        identities: Identities,
        linker: Linker | None,
        express: Express | None,
    ) -> None:
        self._queue = queue
        self._bodies = bodies
        self._suppressions = suppressions
        self._clock = clock
        self._chance = chance
        self._wake = wake
        self._hostname = hostname
        self._budget = budget
        self._patience = patience
        self._observed = observed
        self._playpen = playpen
        self._identities = identities
        self._linker = linker
        self._express = express
        self.quota = quota
        self.admission = admission
        self.refusals = refusals
        self._judging_large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._judging_largest = asyncio.Semaphore(1)
        self.max_size = max_size

    def receive(self, *, composed: bool = False) -> Receiving:
        """A new message begins to come in. `composed` is one whose files we have encoded: the limit is for what they were."""
        message_id = ids.ulid(self._clock(), self._chance(10))
        most = in_base64(self.max_size) if composed else self.max_size
        return Receiving(message_id, self._bodies.draft(message_id), self._budget, most)

    def sender(self, raw: bytes, credential: Credential) -> str:
        """The envelope sender to use. Raises SenderNotAllowed."""
        sender = policy.envelope_sender(raw, credential)
        if Rule.VERIFIED not in self._observed:
            policy.verified([sender], self._identities)
        return sender

    def recipient(self, raw: bytes, credential: Credential, earlier: int) -> str:
        """One more recipient, after so many. Raises InvalidRecipient or TooManyRecipients."""
        recipient = policy.recipient(raw)
        if earlier and credential.recipients is Recipients.ONE:
            raise TooManyRecipients
        return recipient

    def by_http(self, credential: Credential, *, sender: str, recipients: Iterable[str] = (), peer: str) -> Envelope:
        """All recipients come at once, and each gets a message of his own. Raises SenderNotAllowed or InvalidRecipient."""
        credential = replace(credential, recipients=Recipients.SPLIT)
        return Envelope(
            sender=self.sender(sender.encode(), credential),
            recipients=tuple(self.recipient(each.encode(), credential, 0) for each in recipients),
            credential=credential,
            peer=peer,
            helo="",
            protocol="HTTP",
        )

    async def check_suppressed(self, recipient: str, credential: Credential) -> None:
        """For credentials that are told at once. Raises RecipientSuppressed or StoreUnavailable."""
        sent_to = self._playpen or recipient
        is_transactional = credential.message_class is MessageClass.TRANSACTIONAL
        found = (await self._suppressions.find([sent_to])).of(
            sent_to, credential=credential.name, is_transactional=is_transactional, now=self._clock()
        )
        if found:
            raise RecipientSuppressed(found.why)

    async def accept_pieces(self, envelope: Envelope, pieces: Iterable[bytes], *, composed: bool = False) -> Message:
        """Content that is at hand as a whole: as `accept`. Raises a refusal."""
        receiving = self.receive(composed=composed)
        try:
            await self._fill(receiving, pieces)
        except BaseException:
            receiving.close()
            raise
        return await self.accept(envelope, receiving)

    async def judge_pieces(self, envelope: Envelope, pieces: Iterable[bytes], *, composed: bool = False) -> Message:
        """The message that it would become; nothing is kept of it. Raises a refusal."""
        receiving = self.receive(composed=composed)
        try:
            await self._fill(receiving, pieces)
            digest = await receiving.draft.finish()
            return (await self._judged(envelope, receiving, digest, self._clock())).message
        finally:
            receiving.close()

    async def _fill(self, receiving: Receiving, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            if receiving.wants_flush:
                await receiving.flush()
            receiving.write(piece)

    async def accept(self, envelope: Envelope, receiving: Receiving) -> Message:
        """Judge and store. Returning is the promise behind the 250.

        Raises a refusal; then nothing of the message is left. Closes `receiving` in any case.
        """
        with metrics.intake_seconds.time():
            return await self._accept(envelope, receiving)

    async def _accept(self, envelope: Envelope, receiving: Receiving) -> Message:
        kept = is_counted = False
        messages = _messages(envelope)
        try:
            self.quota.take(envelope.credential, messages)
            is_counted = True
            now = self._clock()
            rows = len(envelope.recipients)
            with self.admission.taking(rows, rows * receiving.draft.size):
                digest = await receiving.draft.finish()
                judged = await self._judged(envelope, receiving, digest, now)
                message = judged.message
                wanted = self._deliveries(envelope, message)
                await receiving.draft.store()
                ended = await self._stored(message, receiving.draft.inline, wanted, envelope.receipt)
            kept = True
        finally:
            receiving.close(keep=kept)
            if is_counted and not kept:
                self.quota.give_back(envelope.credential, messages)
        self._tell(envelope, judged, ended)
        return message

    async def _stored(
        self, message: Message, content: bytes | None, wanted: tuple[Delivery, ...], receipt: Receipt | None
    ) -> tuple[Delivery, ...]:
        """Those that ended before they began. Where nothing waits to be sent, the others are on their way at once."""
        due = sum(each.state is State.QUEUED and each.due_at <= message.accepted_at for each in wanted)
        if self._express and due and (ticket := self._express.ticket(message.labels.lane, due)):
            claims = Claims(claimed=(), ended=())
            try:
                claims = await self._queue.enqueue_and_claim(
                    message, content, wanted, receipt=receipt, lease_until=ticket.lease_until
                )
            finally:
                await self._express.send(ticket, claims.claimed)
            return claims.ended
        stored = await self._queue.enqueue(message, content, wanted, receipt=receipt)
        self._wake()
        return tuple(each for each in stored if each.state is not State.QUEUED)

    async def _judged(self, envelope: Envelope, receiving: Receiving, digest: bytes, now: float) -> _Judged:
        """Large content is judged in a thread, for reading it may wait for the disk; and the largest one at a time."""
        if receiving.draft.inline is None:
            async with self._judging_largest if receiving.draft.size > _LARGEST else self._judging_large:
                return await asyncio.to_thread(self._judge, envelope, receiving, digest, now)
        return self._judge(envelope, receiving, digest, now)

    def _judge(self, envelope: Envelope, receiving: Receiving, digest: bytes, now: float) -> _Judged:
        content = receiving.draft.octets()
        case = judge.case(content, envelope.credential, sender=envelope.sender, identities=self._identities)
        seen = judge.judge(case, self._observed)
        if self._linker is None and envelope.credential.macros is Macros.REQUIRED:
            raise LinksMissing
        found = labels.read(case.parsed, now=now, credential=envelope.credential)
        links = self._linker.edits(envelope.credential, found, case.header_from) if self._linker else None
        changes = edits.needed(
            content,
            case.parsed,
            message_id=receiving.id,
            hostname=self._hostname,
            protocol=envelope.protocol,
            now=now,
            also=["X-Playpen-Recipients: " + ",\r\n\t".join(envelope.recipients)] if self._playpen else (),
            send_as=case.header_from if case.is_rewritten else "",
            links=links,
            merged=envelope.merged,
        )
        message = Message(
            id=receiving.id,
            accepted_at=now,
            credential=envelope.credential.name,
            sender=envelope.sender,
            header_from=case.header_from,
            client_message_id=mime.text(case.parsed.first("message-id")),
            subject=mime.text(case.parsed.first("subject"))[:200],
            peer=envelope.peer,
            size=receiving.draft.size,
            digest=digest,
            edits=changes,
            labels=found,
            task=envelope.task,
        )
        return _Judged(message=message, seen=seen, seal=edits.left_alone(content, case.parsed, links) if links else "")

    def _deliveries(self, envelope: Envelope, message: Message) -> tuple[Delivery, ...]:
        is_first_only = envelope.credential.recipients is Recipients.FIRST
        due_at = max(message.accepted_at, message.labels.send_at)
        return tuple(
            Delivery(
                message_id=message.id,
                number=number,
                recipient=self._playpen or recipient,
                state=State.IGNORED if is_first_only and number > 1 else State.QUEUED,
                due_at=due_at,
                expires_at=message.labels.expires_at or due_at + self._patience.lifetime,
                reason="only the first recipient is sent to" if is_first_only and number > 1 else "",
                fields=envelope.values[number - 1] if envelope.values else "",
            )
            for number, recipient in enumerate(envelope.recipients, 1)
        )

    def _tell(self, envelope: Envelope, judged: _Judged, ended: tuple[Delivery, ...]) -> None:
        message = judged.message
        metrics.accepted.labels(envelope.protocol).inc()
        journal.accepted(
            id=message.id,
            credential=message.credential,
            peer=message.peer,
            sender=message.sender,
            recipients=envelope.recipients,
            size=message.size,
        )
        for delivery in ended:
            journal.ended(id=delivery.id, recipient=delivery.recipient, state=delivery.state, reason=delivery.reason)
        if judged.seal:
            journal.links_left_alone(id=message.id, seal=judged.seal)
        for finding in judged.seen:
            metrics.observed_refusals.labels(finding.rule).inc()
            journal.observed(id=message.id, rule=finding.rule, reply=reply_to(finding.refusal).text)


def _messages(envelope: Envelope) -> int:
    """How many it is sent as; a mailing, whose recipients come later, counts once."""
    is_one = envelope.credential.recipients is Recipients.FIRST
    return 1 if is_one else max(1, len(envelope.recipients))
