"""The links that each recipient gets: addresses on our own web server, with tokens that only we can make."""

from __future__ import annotations

import re
from dataclasses import dataclass

from relay import address, tokens
from relay.credential import Credential, ListUnsubscribe, MessageClass
from relay.model import Delivery, Labels
from relay.suppression import of_credential, of_list
from relay.tokens import Keys, Kind, Link
from relay.writing.edits import LinkEdits

UNSUBSCRIBE_PATH = "/u"


PURPOSE = "links in mail"  # of the key


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """Who got a link, and of whose mail: the list that its sender named, or else all of the login's."""

    address: str
    credential: str
    sender: str
    list: str

    @property
    def scope(self) -> str:
        return of_list(self.list) if self.list else of_credential(self.credential)


class Linker:
    """Makes them below `public_url`, sealed with the newest of `keys`; and reads tokens."""

    def __init__(self, public_url: str, keys: Keys) -> None:
        self._base = public_url.rstrip("/")
        self._keys = keys
        self.longest = {name: self._base.ljust(len(self._base) + 60, "x") for name in ("Unsubscribe",)}

    def of(self, delivery: Delivery) -> dict[str, str]:
        """By the names of macros: the same at each try."""
        return {
            "Unsubscribe": f"{self._base}{UNSUBSCRIBE_PATH}/{self._token(Kind.UNSUBSCRIBE, delivery)}",
        }

    def edits(self, credential: Credential, labels: Labels, header_from: str) -> LinkEdits:
        """What is done in a message of this login for its links."""
        is_bulk = labels.message_class is not MessageClass.TRANSACTIONAL
        return LinkEdits(
            longest=self.longest,
            adds_pair=is_bulk and credential.list_unsubscribe is not ListUnsubscribe.OFF,
            replaces=is_bulk and credential.list_unsubscribe is ListUnsubscribe.REPLACE,
            list_id=_list_id(labels.list, address.domain(header_from)) if is_bulk and labels.list else "",
        )

    def _token(self, kind: Kind, delivery: Delivery) -> str:
        return tokens.sealed(Link(kind, delivery.message_id, delivery.number), self._keys)

    def opened(self, token: str, kind: Kind) -> Link:
        """Raises UnknownLink, also for one of another kind."""
        return tokens.opened(token, self._keys, kind)


def _list_id(name: str, domain: str) -> str:
    """RFC 2919 2: a name of dot-atoms below a domain of the sender's."""
    label = re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-").lower()
    return f"{label or 'list'}.{domain}"
