"""Who is told what stands: the journal, a webhook, and people by mail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from relay import journal, letters
from relay.alarm import MEANINGS, Level
from relay.credential import Credential, Kind, MessageClass
from relay.errors import RelayError
from relay.intake import Intake
from relay.ports.clock import Clock
from relay.ports.notices import Poster
from relay.ports.queue import Desk
from relay.standing import News, State, Way
from relay.webhooks import signatures
from relay.webhooks.formats import Request
from relay.webhooks.webhook import Webhook

LOGIN = "relay-alarms"
"""The login of mail that tells of alarms: nobody can use it, for it has no password."""


class NotTold(Exception):
    """Why it was not taken."""


class Teller(Protocol):
    """One of the ways."""

    way: Way

    async def tell(self, some: Sequence[News]) -> bool:
        """Whether they were told; False for not now. Raises NotTold or StoreUnavailable."""


class JournalTeller:
    """A line for each, unless the journal has one already that says the same."""

    way = Way.JOURNAL

    async def tell(self, some: Sequence[News]) -> bool:
        for news in some:
            alarm, meaning = news.stands.alarm, MEANINGS[news.stands.alarm.kind]
            if news.state is State.OVER and not meaning.ends:
                journal.alarm_over(kind=alarm.kind, subject=alarm.subject, node=news.stands.node)
            elif news.state is State.BEGINS and not meaning.begins:
                is_critical = alarm.level is Level.CRITICAL
                journal.alarm(
                    kind=alarm.kind, subject=alarm.subject, node=news.stands.node, text=alarm.text, is_critical=is_critical
                )
        return True


class WebhookTeller:
    """One POST for all; signed by Standard Webhooks where there is a secret."""

    way = Way.WEBHOOK

    def __init__(self, webhook: Webhook, secret: str, poster: Poster, *, hostname: str, clock: Clock) -> None:
        self._webhook = webhook
        self._secret = secret
        self._poster = poster
        self._hostname = hostname
        self._clock = clock

    async def tell(self, some: Sequence[News]) -> bool:
        body = letters.body(some, hostname=self._hostname)
        headers = {"Content-Type": "application/json"}
        url = self._webhook.url
        proven = signatures.prove(
            self._webhook, self._secret, url=url, headers=headers, body=body, id=letters.id(some), at=self._clock()
        )
        request = Request(url=url, headers=proven, body=body)
        answer = await self._poster.send("POST", request, is_private=self._webhook.is_private)
        if not answer.is_taken:
            raise NotTold(answer.failure)
        return True


class MailTeller:
    """One mail for all, by the same way in as any other. None is made while an earlier one has not gone out: a queue that is
    stopped holds one, and what comes meanwhile is in the next.
    """

    way = Way.MAIL

    def __init__(
        self, intake: Intake, desk: Desk, *, sender: str, recipients: Sequence[str], hostname: str, clock: Clock
    ) -> None:
        self._intake = intake
        self._desk = desk
        self._sender = sender
        self._recipients = recipients
        self._hostname = hostname
        self._clock = clock
        self._login = Credential(
            name=LOGIN,
            kind=Kind.APPLICATION,
            password_hashes=(),
            senders=(sender.lower(),),
            message_class=MessageClass.TRANSACTIONAL,
        )

    async def tell(self, some: Sequence[News]) -> bool:
        now = self._clock()
        if any((await self._desk.status_of(LOGIN, now=now)).states.values()):
            return False
        mail = letters.mail(some, hostname=self._hostname, sender=self._sender, recipients=self._recipients, at=now)
        try:
            envelope = self._intake.by_http(self._login, sender=self._sender, recipients=self._recipients, peer="")
            await self._intake.accept_pieces(envelope, [mail])
        except RelayError as error:
            raise NotTold(str(error) or type(error).__name__) from error
        return True
