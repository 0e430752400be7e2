"""The links that each recipient gets: addresses on our own web server, with tokens that only we can make."""

from __future__ import annotations

import re
from dataclasses import dataclass

from relay import address, ids, tokens
from relay.credential import Credential, ListUnsubscribe, Macros, MessageClass
from relay.model import Labels, Message
from relay.suppression import of_credential, of_list
from relay.tokens import Keys, Kind, Link
from relay.writing.edits import LinkEdits
from relay.writing.footers import Footer
from relay.writing.macros import UNSUBSCRIBE, UNSUBSCRIBE_TOKEN, WEB_VERSION

UNSUBSCRIBE_PATH, WEB_VERSION_PATH = "/u", "/w"

PURPOSE = "links in mail"  # of the key


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """Who got a link, and of whose mail: the list that its sender named, or else all of the login's. Its campaign, mailing and
    identifier are not known any more where the message was let go.
    """

    address: str
    credential: str
    sender: str
    list: str
    campaign: str = ""
    task: int = 0
    message_id: str = ""
    number: int = 0

    @property
    def delivery_id(self) -> str:
        return f"{self.message_id}-{self.number}" if self.message_id else ""

    @property
    def scope(self) -> str:
        return of_list(self.list) if self.list else of_credential(self.credential)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedMail:
    """What a web version is made of. `content` is None where it lies in a spool file."""

    message: Message
    content: bytes | None
    fields: str  # what merge fields are for this recipient


class Linker:
    """Makes them below `public_url`, sealed with the newest of `keys`, and reads tokens. Some are for mail to `mailbox`."""

    def __init__(self, public_url: str, keys: Keys, *, footer: Footer | None = None, mailbox: str = "") -> None:
        self._base = public_url.rstrip("/")
        self._keys = keys
        self._footer = footer
        self._mailbox = mailbox
        self._longest = self.of(ids.ulid(0.0, bytes(10)), 1)

    def of(self, message_id: str, number: int) -> dict[str, str]:
        """A delivery's, by the names of macros: the same at each try."""
        leaving, seeing = (
            tokens.sealed(Link(kind, message_id, number), self._keys) for kind in (Kind.UNSUBSCRIBE, Kind.WEB_VERSION)
        )
        return {
            UNSUBSCRIBE: f"{self._base}{UNSUBSCRIBE_PATH}/{leaving}",
            UNSUBSCRIBE_TOKEN: leaving,
            WEB_VERSION: self.web_version(seeing),
        }

    def web_version(self, token: str) -> str:
        """Where it is."""
        return f"{self._base}{WEB_VERSION_PATH}/{token}"

    def edits(self, credential: Credential, labels: Labels, header_from: str) -> LinkEdits:
        """What is done in a message of this login for its links."""
        is_bulk = labels.message_class is not MessageClass.TRANSACTIONAL
        return LinkEdits(
            longest=self._longest,
            adds_pair=is_bulk and credential.list_unsubscribe is not ListUnsubscribe.OFF,
            replaces=is_bulk and credential.list_unsubscribe is ListUnsubscribe.REPLACE,
            mailbox=self._mailbox,
            footer=self._footer if is_bulk and credential.macros is Macros.FOOTER else None,
            list_id=_list_id(labels.list, address.domain(header_from)) if is_bulk and labels.list else "",
        )

    def opened(self, token: str, kind: Kind) -> Link:
        """Raises UnknownLink, also for one of another kind."""
        return tokens.opened(token, self._keys, kind)


def _list_id(name: str, domain: str) -> str:
    """RFC 2919 2: a name of dot-atoms below a domain of the sender's."""
    label = re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-").lower()
    return f"{label or 'list'}.{domain}"
