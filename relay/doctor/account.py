"""Who we are at AWS, and what the account may do."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from relay.doctor.look import Look
from relay.errors import AwsRefused
from relay.findings import Verdict, fail, ok, warning

_SKEW_WARNS, _SKEW_FAILS = 30.0, 240.0  # seconds; AWS takes signatures for five minutes
_NEARLY_USED = 0.8


async def credentials(look: Look) -> Verdict:
    """STS says who the credentials are of; anybody may ask that."""
    try:
        caller = await look.caller()
    except AwsRefused as error:
        remedy = "give the relay a key: instance or task role, profile (ses.profile), or AWS_ACCESS_KEY_ID in its environment"
        return fail(f"AWS does not know us: {error}", remedy)
    if caller.arn.endswith(":root"):
        return warning(
            f"the root of account {caller.account}", "a key of root may do all: make a user or role, with `relay aws policy`"
        )
    return ok(f"{caller.arn}, account {caller.account}")


async def region(look: Look) -> Verdict:
    """Topics must be of the region and account that send."""
    here, topics = look.config.ses.region, look.config.feedback.topics
    account = (await look.ask("sts", "get_caller_identity"))["Account"]
    strange = [topic for topic in topics if topic.split(":")[3:5] != [here, account]]
    if strange:
        remedy = f"SES publishes only to topics of its region: make one with `relay aws setup`, or correct ses.region ({here})"
        return fail(f"{strange[0]} is not of {here} and account {account}", remedy)
    return ok(f"{here}, as all topics are" if topics else here)


async def clock(look: Look) -> Verdict:
    """Against the Date of AWS's answer, also where that was no."""
    try:
        caller = await look.caller()
        date, at = caller.date, caller.at
    except AwsRefused as error:
        date, at = error.date, time.time()
    if not date:
        return warning("AWS did not say what time it is", "mend `credentials` first")
    ahead = at - parsedate_to_datetime(date).timestamp()
    seen = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} AWS"
    remedy = "run an NTP client: AWS takes signatures for five minutes around its own time"
    if abs(ahead) >= _SKEW_FAILS:
        return fail(seen, remedy)
    return warning(seen, remedy) if abs(ahead) >= _SKEW_WARNS else ok(seen)


async def sending(look: Look) -> Verdict:
    """EnforcementStatus and SendingEnabled of GetAccount."""
    account = await look.ask("sesv2", "get_account")
    standing = account.get("EnforcementStatus", "HEALTHY")
    if standing == "SHUTDOWN":
        return fail("SES has stopped the account", "answer the case in the AWS Support Center")
    if not account.get("SendingEnabled", True):
        return fail(
            "sending is switched off", "switch it on in the account dashboard of SES, once you know who switched it off"
        )
    if standing != "HEALTHY":
        return warning(
            f"SES reviews the account ({standing.lower()})", "answer the case in the Support Center: bounces, complaints"
        )
    return ok("healthy")


async def production(look: Look) -> Verdict:
    """The sandbox of SES, not ours."""
    if (await look.ask("sesv2", "get_account")).get("ProductionAccessEnabled"):
        return ok("production")
    return warning(
        "in the sandbox of SES: only to verified addresses, 200 a day", "request production access in the console of SES"
    )


async def suppression_list(look: Look) -> Verdict:
    """SES's own, on which an address gets no mail whatever ours says."""
    some = await look.ask("sesv2", "list_suppressed_destinations", PageSize=1)
    every = look.config.suppression.sync_minutes
    if every:
        return ok(f"compared with ours every {every} minutes")
    if some.get("SuppressedDestinationSummaries"):
        return warning("has addresses, and is not compared with ours", "set suppression.sync_minutes, to 60 for example")
    return ok("empty, and not compared with ours")


async def quota(look: Look) -> Verdict:
    """Of 24 hours, and of a second."""
    found = (await look.ask("sesv2", "get_account"))["SendQuota"]
    most, sent, rate = float(found["Max24HourSend"]), float(found["SentLast24Hours"]), float(found["MaxSendRate"])
    if most < 0:
        return ok(f"{rate:g} a second, no limit a day")
    seen = f"{sent:.0f} of {most:.0f} used in 24 hours, {rate:g} a second"
    if sent >= most:
        return fail(seen, "all mail waits until older mail is 24 hours old; request more in Service Quotas")
    return warning(seen, "request more in Service Quotas in time") if sent >= _NEARLY_USED * most else ok(seen)
