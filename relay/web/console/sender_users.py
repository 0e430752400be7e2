"""Which logins may send from what an identity of SES stands for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from relay.credential import Credential


class Users:
    """Of all logins. A verified domain stands for all below it, and a verified address for itself with any label."""

    def __init__(self, logins: Iterable[Credential]) -> None:
        self._named: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._below: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._addresses: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for login in logins:
            for listed in login.senders:
                self._take(listed, login.name)

    def _take(self, listed: str, login: str) -> None:
        local, _, domain = listed.rpartition("@")
        if listed.startswith("@*."):
            self._named[listed][login] = None
            domain = domain.removeprefix("*.")
        elif local:
            self._addresses[_without_label(listed)][login] = None
        else:
            self._named[listed][login] = None
        for above in _and_above(domain):
            self._below[above][login] = None

    def of(self, identity: str) -> Sequence[str]:
        """The names of logins, sorted; `identity` is an address or a domain as SES writes it."""
        name = identity.lower()
        _, at, domain = name.rpartition("@")
        found = dict(self._addresses.get(_without_label(name), {}) if at else self._below.get(name, {}))
        if at:
            found |= self._named.get(f"@{domain}", {})
        for above in list(_and_above(domain))[1:]:
            found |= self._named.get(f"@*.{above}", {})
        return sorted(found)


def _without_label(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def _and_above(domain: str) -> Iterator[str]:
    while domain:
        yield domain
        domain = domain.partition(".")[2]
