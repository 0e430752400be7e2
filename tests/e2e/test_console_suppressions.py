"""/suppressions: who gets no mail and why, changes by hand, lists that go out and come in."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from relay.assembly import database
from relay.cli.access import changing
from relay.operators import AuditEntry
from relay.sandbox.cloud import Cloud
from relay.sandbox.suppressed import Entry
from relay.store.sql.store import SqlStore
from relay.suppression import EVERYWHERE, Change, PastChange, Reason, Suppression, of_credential, of_list
from tests.e2e.browser import running_browser, violations
from tests.e2e.console import Shown, Visitor, admit, base_of, browsing, visiting
from tests.harness import APPLICATION, CRM, Relay, mail, running_relay, submit

ATTACK = '"><img src=x onerror=alert(1)>'
PAGE = "/suppressions/address?address="
IMPORT = "/suppressions/import"
MANY = 25_500  # more than a page looks at


class Scene(NamedTuple):
    relay: Relay
    cloud: Cloud

    async def suppress(self, *entries: Suppression) -> None:
        async with changing(self.relay.where) as admin:
            for entry in entries:
                assert await admin.suppress(entry)

    async def entries(self, address: str) -> tuple[Suppression, ...]:
        async with self.store() as store:
            return (await store.suppressions.find([address])).entries(address)

    async def history(self, address: str) -> tuple[PastChange, ...]:
        async with self.store() as store:
            return await store.suppressions.history(address)

    async def audit(self, action: str) -> AuditEntry:
        """The last of that action."""
        async with self.store() as store:
            return next(each for each in await store.operators.audit(before=2**53, count=200) if each.action == action)

    @asynccontextmanager
    async def store(self) -> AsyncIterator[SqlStore]:
        store = await database.opened_to_read(self.relay.where)
        try:
            yield store
        finally:
            await store.close()


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with running_relay(tmp_path_factory.mktemp("suppressions"), APPLICATION, CRM) as (relay, cloud):
        await admit(relay)
        yield Scene(relay, cloud)
        assert relay.faults() == []


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


def entry(address: str, *, at: float | None = None, **fields: object) -> Suppression:
    made = Suppression(address=address, reason=Reason.MANUAL, source="test", created_at=at or time.time())
    return replace(made, **fields)  # type: ignore[arg-type]


async def bounced(scene: Scene, address: str) -> str:
    """The message whose bounce has suppressed it."""
    with scene.relay.smtp() as client:
        id = await asyncio.to_thread(submit, client, mail(to=address), to=address)
    assert await scene.relay.status(id, "bounced hard") == ["bounced hard"]
    return id


def addresses(shown: Shown) -> list[str]:
    return re.findall(r'class="address"><a [^>]*>([^<]*)<', shown.source)


def next_page(shown: Shown) -> str:
    """Where the list goes on; empty where it does not."""
    found = re.search(r'<a href="([^"]*)" rel="next">', shown.source)
    return found[1].replace("&amp;", "&") if found else ""


# One address.


async def test_all_that_is_known_of_an_address_is_shown_with_the_message_that_brought_it_about(scene: Scene) -> None:
    address = "bounce+known@simulator.amazonses.com"
    id = await bounced(scene, address)
    await scene.suppress(entry(address, scope=of_list("news"), expires_at=time.time() + 9000, note="by phone"))
    scene.cloud.suppressed["Bounce+Known@simulator.amazonses.com"] = Entry("BOUNCE")
    await scene.relay.cli("suppression", "sync")
    async with visiting(scene.relay, "viewer") as visitor:
        shown = await visitor.get(PAGE + "BOUNCE%2Bknown@simulator.amazonses.com")
        assert "gets no mail hard bounce, since" in shown.text
        assert "all mail hard bounce" in shown.text
        assert "mail to the list news manual" in shown.text
        assert shown.source.count(f'<a href="/messages/{id}">SES, about a message of ours</a>') == 2  # the entry, its history
        assert f'bounce</span> hard <a href="/messages/{id}">its message</a>' in shown.source
        assert "entry added manual, mail to the list news, by test by phone" in shown.text
        assert "SES's own list: it is there as Bounce+Known@simulator.amazonses.com." in shown.text
        assert "for ever" in shown.text


async def test_of_a_stranger_nothing_is_known_and_what_is_no_address_is_looked_for_in_the_list(scene: Scene) -> None:
    await scene.suppress(
        entry("partly.known@example.net", scope=of_credential("app")), entry("over@example.net", expires_at=5.0)
    )
    async with visiting(scene.relay, "viewer") as visitor:
        shown = await visitor.get(PAGE + "stranger@example.net")
        assert "gets mail No entry stops mail to it." in shown.text
        assert "Nothing, or it is not kept any more." in shown.text
        assert "gets some mail" in (await visitor.get(PAGE + "PARTLY.known@example.net")).text
        over = await visitor.get(PAGE + "over@example.net")
        assert "gets no mail" not in over.text
        assert " over " in over.text
        shown = await visitor.get(PAGE + "partly.%00know")
        assert shown.url == "/suppressions?text=partly.know"
        assert addresses(shown) == ["partly.known@example.net"]


# The list.


async def test_the_list_is_the_newest_first_in_pages_that_miss_nothing(scene: Scene) -> None:
    now = time.time() + 1000
    names = [f"paged{number:03}@example.net" for number in range(120)]
    await scene.suppress(*(entry(name, at=now + number // 3) for number, name in enumerate(names)))
    async with visiting(scene.relay, "viewer") as visitor:
        shown, found, sizes = await visitor.get("/suppressions?text=PAGED"), list[str](), list[int]()
        for _ in range(5):
            found += addresses(shown)
            sizes.append(len(addresses(shown)))
            if not (path := next_page(shown)):
                break
            shown = await visitor.get(path)
        assert sizes == [50, 50, 20]
        assert found == list(reversed(names))
        assert "To the newest" in shown.text
        for spot in ("x", "bnVsbA", "WzEsIm5hbiIsMSwyLDNd", "WzEsMiwiXHUwMDAwIiwiIiwiIl0="):
            assert (await visitor.get(f"/suppressions?behind={spot}")).status == 200


async def test_the_list_is_filtered_by_reason_and_by_the_mail_it_is_for(scene: Scene) -> None:
    await scene.suppress(
        entry("filtered.a@example.net", reason=Reason.COMPLAINT),
        entry("filtered.b@example.net", scope=of_credential("app")),
        entry("filtered.c@example.net", scope=of_credential("crm")),
        entry("filtered.d@example.net", scope=of_list("news")),
    )
    wanted = {
        "reason=complaint": "a",
        "mail=all": "a",
        "mail=login": "cb",
        "mail=login&name=app": "b",
        "mail=list&name=news": "d",
        "mail=list&name=other": "",
        "reason=nonsense": "dcba",
    }
    async with visiting(scene.relay, "viewer") as visitor:
        for query, letters in wanted.items():
            shown = await visitor.get(f"/suppressions?text=filtered&{query}")
            assert addresses(shown) == [f"filtered.{letter}@example.net" for letter in letters], query
        assert "No entry fits." in (await visitor.get("/suppressions?text=filtered%25")).text


# By hand.


async def test_somebody_is_suppressed_by_hand_with_all_that_can_be_said(scene: Scene) -> None:
    fields = {"address": "Added@example.net", "reason": "unsubscribed", "mail": "login", "name": "app", "term": "604800"}
    began = time.time()
    async with visiting(scene.relay, "operator") as visitor:
        shown = await visitor.post("/suppressions", {**fields, "note": "asked by phone"})
        assert "Added@example.net gets no such mail any more." in shown.text
        assert shown.url == f"{PAGE}Added@example.net"
        again = await visitor.post("/suppressions", {**fields, "term": "86400"}, came_from="/suppressions")
        assert "Added@example.net is suppressed already for that reason." in again.text
    [found] = await scene.entries("added@example.net")
    assert (found.address, found.reason, found.scope) == ("Added@example.net", Reason.UNSUBSCRIBED, of_credential("app"))
    assert (found.source, found.note) == ("operator operator", "asked by phone")
    assert began + 604800 <= found.expires_at <= time.time() + 604800
    [past] = await scene.history("added@example.net")
    assert past.change is Change.ADDED
    assert (await scene.audit("address suppressed")).outcome == "refused"
    with scene.relay.smtp() as client:
        id = await asyncio.to_thread(submit, client, mail(to="added@example.net"), to="added@example.net")
    assert await scene.relay.status(id, "suppressed") == ["suppressed"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"address": "no address"}, "no address is no address."),
        ({"address": ATTACK}, f"{ATTACK} is no address."),
        ({"mail": "login", "name": "nobody"}, "There is no login nobody."),
        ({"mail": "list"}, "Name the login or the list."),
        ({"reason": "soft_bounces"}, "There is no such reason."),
        ({"reason": "nonsense"}, "There is no such reason."),
    ],
)
async def test_what_cannot_be_meant_is_said_and_changes_nothing(scene: Scene, fields: Mapping[str, str], said: str) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        shown = await visitor.post("/suppressions", {"address": "unchanged@example.net", **fields}, came_from="/suppressions")
        assert said in shown.text
        assert ATTACK not in shown.source
    assert await scene.entries("unchanged@example.net") == ()


async def test_what_a_release_means_is_said_before_and_it_clears_the_list_of_ses_as_well(scene: Scene) -> None:
    address = "bounce+gone@simulator.amazonses.com"
    await bounced(scene, address)
    scene.cloud.suppressed[address] = Entry("BOUNCE")
    await scene.suppress(entry(address, scope=of_list("news")))
    async with visiting(scene.relay, "operator") as visitor:
        shown = await visitor.get(PAGE + address.replace("+", "%2B"))
        assert "Release for all mail" in shown.text
        shown = await visitor.get(f"/suppressions/release?address={address.replace('+', '%2B')}&scope=")
        for words in ("Other entries stay", "SES's own list", "If the mailbox is still gone, the next mail bounces again"):
            assert words in shown.text
        fields = {"address": address, "scope": "", "note": ""}
        assert "Say why" in (await visitor.post("/suppressions/release", fields, came_from=shown.url)).text
        assert len(await scene.entries(address)) == 2
        done = await visitor.post("/suppressions/release", {**fields, "note": "a new mailbox"})
        assert f"{address} may get such mail again." in done.text
        assert "entry removed hard bounce, all mail, by operator operator a new mailbox" in done.text
        again = await visitor.post("/suppressions/release", {**fields, "note": "once more"})
        assert "was not suppressed here" in again.text
        wrong = {"address": address, "scope": "nonsense", "note": "x"}
        assert "There is no such scope." in (await visitor.post("/suppressions/release", wrong)).text
    assert [each.scope for each in await scene.entries(address)] == [of_list("news")]
    for _ in range(150):
        if address not in scene.cloud.suppressed:
            break
        await asyncio.sleep(0.1)
    assert address not in scene.cloud.suppressed


async def test_an_address_may_be_left_on_the_list_of_ses(scene: Scene) -> None:
    await scene.suppress(entry("kept@example.net", reason=Reason.COMPLAINT))
    async with visiting(scene.relay, "operator") as visitor:
        shown = await visitor.get("/suppressions/release?address=kept@example.net")
        assert "Another complaint counts against the account" in shown.text
        fields = {"address": "kept@example.net", "scope": "", "note": "x", "keep_at_ses": "on"}
        assert "may get such mail again" in (await visitor.post("/suppressions/release", fields)).text
    async with scene.store() as store:
        assert not (await store.provenance.at_ses("kept@example.net")).is_to_go
    done = await scene.audit("address released")
    assert (done.operator, done.subject, done.outcome) == ("operator", "kept@example.net", "done")


async def test_a_viewer_sees_everything_and_changes_nothing(scene: Scene) -> None:
    await scene.suppress(entry("seen@example.net"))
    async with visiting(scene.relay, "viewer") as visitor:
        for path in ("/suppressions", f"{PAGE}seen@example.net"):
            shown = await visitor.get(path)
            assert shown.status == 200
            assert 'method="post" action="/suppressions' not in shown.source
            assert "Release" not in shown.text
            assert "Import" not in shown.text
        for path in ("/suppressions/release?address=seen@example.net", IMPORT):
            assert (await visitor.get(path)).status == 403
        for path in ("/suppressions", "/suppressions/release", f"{IMPORT}/stop"):
            shown = await visitor.post(path, {"address": "seen@example.net", "note": "x"})
            assert shown.status == 403
        assert (await upload(visitor, b"unseen@example.net\n")).status == 403
    assert [each.scope for each in await scene.entries("seen@example.net")] == [EVERYWHERE]
    assert await scene.entries("unseen@example.net") == ()


# Lists that go out.


async def test_what_fits_goes_out_as_a_file_that_no_spreadsheet_takes_for_formulas(scene: Scene) -> None:
    await scene.suppress(
        entry("out.a@example.net", note="=HYPERLINK(1)", scope=of_list("news")),
        entry("out.b@example.net", note="\r@SUM(1)", source="+1"),
        entry("out.over@example.net", expires_at=5.0),
        entry("elsewhere@example.net"),
    )
    async with visiting(scene.relay, "viewer") as visitor:
        shown = await visitor.get("/suppressions/export?text=out.")
        assert shown.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert re.fullmatch(r'attachment; filename="suppressions-[0-9-]{10}\.csv"', shown.headers["Content-Disposition"])
        head, *rows = csv.reader(io.StringIO(shown.source, newline=""))
        assert head == ["address", "reason", "scope", "since", "until", "source", "note"]
        assert [(row[0], row[2], row[5], row[6]) for row in rows] == [
            ("out.b@example.net", "", "'+1", "'\n@SUM(1)"),
            ("out.a@example.net", "list:news", "test", "'=HYPERLINK(1)"),
        ]
        everything = await visitor.get("/suppressions/export")
        assert {"elsewhere@example.net", "out.a@example.net"} <= {line.split(",")[0] for line in everything.source.split("\n")}


# Lists that come in.


async def upload(visitor: Visitor, content: bytes, file_name: str = "list.csv", **fields: str) -> Shown:
    """As a browser sends the form; the page that it leads to."""
    form = aiohttp.FormData(quote_fields=False)
    for field, value in {"csrf": visitor.csrf, **fields}.items():
        form.add_field(field, value)
    form.add_field("file", io.BytesIO(content), filename=file_name, content_type="text/csv")
    headers = {"Sec-Fetch-Site": "same-origin", "Referer": visitor.base + IMPORT}
    async with visitor.http.post(visitor.base + IMPORT, data=form, headers=headers) as answer:
        return await visitor._shown(answer)


async def ended(visitor: Visitor) -> Shown:
    """The page, once nothing is under way: until then it comes anew by itself."""
    for _ in range(600):
        shown = await visitor.get(IMPORT)
        if 'http-equiv="refresh"' not in shown.source:
            return shown
        assert "Nothing of the list counts before all of it does." in shown.text
        await asyncio.sleep(0.05)
    raise AssertionError(shown.text)


async def test_a_list_comes_in_and_its_bad_lines_are_told_by_number(scene: Scene) -> None:
    await scene.suppress(entry("came.b@example.net", reason=Reason.HARD_BOUNCE))
    content = f"came.a@example.net,BOUNCE\n{ATTACK[2:]},BOUNCE\ncame.b@example.net,BOUNCE\ncame.c@example.net,WHAT\n".encode()
    async with visiting(scene.relay, "operator") as visitor:
        await upload(visitor, content, f"{ATTACK[2:]}.csv")
        shown = await ended(visitor)
        assert "All lines but the bad ones count now." in shown.text
        assert "Rows read 4 Bad lines, left out 2 Added 1 For longer than before 0 As they were 1" in shown.text
        assert f"Line What is wrong 2 '{ATTACK[2:]}' is not an address 4 'WHAT' is no reason" in shown.text
        assert ATTACK[2:] not in shown.source
    [found] = await scene.entries("came.a@example.net")
    assert (found.reason, found.source) == (Reason.HARD_BOUNCE, f"import of {ATTACK[2:]}.csv")
    done = await scene.audit("import of a list ended")
    assert (done.subject, done.outcome) == (f"{ATTACK[2:]}.csv", "done")
    assert done.detail.endswith("rows 4, bad 2 added 1, longer 0, stood 1, released 0")


async def test_a_year_that_is_none_is_shown_as_no_time(scene: Scene) -> None:
    rows = ("year@example.net,manual,,9999-12-31T23:59:59-12:00,,,", "zero@example.net,manual,,0001-01-01T00:00:00+14:00,,,")
    async with visiting(scene.relay, "operator") as visitor:
        await visitor.get(IMPORT)
        await upload(visitor, "\n".join(("address,reason,scope,since,until,source,note", *rows)).encode())
        assert "Added 2" in (await ended(visitor)).text
        for path in ("/suppressions?text=year@", "/suppressions?text=zero@", "/suppressions/address?address=year@example.net"):
            shown = await visitor.get(path)
            assert (shown.status, "@example.net" in shown.text) == (200, True)


async def test_what_the_form_says_stands_in_place_of_what_the_file_says(scene: Scene) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        fields = {"format": "plain", "reason": "complaint", "mail": "login", "name": "app"}
        await upload(visitor, b"name,email\nx,formed@example.net\n", **fields)
        assert "Added 1" in (await ended(visitor)).text
        [found] = await scene.entries("formed@example.net")
        assert (found.reason, found.scope) == (Reason.COMPLAINT, of_credential("app"))
        release = {"address": "formed@example.net", "scope": of_credential("app"), "note": "x"}
        await visitor.post("/suppressions/release", release)
        dated = f"formed@example.net,imported,credential:app,{int(time.time() - 60)},,,\n".encode()
        content = b"address,reason,scope,since,until,source,note\n" + dated
        await upload(visitor, content)
        assert "they were released since 1" in (await ended(visitor)).text
        await upload(visitor, content, again="on")
        assert "Added 1" in (await ended(visitor)).text


@pytest.mark.parametrize(
    ("content", "fields", "said"),
    [
        (b"strict.a@example.net\nno address\n", {"strict": "on"}, "failed There are bad lines: nothing was imported."),
        (b"strict.a@example.net\n", {"dry": "on"}, "done It was only read: nothing was imported. Rows read 1"),
        (b"one,two\nstrict.a@example.net,x\n", {}, "failed This is no list that can be read: a table of a kind that is not"),
        (b'{"a": [' + b"[1]," * 2_500_000, {}, "failed JSON of more than 8 MB is for"),
        (b"strict.a@example.net " * 100_000, {}, "Bad lines, left out"),
        (b"\xff\xfe\x00\x00" * 10, {}, "failed This is no list that can be read"),
    ],
)
async def test_a_list_that_is_not_to_count_or_cannot_be_read_leaves_nothing(
    scene: Scene, content: bytes, fields: Mapping[str, str], said: str
) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        await upload(visitor, content, **fields)
        assert said in (await ended(visitor)).text
    assert await scene.entries("strict.a@example.net") == ()


async def test_a_form_without_a_file_or_of_another_site_changes_nothing(scene: Scene) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        await visitor.get(IMPORT)
        assert "Choose a file." in (await upload(visitor, b"")).text
        assert "Choose a file." in (await visitor.post(IMPORT, {"reason": "manual"}, came_from=IMPORT)).text
        form = aiohttp.FormData({"csrf": visitor.csrf}, default_to_multipart=True)
        headers = {"Sec-Fetch-Site": "same-origin", "Referer": visitor.base + IMPORT}
        async with visitor.http.post(visitor.base + IMPORT, data=form, headers=headers) as answer:
            assert "Choose a file." in await answer.text()
        many = aiohttp.FormData(
            {"csrf": visitor.csrf, **{f"x{number}": "x" for number in range(50)}}, default_to_multipart=True
        )
        many.add_field("file", b"many@example.net", filename="many.csv")
        async with visitor.http.post(visitor.base + IMPORT, data=many, headers=headers) as answer:
            assert "Choose a file." in await answer.text()
        assert "There is no login nobody." in (await upload(visitor, b"x@example.net", mail="login", name="nobody")).text
        await visitor.get(IMPORT)
        visitor.csrf = "0" * len(visitor.csrf)
        assert (await upload(visitor, b"foreign@example.net\n")).status == 403
    assert await scene.entries("foreign@example.net") == await scene.entries("many@example.net") == ()


async def test_a_long_list_comes_in_beside_the_pages_one_at_a_time_and_can_be_stopped(scene: Scene) -> None:
    content = "".join(f"long{number:06}@example.org\n" for number in range(MANY)).encode()
    async with visiting(scene.relay, "operator") as visitor:
        shown = await upload(visitor, content)
        assert "Stop" in shown.text
        second = await upload(visitor, b"second@example.net\n")
        assert "A list is coming in already." in second.text
        await visitor.post(f"{IMPORT}/stop")
        stopped = await ended(visitor)
        assert "failed It was stopped. Nothing of it counts." in stopped.text
        assert await scene.entries("long000000@example.org") == ()
        await upload(visitor, content)
        assert f"Rows read {MANY:,} Bad lines, left out 0 Added {MANY:,}" in (await ended(visitor)).text
    assert await scene.entries("second@example.net") == ()


async def test_in_a_long_list_the_search_goes_on_by_itself_until_something_is_found(scene: Scene) -> None:
    """The first of what the last test has brought stands at its end."""
    async with visiting(scene.relay, "viewer") as visitor:
        shown = await visitor.get("/suppressions?text=long000000")
        assert addresses(shown) == []
        assert "The search goes on by itself." in shown.text
        found = re.search(r'http-equiv="refresh" content="0; url=([^"]*)"', shown.source)
        assert found
        shown = await visitor.get(found[1].replace("&amp;", "&"))
        assert addresses(shown) == ["long000000@example.org"]
        assert "http-equiv" not in shown.source
        exported = await visitor.get("/suppressions/export?text=long0000")
        assert exported.source.count("\n") == 101


# In a browser.


async def test_what_others_wrote_is_text_and_all_works_by_keyboard_without_scripts(scene: Scene, browser: Browser) -> None:
    await scene.suppress(entry("attacked@example.net", note=ATTACK, source=ATTACK, scope=of_list(ATTACK)))
    async with browsing(browser, scene.relay, "operator", java_script_enabled=False, locale="en") as page:
        for path in ("/suppressions?text=attacked", PAGE + "attacked@example.net"):
            await page.goto(base_of(scene.relay) + path)
            await expect(page.get_by_text(ATTACK).first).to_be_visible()
            assert await page.locator("img[src=x]").count() == 0
        await page.get_by_role("link", name="Release for").focus()
        await page.keyboard.press("Enter")
        await page.get_by_label("Why, for whoever looks later").press_sequentially("a test")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_have_text("attacked@example.net may get such mail again.")
    assert await scene.entries("attacked@example.net") == ()


async def test_a_slash_leads_to_the_box_and_a_list_is_chosen_and_watched(scene: Scene, browser: Browser) -> None:
    options = {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}, "bypass_csp": True, "locale": "ru"}
    async with browsing(browser, scene.relay, "operator", **options) as page:
        await page.goto(base_of(scene.relay) + "/suppressions")
        await page.keyboard.press("/")
        await page.keyboard.type("browsed@example.net")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("browsed@example.net")
        assert await violations(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        await page.goto(base_of(scene.relay) + IMPORT)
        content = b"browsed@example.net\nno address\n"
        await page.set_input_files("[name=file]", {"name": "list.txt", "mimeType": "text/plain", "buffer": content})
        await page.get_by_role("button", name="Загрузить").click()
        await expect(page.get_by_text("Теперь действуют все строки, кроме негодных.")).to_be_visible()
        await page.goto(base_of(scene.relay) + IMPORT)  # whatever was chosen is gone
        assert await violations(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    assert [each.reason for each in await scene.entries("browsed@example.net")] == [Reason.IMPORTED]
