"""What we may send from: identities, their DKIM and MAIL FROM, and mail that SES sends about bounces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.aws.identities import listed
from relay.doctor.look import Look
from relay.findings import Verdict, fail, ok, warning
from relay.identities import Identity, why_not

_LOOKED_AT = 10  # SES tells of one a second
_NAMED = 5


async def identities(look: Look) -> Verdict:
    """At least one is verified."""
    found = await _listed(look)
    bad = [f"{each.name}: {why_not(each)}" for each in found if why_not(each)]
    if len(bad) == len(found):
        remedy = "verify a domain: the console of SES has the records that DNS needs; `relay sender sync` shows how it stands"
        return fail("; ".join(bad[:_NAMED]) or "no address and no domain", remedy)
    if bad:
        return warning("; ".join(bad[:_NAMED]), "put its records into DNS, or remove it from SES")
    return ok(_named([each.name for each in found]))


async def dkim(look: Look) -> Verdict:
    """Without it a mail's From is proven by nothing that survives forwarding."""
    details = await _details(look)
    bad = [name for name, each in details.items() if (each.get("DkimAttributes") or {}).get("Status") != "SUCCESS"]
    if bad:
        return warning(f"not signed for: {_named(bad)}", "switch on Easy DKIM in SES, and put its three CNAME records into DNS")
    return ok(_looked(details))


async def mail_from(look: Look) -> Verdict:
    """Of one's own where it is set: else bounces come to amazonses.com, and SPF says nothing for DMARC."""
    states = {
        name: (each.get("MailFromAttributes") or {}).get("MailFromDomainStatus", "")
        for name, each in (await _details(look)).items()
    }
    bad = [f"{name} ({state.lower()})" for name, state in states.items() if state not in ("", "SUCCESS")]
    if bad:
        return warning(_named(bad), "put the MX and the SPF record of the MAIL FROM domain into DNS")
    own = [name for name, state in states.items() if state]
    return ok(_named(own) if own else "none of one's own: DMARC rests on DKIM alone")


async def forwarding(look: Look) -> Verdict:
    """SES mails each bounce to the sender, beside the events that the relay gets."""
    details = await _details(look)
    on = [name for name, each in details.items() if each.get("FeedbackForwardingStatus")]
    if on:
        remedy = "once events come, switch off e-mail feedback forwarding of these identities in SES"
        return warning(f"bounces are mailed to senders as well: {_named(on)}", remedy)
    return ok("off")


async def _listed(look: Look) -> list[Identity]:
    listing = look.pages("sesv2", "list_email_identities", PageSize=1000)
    return [listed(row) async for page in listing for row in page.get("EmailIdentities", [])]


async def _details(look: Look) -> dict[str, Mapping[str, Any]]:
    """Of the first few that may be sent from."""
    names = [each.name for each in await _listed(look) if not why_not(each)][:_LOOKED_AT]
    return {name: await look.ask("sesv2", "get_email_identity", EmailIdentity=name) for name in names}


def _looked(details: Mapping[str, Any]) -> str:
    return _named(list(details)) + (" (the first ten)" if len(details) == _LOOKED_AT else "")


def _named(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
