"""The doctor's rounds: all checks at once, each with its own time. One that hangs or breaks is a finding itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from relay import rights
from relay.doctor import account, machine, senders, way_back, webhook
from relay.doctor.look import Look, NotLooked
from relay.errors import AwsRefused, RightMissing
from relay.findings import Finding, Verdict, fail, ok, warning

Examine = Callable[[Look], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Check:
    """`seconds` is what it may take, with all that it waits for."""

    examine: Examine
    seconds: float = 40.0


CHECKS: Mapping[str, Check] = {
    "credentials": Check(account.credentials, 20.0),
    "region": Check(account.region),
    "clock": Check(account.clock, 20.0),
    "account": Check(account.sending),
    "production": Check(account.production),
    "quota": Check(account.quota),
    "suppression list": Check(account.suppression_list),
    "identities": Check(senders.identities),
    "DKIM": Check(senders.dkim),
    "MAIL FROM": Check(senders.mail_from),
    "feedback forwarding": Check(senders.forwarding),
    "configuration set": Check(way_back.configuration_set),
    "event destination": Check(way_back.destination),
    "event types": Check(way_back.event_types),
    "topic": Check(way_back.topic),
    "subscription": Check(way_back.subscription),
    "queues": Check(way_back.queues),
    "public URL": Check(webhook.public_url, 20.0),
    "SMTP certificate": Check(machine.smtp_certificate, 10.0),
    "callbacks certificate": Check(machine.callbacks_certificate, 10.0),
    "api certificate": Check(machine.api_certificate, 10.0),
    "ports": Check(machine.ports, 20.0),
    "disk": Check(machine.disk, 10.0),
    "store": Check(machine.store, 10.0),
    "links": Check(machine.links, 10.0),
}


async def examine(look: Look, checks: Mapping[str, Check]) -> tuple[Finding, ...]:
    """In the order of the table; and at the end what rights were missing."""
    verdicts = await asyncio.gather(*(_verdict(look, check) for check in checks.values()))
    named = [*zip(checks, verdicts, strict=True), ("permissions", _permissions(look))]
    return tuple(Finding(name, verdict.grade, verdict.seen, verdict.remedy) for name, verdict in named)


async def _verdict(look: Look, check: Check) -> Verdict:
    try:
        async with asyncio.timeout(check.seconds):
            return await check.examine(look)
    except TimeoutError:
        return fail(f"no answer within {check.seconds:g} s", "see that what it looks at can be reached from here")
    except NotLooked as error:
        return _not_looked(error)
    except RightMissing as error:
        return warning(f"not looked at: {error.right} is not allowed", "allow it: `relay aws policy --for doctor`")
    except AwsRefused as error:
        return fail(f"AWS does not answer as it should: {error}", "see that its endpoint can be reached from here")
    except PermissionError as error:
        return fail(f"{error.filename}: {error.strerror}", "run this as the relay's user, on its machine")
    except Exception as error:  # a fault of the check must not hide what the others saw
        return fail(f"the check itself broke: {error!r}", "report it, with this line")


def _not_looked(error: NotLooked) -> Verdict:
    return warning("not looked at", f"mend `{error}` first")


def _permissions(look: Look) -> Verdict:
    """Of what was asked. Whether mail may be sent, only mail can show."""
    if look.is_unknown:
        return _not_looked(NotLooked("credentials"))
    if not look.missing:
        return ok("all that was asked is allowed; --send shows whether sending is")
    missing, needed = ", ".join(sorted(look.missing)), look.missing & rights.of_relay()
    if needed:
        return fail(f"the relay lacks {missing}", "allow it: `relay aws policy`, and `--for doctor`")
    return warning(f"the doctor lacks {missing}", "allow it: `relay aws policy --for doctor`")
