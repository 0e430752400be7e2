"""Pages of the console, and all that can be looked for there, of a store with the mail of a year."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import quote

from relay.lifecycle import DAY
from tests.bench.year import Year
from tests.bench.year_rows import LOGINS, OFTEN

_RARE = f"app{LOGINS - 1}"  # has a message in 50,000


def pages(year: Year) -> Iterator[tuple[str, str]]:
    """What each is called, and its path."""
    yield from _overviews()
    yield from _searches(year)
    yield from _single_ones(year)
    yield from _other_lists(year)


def _overviews() -> Iterator[tuple[str, str]]:
    for period in ("day", "week", "month"):
        yield f"overview: {period}", f"/?period={period}"
        yield f"overview: {period}, a login", f"/?period={period}&credential=app3"
    yield "overview: month, a login and a domain", "/?period=month&credential=app3&sender_domain=shop3.example.com"
    yield "overview: month, a domain", "/?period=month&sender_domain=shop3.example.com"
    yield "overview: month, a campaign", "/?period=month&campaign=all"


def _searches(year: Year) -> Iterator[tuple[str, str]]:
    readers, total = year.readers, year.total
    recent, old = quote(year.reader(readers // 2)), quote(year.reader(readers // 8))
    window = f"since={_minute(year.now - 90 * DAY)}&until={_minute(year.now - 89 * DAY)}"
    asked = {
        "newest": "",
        "older, in the middle": f"before={year.id(total // 2)}-1",
        "recipient with recent mail": f"recipient={recent}",
        "recipient with recent mail, in the one box": f"q={recent}",
        "recipient with old mail only": f"recipient={old}",
        "recipient of very much mail": f"recipient={OFTEN}",
        "recipient of very much mail, older": f"recipient={OFTEN}&before={year.id(total // 2)}-1",
        "recipient, unknown": "recipient=nobody@example.org",
        "recipient, and delivered": f"recipient={recent}&status=delivered",
        "recipient, and a login": f"recipient={recent}&credential=app3",
        "recipient's beginning, of few": f"q=reader{readers // 2}*",
        "recipient's beginning, of all": "q=reader*",
        "recipient's beginning, unknown": "q=nobody*",
        "recipient's domain": "q=@example5.net",
        "recipient's domain, unknown": "q=@example.museum",
        "sender": "sender=shop@shop3.example.com",
        "sender, unknown": "sender=nobody@example.org",
        "sender's domain": "sender=@shop3.example.com",
        "id": f"q={year.id(total // 2)}",
        "SES's id": f"q={year.ses_id(total // 2)}",
        "SES's id, unknown": f"ses={year.ses_id(total * 2)}",
        "X-Relay-Id": f"q=order-{_with_label(total // 2)}",
        "X-Relay-Id, unknown": "label=order-0",
        "delivered": "status=delivered",
        "bounced": "status=bounced",
        "complained": "status=complained",
        "opened": "status=opened",
        "queued": "status=queued",
        "suppressed": "status=suppressed",
        "in doubt": "status=in+doubt",
        "login": "credential=app3",
        "login with little mail": f"credential={_RARE}",
        "login with little mail, bounced": f"credential={_RARE}&status=bounced",
        "a day, long ago": window,
        "until then": f"until={_minute(year.now - 300 * DAY)}",
        "subject, that day": f"{window}&subject=order+way",
        "subject, that day, Russian": f"{window}&subject=%D0%B7%D0%B0%D0%BA%D0%B0%D0%B7",
        "subject, unknown": "subject=nothing",
        "several words in the one box": "q=nothing+at+all",
        "sender, login, status and that day": f"{window}&sender=@shop3.example.com&credential=app3&status=bounced",
    }
    for name, query in asked.items():
        yield f"messages: {name}", f"/messages?{query}"
    for name in ("newest", "recipient with old mail only", "recipient, unknown", "subject, unknown"):
        yield f"CSV, its first octets: {name}", f"/messages/export.csv?{asked[name]}"
    yield "tail, its first octets", "/messages/tail"


def _single_ones(year: Year) -> Iterator[tuple[str, str]]:
    recent, many = year.id(year.total - 3), year.mailing(20)
    yield "message, recent, with its content", f"/messages/{recent}-1"
    yield "message, its preview", f"/messages/{recent}-1/preview"
    yield "message, its source", f"/messages/{recent}-1/source"
    yield "message, old", f"/messages/{year.id(year.total // 10)}"
    yield "message to very many", f"/messages/{many}"
    yield "message to very many, one of these", f"/messages/{many}-1"


def _other_lists(year: Year) -> Iterator[tuple[str, str]]:
    known = quote(year.reader(19 * 21))
    yield "suppressions: newest", "/suppressions"
    yield "suppressions: complaints", "/suppressions?reason=complaint"
    yield "suppressions: of a list", "/suppressions?mail=list&name=news"
    yield "suppressions: text, of none", "/suppressions?text=nothing"
    yield "suppressions: text, of lists", "/suppressions?text=old7"
    yield "suppressions: address", f"/suppressions/address?address={known}"
    yield "suppressions: address, unknown", "/suppressions/address?address=nobody@example.org"
    yield "suppressions: address of very much mail", f"/suppressions/address?address={OFTEN}"
    yield "suppressions: before a release", f"/suppressions/release?address={known}"
    yield "suppressions: import", "/suppressions/import"
    yield "suppressions: CSV, its first octets", "/suppressions/export"
    yield "suppressions: CSV of none, its first octets", "/suppressions/export?text=nothing"
    yield "mailings", "/mailings"
    yield "mailing, its report", "/mailings/19"
    yield "mailing that goes on, its report", "/mailings/20"
    yield "mailing, its preview", "/mailings/19/preview"
    yield "queue", "/queue"
    yield "queue: change of a login's", "/queue/change?verb=hold&credential=app3"
    yield "queue: change of a domain's", "/queue/change?verb=hold&recipient_domain=example5.net"
    yield "queue: change of all", "/queue/change?verb=hold&everything=on"
    for path in ("/feedback", "/feedback/strangers", "/feedback/quarantine", "/feedback/refused", "/feedback/setup"):
        yield path[1:], path
    yield "feedback: a post", "/feedback/posts/1"
    for path in ("/credentials", "/credentials/app3", "/senders", "/operators", "/account", "/audit"):
        yield path[1:], path
    yield "audit of an operator", "/audit?operator=once"
    yield "audit of nobody", "/audit?operator=nobody"


def _minute(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M", time.gmtime(at))


def _with_label(number: int) -> int:
    """That one, or the next that has a label: logins below 7 have."""
    return next(each for each in range(number, number + LOGINS) if each * 7 % (LOGINS - 1) < 7)
