"""The calls that send: to the relay's own intake, once for each request, with what its login may and may not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from relay.credential import OnSuppressed, Recipients
from relay.intake import Intake
from relay.model import Envelope
from relay.once import once
from relay.ports.receipts import Receipts
from relay.web.ses_door.calls import Caller
from relay.web.ses_door.faults import Kind, SesFault
from relay.web.ses_door.orders import Draft, Order, drafted

_MOST_RECIPIENTS = 50  # SES API reference, SendEmail: of To, Cc and Bcc together
_IN_THREAD = 256 * 1024


class Sending:
    """Takes what is ordered."""

    def __init__(self, *, intake: Intake, receipts: Receipts) -> None:
        self._intake = intake
        self._receipts = receipts

    @property
    def max_size(self) -> int:
        """Octets that a message may have."""
        return self._intake.max_size

    async def send(self, caller: Caller, order: Order) -> str:
        """The message's id; for a request that came before the one that it got then. Raises a refusal, SesFault or
        KeyReused.
        """
        done = await once(self._receipts, caller.credential.name, caller.receipt, lambda: self._accept(caller, order))
        return done.made

    async def _accept(self, caller: Caller, order: Order) -> str:
        is_large = isinstance(order.content, bytes) and len(order.content) > _IN_THREAD
        credential = caller.credential
        draft = await asyncio.to_thread(drafted, order, credential) if is_large else drafted(order, credential)
        envelope = self._envelope(caller, draft)
        if credential.on_suppressed is OnSuppressed.REJECT:
            await self._check_suppressed(envelope)
        return (await self._intake.accept_pieces(envelope, draft.pieces)).id

    def _envelope(self, caller: Caller, draft: Draft) -> Envelope:
        """The same login may have as many recipients as by SMTP. Raises a refusal or SesFault."""
        if not draft.recipients:
            raise SesFault(Kind.INVALID, "There are no recipients specified.")
        if len(draft.recipients) > _MOST_RECIPIENTS:
            raise SesFault(Kind.INVALID, f"Recipient count exceeds {_MOST_RECIPIENTS}.")
        credential = caller.credential
        return replace(
            self._intake.by_http(credential, sender=draft.sender, peer=caller.peer),
            credential=credential,
            recipients=tuple(
                self._intake.recipient(each.encode(), credential, earlier) for earlier, each in enumerate(draft.recipients)
            ),
            receipt=caller.receipt,
        )

    async def _check_suppressed(self, envelope: Envelope) -> None:
        """One call has one answer: any of them is refused, and nobody gets it. Raises RecipientSuppressed."""
        is_first_only = envelope.credential.recipients is Recipients.FIRST
        for recipient in envelope.recipients[: 1 if is_first_only else None]:
            await self._intake.check_suppressed(recipient, envelope.credential)
