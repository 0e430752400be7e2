"""The door that speaks as SES does, beside the HTTP API."""

from __future__ import annotations

import time

from aiohttp import web

from relay.assembly.base import Base
from relay.assembly.sealing import seal
from relay.assembly.way_in import Entrance
from relay.ports.sealing import Seal
from relay.signed_logins import SignedLogin
from relay.web.ses_door.account import Account
from relay.web.ses_door.door import Limits, SesDoor
from relay.web.ses_door.sending import Sending
from relay.web.ses_door.suppressed import Suppressed
from relay.web.ses_door.v1 import QueryApi
from relay.web.ses_door.v2 import RestApi
from relay.windows import Window


def routes(base: Base, entrance: Entrance, calls: Window) -> list[web.RouteDef]:
    """None without secrets.keys: no access key could be opened."""
    found = seal(base.config)
    return door(base, entrance, found, calls).routes() if found else []


def door(base: Base, entrance: Entrance, opens: Seal, calls: Window) -> SesDoor:
    """All of it."""
    store, clock, api = base.store, base.clock, base.config.api
    sending = Sending(intake=entrance.intake, receipts=store.receipts)
    account = Account(desk=store.desk, counters=store.counters, identities=entrance.identities, clock=clock)
    suppressed = Suppressed(suppressions=store.suppressions, admin=base.admin(tell=entrance.tell), clock=clock)
    return SesDoor(
        query=QueryApi(sending=sending, account=account),
        rest=RestApi(sending=sending, account=account, suppressed=suppressed),
        login=SignedLogin(
            login=entrance.login, access_keys=store.access_keys, seal=opens, clock=time.time, monotonic=time.monotonic
        ),
        refusals=base.refusals,
        limits=Limits(body=api.max_body, message=sending.max_size),
        calls=calls,
    )
