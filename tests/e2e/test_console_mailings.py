"""/mailings: from a template and a group to the last figure, and nothing that the API would not let pass."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from html import unescape
from typing import Any, NamedTuple

import aiohttp
import pytest
from playwright.async_api import expect

from relay.sandbox.cloud import Cloud
from tests.e2e.api import Api, api_of
from tests.e2e.browser import running_browser
from tests.e2e.console import Shown, Visitor, admit, base_of, browsing, visiting
from tests.harness import APPLICATION, CRM, Relay, running_relay

KEY = "1:" + "A" * 43 + "="
ATTACK = '"><img src=x onerror=alert(1)>'
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
HTML = (
    f"<p>Hello [FirstName], {ATTACK} [City]</p><script>alert(2)</script><img src='cid:logo'>"
    "<a href='[Unsubscribe]'>leave</a> <a href='[WebVersion]'>look</a>"
)


class Scene(NamedTuple):
    relay: Relay
    cloud: Cloud
    api: Api
    template: int
    group: int

    async def add_group(self, domain: str, count: int, name: str = "readers") -> int:
        made = int((await self.api.post("/ContactGroups", {"Name": name})).result)
        contacts = [
            {"Email": f"{number}@{domain}", "FirstName": f"Name {number}", "MergeFields": {"City": f"City <{number}>"}}
            for number in range(count)
        ]
        reply = await self.api.post("/ContactsImport", {"ContactGroupId": made, "Contacts": contacts})
        assert reply.status == 201, reply.text
        return made

    async def task(self, id: str) -> dict[str, Any]:
        return dict((await self.api.get(f"/Tasks/{id}")).result)

    async def until(self, id: str, *states: str) -> dict[str, Any]:
        for _ in range(300):
            if (found := await self.task(id))["State"] in states:
                return found
            await asyncio.sleep(0.1)
        raise AssertionError(found)

    def got(self, domain: str) -> Collection[str]:
        return sorted(each.recipients[0] for each in list(self.cloud.calls) if each.recipients[0].endswith(f"@{domain}"))


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    settings = {"RELAY_SECRETS__KEYS": KEY, "RELAY_CALLBACKS__PUBLIC_URL": "https://relay.example.com"}
    logins = (CRM, APPLICATION, replace(CRM, name="other"))
    async with running_relay(tmp_path_factory.mktemp("mailings"), *logins, settings=settings) as (relay, cloud):
        async with api_of(relay) as api:
            await admit(relay)
            template = await api.post(
                "/Templates",
                {
                    "Name": f"spring {ATTACK}",
                    "Sender": {"Address": "news@example.com", "Name": "The Shop"},
                    "Subject": "News for [FirstName]",
                    "Body": {"Html": HTML, "PlainText": "Hello [FirstName] [Unsubscribe] [WebVersion]"},
                },
            )
            made = Scene(relay, cloud, api, int(template.result), 0)
            yield made._replace(group=await made.add_group("read.example", 30, f"readers {ATTACK}"))
        assert relay.faults() == []


def draft(scene: Scene, **said: Any) -> dict[str, Any]:
    """The form as it is filled in."""
    return {"login": "crm", "name": "spring", "template": str(scene.template), "included": [str(scene.group)], **said}


def form(fields: dict[str, Any]) -> aiohttp.FormData:
    made = aiohttp.FormData()
    for name, value in fields.items():
        for each in value if isinstance(value, list) else [value]:
            made.add_field(name, each)
    return made


async def sent(visitor: Visitor, path: str, fields: dict[str, Any], came_from: str = "/mailings/new?login=crm") -> Shown:
    """A form with several of one name."""
    headers = {"Sec-Fetch-Site": "same-origin", "Referer": visitor.base + came_from}
    async with visitor.http.post(visitor.base + path, data=form({"csrf": visitor.csrf, **fields}), headers=headers) as answer:
        return await visitor._shown(answer)


async def made(scene: Scene, visitor: Visitor, **said: Any) -> str:
    """The number of a draft, once its audience is counted."""
    await visitor.get("/account")
    shown = await sent(visitor, "/mailings", draft(scene, **said))
    id = re.fullmatch(r"/mailings/(\d+)\?watch=on", shown.url)
    assert id, shown.text
    for _ in range(100):
        if "being counted" not in (await visitor.get(f"/mailings/{id[1]}")).text:
            return id[1]
        await asyncio.sleep(0.05)
    raise AssertionError


async def test_from_a_template_and_a_group_to_the_last_figure(scene: Scene) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        new = await visitor.get("/mailings/new?login=crm")
        assert f"readers {ATTACK}" in new.text
        assert f"spring {ATTACK}" in new.text
        away = await scene.add_group("read.example", 2, "away")
        id = await made(scene, visitor, excluded=[str(away)], campaign="spring-1")
        shown = await visitor.get(f"/mailings/{id}")
        assert re.search(r"Contacts 30 Twice there 0 Excluded 2 Suppressed 0 Left 28", shown.text)
        assert "The Shop <news@example.com>" in shown.text
        assert scene.got("read.example") == []
        started = await visitor.post(f"/mailings/{id}/start")
        assert started.url == f"/mailings/{id}?watch=on"
        task = await scene.until(id, "Finished")
        assert (task["UserCampaignId"], task["CreatorLogin"]) == ("spring-1", "operator")
        assert len(scene.got("read.example")) == 28
        for _ in range(100):
            shown = await visitor.get(f"/mailings/{id}?watch=on")
            if "Delivered 28 100.00 %" in shown.text:
                break
            await asyncio.sleep(0.1)
        assert "28 of 28" in shown.text
        assert "Sent 28 100.00 % of all Delivered 28 100.00 % of those sent" in shown.text
        assert "http-equiv" not in shown.source  # there is nothing to wait for
        assert re.search(r"spring finished crm at once 28 of 28 28 0 0", (await visitor.get("/mailings?login=crm")).text)


async def test_who_leaves_by_the_link_of_a_mailing_counts_for_it(scene: Scene) -> None:
    group = await scene.add_group("leaves.example", 2)
    async with visiting(scene.relay, "operator") as visitor:
        id = await made(scene, visitor, included=[str(group)])
        await visitor.post(f"/mailings/{id}/start")
        await scene.until(id, "Finished")
        call = next(each for each in scene.cloud.calls if each.recipients[0] == "1@leaves.example")
        link = re.search(r"/u/[\w-]+", str(message_from_bytes(call.raw, policy=default)["List-Unsubscribe"]))
        assert link
        url = f"http://127.0.0.1:{scene.relay.ports['callbacks']}{link[0]}"
        async with visitor.http.post(url, data={"List-Unsubscribe": "One-Click"}) as answer:
            assert answer.status == 200
        assert re.search(r"Unsubscribed 1 [\d.]+ % of those delivered", (await visitor.get(f"/mailings/{id}")).text)


async def test_it_begins_at_its_time_pauses_goes_on_and_is_given_up(scene: Scene) -> None:
    group = await scene.add_group("later.example", 3)
    later = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 86400))
    async with visiting(scene.relay, "operator") as visitor:
        id = await made(scene, visitor, included=[str(group)], start_at=later)
        assert "Schedule" in (await visitor.get(f"/mailings/{id}")).text
        for action, state in (("start", "Created"), ("pause", "Stopped"), ("resume", "Created"), ("cancel", "Canceled")):
            assert (await visitor.post(f"/mailings/{id}/{action}")).url == f"/mailings/{id}?watch=on"
            assert (await scene.task(id))["State"] == state
        again = await visitor.post(f"/mailings/{id}/start", came_from=f"/mailings/{id}")
        assert "It is not in a state to do that." in again.text
        assert "spring is deleted." in (await visitor.post(f"/mailings/{id}/delete")).text
        assert (await visitor.get(f"/mailings/{id}")).status == 404
    assert scene.got("later.example") == []


async def test_a_running_one_is_watched_and_stopped(scene: Scene) -> None:
    group = await scene.add_group("runs.example", 40)
    end = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 3600))
    async with visiting(scene.relay, "operator") as visitor:
        id = await made(scene, visitor, included=[str(group)], end_at=end)
        await visitor.post(f"/mailings/{id}/start")
        await scene.until(id, "Started")
        watched, still = await visitor.get(f"/mailings/{id}?watch=on"), await visitor.get(f"/mailings/{id}")
        assert ("http-equiv" in watched.source, "http-equiv" in still.source) == (True, False)
        assert re.search(r"\d+ of 40 ", watched.text)
        assert "on pause" in (await visitor.post(f"/mailings/{id}/pause")).text
        assert "running" in (await visitor.post(f"/mailings/{id}/resume")).text
        await visitor.post(f"/mailings/{id}/cancel")
        assert (await scene.task(id))["State"] == "Canceled"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": " "}, "The name is missing."),
    ({"sender": "news@elsewhere.example"}, "Sender: this login may not send from news@elsewhere.example"),
    ({"start_at": "2026-01-02T00:00", "end_at": "2026-01-01T00:00"}, "It would end before it begins, or has ended already."),
    ({"start_at": "soon"}, "soon is no time."),
    ({"template": "999"}, "There is no such template."),
    ({"included": ["999999"]}, "There is no such group."),
    ({"login": "other"}, "There is no such template."),
    ({"login": "app"}, "The login app may not send mailings."),
]


@pytest.mark.parametrize(("said", "objection"), REFUSED)
async def test_what_the_api_would_refuse_is_refused(scene: Scene, said: dict[str, Any], objection: str) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        shown = await sent(visitor, "/mailings", draft(scene, **said))
        assert objection in shown.text
        is_form = said.get("login") != "app"  # to whom no form is shown
        assert (shown.status, shown.url) == ((400, "/mailings") if is_form else (200, "/mailings/new?login=crm"))


@pytest.mark.parametrize("is_new", [True, False])
async def test_what_was_typed_stays_where_it_is_refused(scene: Scene, is_new: bool) -> None:
    typed = {"name": f"a {ATTACK}", "sender": "no@elsewhere.example", "sender_name": "The Shop", "subject": "Some news"}
    dates = {"campaign": "c-1", "start_at": "2031-01-02T03:04", "end_at": "2031-01-02T05:06"}
    async with visiting(scene.relay, "operator") as visitor:
        path = "/mailings" if is_new else f"/mailings/{await made(scene, visitor)}/change"
        fields = {**draft(scene, **typed, **dates), "excluded": [str(scene.group)], "sends_duplicates": "on"}
        shown = await sent(visitor, path, fields, came_from=path)
        assert (shown.status, "may not send from no@elsewhere.example" in shown.text) == (400, True)
        for name, value in {**typed, **dates}.items():
            assert f'name="{name}" value="{value}"' in unescape(shown.source)
        assert f'value="{scene.template}" selected' in shown.source
        for name in ("included", "excluded"):
            assert f'name="{name}" value="{scene.group}" checked' in shown.source
        assert 'name="sends_duplicates" value="on" checked' in shown.source
        assert ATTACK not in shown.source
        again = await sent(visitor, path, {**fields, "sender": "news@example.com", "csrf": visitor.csrf}, came_from=path)
        assert re.fullmatch(r"/mailings/\d+\?watch=on", again.url)


async def test_a_draft_is_changed_and_nothing_else_is(scene: Scene) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        id = await made(scene, visitor)
        page = await visitor.get(f"/mailings/{id}/change")
        assert 'value="News for [FirstName]"' in page.source
        assert re.search(rf'value="{scene.group}" checked', page.source)
        changed = {"name": "summer", "template": "", "sender": "news@example.com", "subject": "Other news", "included": []}
        assert "It is changed." in (await sent(visitor, f"/mailings/{id}/change", changed)).text
        task = await scene.task(id)
        assert (task["Name"], task["Subject"], task["Text"], task["ContactGroups"]) == ("summer", "Other news", HTML, [])
        await visitor.post(f"/mailings/{id}/start")
        shown = await sent(visitor, f"/mailings/{id}/change", changed, came_from=f"/mailings/{id}")
        assert "Only a draft can be changed." in shown.text


async def test_what_somebody_else_has_changed_meanwhile_is_not_undone_unseen(scene: Scene) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        id = await made(scene, visitor)
        path = f"/mailings/{id}/change"
        [seen] = re.findall('name="seen" value="([0-9a-f]+)"', (await visitor.get(path)).source)
        assert "It is changed." in (await sent(visitor, path, draft(scene, name="a", subject="Mended", seen=seen))).text
        refused = await sent(visitor, path, draft(scene, name="b", included=[], seen=seen))
        assert (refused.status, "a was changed since you opened this form." in refused.text) == (400, True)
        assert 'name="name" value="b"' in refused.source
        task = await scene.task(id)
        assert (task["Name"], task["Subject"], len(task["ContactGroups"])) == ("a", "Mended", 1)


async def test_a_recipient_is_shown_what_he_would_get(scene: Scene) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        id = await made(scene, visitor)
        file = {"FileName": "logo.png", "Data": PICTURE, "ContentId": "logo"}
        assert (await scene.api.post(f"/Tasks/{id}/Attachments", file)).status == 200
        assert "Files logo.png" in (await visitor.get(f"/mailings/{id}")).text
        first = await visitor.get(f"/mailings/{id}/preview")
        assert 'To "Name 0" <0@read.example> Subject News for Name 0' in first.text
        assert "Hello Name 0 # #" in first.text  # plain text
        follow = re.search(r'href="(\?at=0%40read\.example&amp;behind=\d+)"', first.source)
        assert follow
        assert "10@read.example" in (await visitor.get(f"/mailings/{id}/preview" + follow[1].replace("&amp;", "&"))).text
        seventh = await visitor.get(f"/mailings/{id}/preview?at=7@read.example")
        assert "News for Name 7" in seventh.text
        frame = re.search(rf'<iframe sandbox="" [^>]*src="(/mailings/{id}/preview/\d+)"', seventh.source)
        assert frame
        shown = await visitor.get(frame[1])
        assert "Hello Name 7" in shown.source
        assert "City &lt;7&gt;" in shown.source
        assert f"data:image/png;base64,{PICTURE}" in shown.source
        assert "relay.example.com" not in shown.source
        assert shown.headers["Content-Security-Policy"].startswith(
            "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        )
        assert "nobody in particular" in (await visitor.get(f"/mailings/{id}/preview?at=zzz")).text
        assert (await visitor.get(f"/mailings/{id}/preview/999999")).status == 404


async def test_a_test_goes_to_one_with_the_words_of_a_recipient(scene: Scene) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        id = await made(scene, visitor)
        contact = re.search(
            r'name="contact" value="(\d+)"', (await visitor.get(f"/mailings/{id}/preview?at=7@read.example")).source
        )
        assert contact
        shown = await visitor.post(f"/mailings/{id}/test", {"address": "me@tests.example", "contact": contact[1]})
        assert "A test is on its way to me@tests.example." in shown.text
        for _ in range(100):
            if scene.got("tests.example"):
                break
            await asyncio.sleep(0.05)
        [call] = [each for each in scene.cloud.calls if each.recipients == ("me@tests.example",)]
        mail = message_from_bytes(call.raw, policy=default)
        assert mail["Subject"] == "News for Name 7"
        assert (await scene.task(id))["State"] == "New"
        wrong = await visitor.post(f"/mailings/{id}/test", {"address": "nobody"}, came_from=f"/mailings/{id}/preview")
        assert "nobody is no address that SES would take" in wrong.text


async def test_viewers_look_and_do_nothing_and_the_audit_log_knows_the_rest(scene: Scene) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        id = await made(scene, visitor)
        await visitor.post(f"/mailings/{id}/count")
        await visitor.post(f"/mailings/{id}/start")
        await visitor.post(f"/mailings/{id}/cancel")
    async with visiting(scene.relay, "viewer") as visitor:
        assert [(await visitor.get(path)).status for path in ("/mailings", f"/mailings/{id}", f"/mailings/{id}/preview")] == [
            200
        ] * 3
        actions = ("start", "pause", "resume", "cancel", "delete", "count", "change", "test")
        assert {(await visitor.post(f"/mailings/{id}/{each}")).status for each in actions} == {403}
        assert (await visitor.get("/mailings/new?login=crm")).status == 403
    async with visiting(scene.relay) as visitor:
        audit = (await visitor.get("/audit?operator=operator")).text
        assert re.search(rf"mailing released {id} \S+ done", audit), audit
        assert all(f"{action} {id}" in audit for action in ("mailing added", "audience counted", "mailing cancelled"))


async def test_older_ones_are_on_a_page_of_their_own(scene: Scene) -> None:
    said = {"Name": "many", "Sender": {"Address": "news@example.com"}, "Subject": "s", "Text": HTML, "Type": 1}
    async with api_of(scene.relay, "other") as api, visiting(scene.relay, "viewer") as visitor:
        ids = [int((await api.post("/Tasks", {**said, "Name": f"many {number}"})).result["TaskId"]) for number in range(52)]
        shown = await visitor.get("/mailings?login=other")
        assert [int(each) for each in re.findall(r"/mailings/(\d+)\"", shown.source)] == ids[:1:-1]
        older = re.search(r'href="(\?before=\d+&amp;login=other)"', shown.source)
        assert older
        rest = await visitor.get("/mailings" + older[1].replace("&amp;", "&"))
        assert [int(each) for each in re.findall(r"/mailings/(\d+)\"", rest.source)] == ids[1::-1]


async def test_nothing_of_a_mailing_runs_in_the_console(scene: Scene) -> None:
    async with visiting(scene.relay, "operator") as visitor:
        id = await made(scene, visitor, name=f"x {ATTACK}", subject=f"y {ATTACK}")
    async with running_browser() as browser, browsing(browser, scene.relay, "operator", locale="ru-RU") as page:
        asked: list[str] = []
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        for path in ("/mailings", f"/mailings/{id}", f"/mailings/{id}/change", f"/mailings/{id}/preview?at=7@read.example"):
            await page.goto(base_of(scene.relay) + path)
            await expect(page.locator("img:not([alt=''])")).to_have_count(0)
        await expect(page.frame_locator("iframe").get_by_text("Hello Name 7")).to_be_visible()
        await page.goto(f"{base_of(scene.relay)}/mailings/{id}/preview/0")
        await expect(page.get_by_text("Hello [FirstName]")).to_be_visible()  # by itself it is no more than in its frame
        assert await page.evaluate("origin") == "null"
        assert asked == []
