"""Senders in the console: what SES says of them, how one is added, and who may send from it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from relay.assembly import database
from relay.credential import Credential
from relay.operators import AuditEntry
from relay.sandbox.cloud import Cloud
from relay.sandbox.faults import Faults, SesError
from tests.e2e.browser import running_browser, violations
from tests.e2e.console import Shown, Visitor, admit, base_of, browsing, visiting
from tests.harness import APPLICATION, CRM, Relay, mail, running_relay, submit

ODD = '"><img/src=x/onerror=alert(1)>@example.org'
LOGINS = (
    replace(APPLICATION, name="shop", senders=("@example.com", "@*.example.org")),
    replace(APPLICATION, name="anna", senders=("anna@example.net",)),
    replace(APPLICATION, name="<b>bold</b>", senders=("@nowhere.example",)),
    replace(CRM, senders=("crm@example.com",)),
)
STATES = {
    "news.example.org": ("PENDING", False),
    "old.example": ("FAILED", False),
    "paused.example": ("SUCCESS", False),
    "anna@example.net": ("PENDING", False),
    ODD: ("SUCCESS", True),
}
DETAILS = {
    "old.example": {"VerificationInfo": {"ErrorType": "HOST_NOT_FOUND"}},
    "example.com": {"MailFromAttributes": {"MailFromDomain": "b.example.com", "MailFromDomainStatus": "TEMPORARY_FAILURE"}},
}


def far_side() -> Cloud:
    cloud = Cloud()
    cloud.identities.states |= STATES
    cloud.identities.details |= DETAILS
    return cloud


@pytest.fixture(scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Relay, Cloud]]:
    async with running_relay(tmp_path_factory.mktemp("relay"), *LOGINS, far_side=far_side) as (relay, cloud):
        await admit(relay)
        await relay.told("identities_synced")
        yield relay, cloud


@pytest.fixture(scope="module")
def relay(pair: tuple[Relay, Cloud]) -> Relay:
    return pair[0]


@pytest.fixture
def cloud(pair: tuple[Relay, Cloud]) -> Cloud:
    pair[1].identities.faults = Faults()
    return pair[1]


@pytest.fixture
async def admin(relay: Relay) -> AsyncIterator[Visitor]:
    async with visiting(relay) as visitor:
        yield visitor


async def stored(relay: Relay, name: str) -> Credential:
    store = await database.opened_to_read(relay.where)
    try:
        found = await store.credentials.get(name)
    finally:
        await store.close()
    assert found
    return found


async def audited(relay: Relay) -> AuditEntry:
    """The last entry."""
    store = await database.opened_to_read(relay.where)
    try:
        return (await store.operators.audit(before=2**53, count=1))[0]
    finally:
        await store.close()


def rows(shown: Shown) -> dict[str, str]:
    """What stands in each row of the table, by the page that it leads to."""
    found = re.findall(r'<tr>\s*<td[^>]*><a href="/senders/([^"]+)">(.*?)</tr>', shown.source, re.DOTALL)
    return {path: unescape(" ".join(re.sub(r"<[^>]*>", " ", row).split())) for path, row in found}


async def test_all_that_ses_knows_is_listed_with_what_it_says_and_who_may_use_it(relay: Relay) -> None:
    async with visiting(relay, "viewer") as viewer:
        shown = await viewer.get("/senders")
    found = rows(shown)
    when = r"\S+ \S+ UTC"
    for path, row in {
        "example.com": rf"example\.com verified {when} success temporary failure crm , shop {when}",
        "news.example.org": rf"news\.example\.org pending {when} pending – shop {when}",
        "old.example": rf"old\.example verification failed host not found {when} failed – – {when}",
        "paused.example": rf"paused\.example paused by SES {when} success – – {when}",
        "anna%40example.net": rf"anna@example\.net pending {when} pending – anna {when}",
    }.items():
        assert re.fullmatch(row, found[path]), found[path]
    assert "SES has answered last:" in shown.text


async def test_they_are_found_by_their_names_and_states(admin: Visitor) -> None:
    assert set(rows(await admin.get("/senders?text=EXAMPLE.net"))) == {"anna%40example.net"}
    assert set(rows(await admin.get("/senders?state=pending"))) == {"anna%40example.net", "news.example.org"}
    assert "SES knows none of these." in (await admin.get("/senders?text=nobody")).text


async def test_what_logins_may_use_and_ses_does_not_know_is_named(admin: Visitor) -> None:
    shown = await admin.get("/senders")
    _, found, named = shown.source.partition("SES does not know these")
    assert found
    assert re.findall(r'name="name" value="([^"]+)"', named) == ["example.org", "nowhere.example"]


async def test_a_domain_that_is_added_shows_the_records_that_ses_wants(relay: Relay, cloud: Cloud, admin: Visitor) -> None:
    shown = await admin.post("/senders", {"name": " @Fresh.EXAMPLE "}, came_from="/senders")
    assert shown.url == "/senders/fresh.example"
    assert "SES looks for the records of fresh.example in DNS from now on." in shown.text
    assert cloud.identities.states["fresh.example"] == ("PENDING", False)
    entry = await audited(relay)
    assert (entry.action, entry.subject, entry.outcome) == ("sender added", "fresh.example", "done")
    async with visiting(relay, "viewer") as viewer:  # who looks later finds them too
        later = await viewer.get("/senders/fresh.example")
    for page in (shown, later):
        tokens = re.findall(r"<code>([a-z2-7]{32})\._domainkey\.fresh\.example</code>", page.source)
        assert len(set(tokens)) == 3
        for token in tokens:
            assert f"<code>{token}.dkim.amazonses.com</code>" in page.source
            assert f"{token}._domainkey.fresh.example. CNAME {token}.dkim.amazonses.com." in page.text


async def test_an_address_that_is_added_waits_for_its_link(cloud: Cloud, admin: Visitor) -> None:
    shown = await admin.post("/senders", {"name": "Carla@example.net"}, came_from="/senders")
    assert shown.url == "/senders/carla@example.net"
    assert "SES has mailed a link to carla@example.net" in shown.text
    assert "good for 24 hours" in shown.text
    assert "_domainkey" not in shown.source
    cloud.identities.states["carla@example.net"] = ("SUCCESS", True)  # somebody has followed it
    again = await admin.post("/senders/carla%40example.net/look", came_from=shown.url)
    assert re.search(r"carla@example\.net verified", again.text)
    known = await admin.post("/senders", {"name": "carla@example.net"}, came_from="/senders")
    assert "carla@example.net is verified at SES." in known.text


@pytest.mark.parametrize("name", ["", "example", "a b@example.com", "<img src=x>", "@*.", "x" * 300 + ".example"])
async def test_what_is_no_sender_is_refused(relay: Relay, cloud: Cloud, admin: Visitor, name: str) -> None:
    before = dict(cloud.identities.states)
    shown = await admin.post("/senders", {"name": name}, came_from="/senders")
    assert (shown.url, 'role="alert"' in shown.source) == ("/senders", True)
    assert "<img" not in shown.source.replace('<img src="/static', "")
    assert cloud.identities.states == before
    assert (await audited(relay)).outcome == "refused"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SesError(400, "BadRequestException", "no"), "SES does not take late.example."),
        (SesError(503, "ServiceUnavailableException", "come later"), "come later"),
        (
            SesError(403, "AccessDeniedException", "no right to ses:CreateEmailIdentity"),
            "ses:CreateEmailIdentity",
        ),
    ],
)
async def test_where_ses_does_not_do_it_that_is_said(cloud: Cloud, admin: Visitor, error: SesError, said: str) -> None:
    cloud.identities.faults = Faults(times=1, error=error)
    shown = await admin.post("/senders", {"name": "late.example"}, came_from="/senders")
    assert ('role="alert"' in shown.source, said in shown.text) == (True, True)
    assert "late.example" not in cloud.identities.states


async def test_when_ses_is_asked_for_all_their_states_are_obeyed_at_once(relay: Relay, cloud: Cloud, admin: Visitor) -> None:
    cloud.identities.states["nowhere.example"] = ("SUCCESS", True)
    with relay.smtp(login="<b>bold</b>") as client:
        assert client.mail("x@nowhere.example")[0] == 554
        shown = await admin.post("/senders/look", came_from="/senders")
        assert shown.url == "/senders"
        assert "one after the other" in shown.text  # a second for each
        assert rows(shown)["nowhere.example"].startswith("nowhere.example verified")
        assert client.mail("x@nowhere.example")[0] == 250
    assert "under way already" in (await admin.post("/senders/look", came_from="/senders")).text


async def test_a_ses_that_does_not_answer_changes_nothing_and_is_told_of(tmp_path: Path) -> None:
    async with running_relay(tmp_path, *LOGINS) as (relay, cloud):
        await admit(relay)
        await relay.told("identities_synced")
        async with visiting(relay) as admin:
            done = await admin.post("/senders/look", came_from="/senders")
            assert "SES has answered. Addresses and domains: 1." in done.text
            before = rows(await admin.get("/senders"))
            cloud.identities.faults = Faults(times=2, error=SesError(503, "ServiceUnavailableException", "come later"))
            for path in ("/senders/look", "/senders/example.com/look"):
                assert "come later" in (await admin.post(path, came_from="/senders")).text
            assert rows(await admin.get("/senders")) == before
            cloud.identities.states.clear()
            gone = await admin.post("/senders/example.com/look", came_from="/senders/example.com")
            assert "SES does not know example.com any more." in gone.text
            assert (await admin.get("/senders/example.com")).status == 404
            assert (await admin.post("/senders/example.com/allow", {"login": "shop"})).status == 404


async def test_a_login_is_given_a_sender_and_loses_it(relay: Relay, admin: Visitor) -> None:
    with relay.smtp(login="crm") as client:
        assert client.mail("shop@example.com")[0] == 554
        shown = await admin.post("/senders/example.com/allow", {"login": "crm"}, came_from="/senders/example.com")
        assert "crm may send as @example.com." in shown.text
        assert (await stored(relay, "crm")).senders == ("crm@example.com", "@example.com")
        entry = await audited(relay)
        assert (entry.action, entry.subject, entry.detail) == ("sender given to a login", "example.com", "crm: @example.com")
        await asyncio.to_thread(submit, client, mail())
        await admin.post("/senders/example.com/forbid", {"login": "crm"})
        assert client.mail("shop@example.com")[0] == 554
    assert (await stored(relay, "crm")).senders == ("crm@example.com",)
    await admin.post("/senders/anna%40example.net/allow", {"login": "shop"})
    assert (await stored(relay, "shop")).senders[-1] == "anna@example.net"
    missing = await admin.post("/senders/example.com/allow", {"login": "nobody"}, came_from="/senders")
    assert "There is no such login." in missing.text


async def test_who_is_no_admin_looks_and_does_nothing(relay: Relay, cloud: Cloud) -> None:
    before, lists = await stored(relay, "shop"), cloud.identities.lists
    for role in ("viewer", "operator"):
        async with visiting(relay, role) as visitor:
            for path in ("/senders", "/senders/example.com"):
                shown = await visitor.get(path)
                assert shown.status == 200
                assert 'method="post" action="/senders' not in shown.source
            for path in ("", "/look", "/example.com/look", "/example.com/allow", "/example.com/forbid"):
                assert (await visitor.post(f"/senders{path}", {"name": "mine.example", "login": "shop"})).status == 403
    assert (await stored(relay, "shop"), cloud.identities.lists) == (before, lists)
    assert "mine.example" not in cloud.identities.states


async def test_what_others_have_named_is_shown_as_text(admin: Visitor) -> None:
    listed = await admin.get("/senders")
    (path,) = (path for path in rows(listed) if "img" in path)
    shown = await admin.get(f"/senders/{path}")
    for page in (listed, shown):
        assert page.status == 200
        assert ODD in unescape(page.source)
        assert "<img/src" not in page.source
        assert "<b>bold" not in page.source


async def test_all_of_it_is_there_in_russian(relay: Relay) -> None:
    async with visiting(relay, "viewer") as visitor:
        await visitor.get("/language/ru")
        shown = await visitor.get("/senders")
        assert "не подтвердился" in rows(shown)["old.example"]
        assert "Записи для DNS" in (await visitor.get("/senders/news.example.org")).text


def asks_nobody() -> dict[str, str]:
    return {"RELAY_SES__IDENTITIES_SECONDS": "0"}


async def test_where_ses_is_not_asked_that_is_said(tmp_path: Path) -> None:
    async with running_relay(tmp_path, *LOGINS, settings=asks_nobody()) as (relay, _):
        await admit(relay)
        async with visiting(relay) as admin:
            shown = await admin.get("/senders")
            assert "SES has not answered yet" in shown.text
            assert "ses.identities_seconds is 0" in shown.text
            assert "SES does not know these" not in shown.text
            assert rows(await admin.post("/senders/look", came_from="/senders")).keys() == {"example.com"}


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as found:
        yield found


@pytest.mark.parametrize(("scheme", "width", "path"), [("light", 1440, "/senders/news.example.org"), ("dark", 390, "/senders")])
async def test_the_pages_are_accessible_and_narrow_enough(
    relay: Relay, browser: Browser, scheme: Any, width: int, path: str
) -> None:
    looks = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}, "bypass_csp": True}
    async with browsing(browser, relay, **looks) as page:
        dialogues: list[str] = []
        page.on("dialog", lambda dialogue: dialogues.append(dialogue.message))
        await page.goto(base_of(relay) + path)
        assert await page.evaluate("document.documentElement.scrollWidth") == width
        assert await violations(page) == []
        assert (dialogues, await page.locator("img[src=x]").count()) == ([], 0)
