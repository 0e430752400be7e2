"""Mailings by the API, from the first draft to the last figure, over real HTTP."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from relay.sandbox.cloud import Cloud
from tests.e2e.api import Api, Reply, api_of
from tests.harness import APPLICATION, CRM, Relay, running_relay

KEY = "1:" + "A" * 43 + "="
TEXT = "<p>Hello [FirstName], [City]</p><a href='[Unsubscribe]'>leave</a> <a href='[WebVersion]'>look</a>"
PLAIN = "Hello [FirstName]: [Unsubscribe] [WebVersion]"
TASK = {
    "Name": "spring",
    "Sender": {"Address": "news@example.com", "Name": "The Shop"},
    "Subject": "News for [FirstName]",
    "Text": TEXT,
    "Type": 1,
}


class Scene(NamedTuple):
    relay: Relay
    cloud: Cloud
    api: Api

    async def group(self, contacts: Collection[dict[str, Any]], name: str = "readers") -> int:
        """A new group of these."""
        made = (await self.api.post("/ContactGroups", {"Name": name})).result
        reply = await self.api.post("/ContactsImport", {"ContactGroupId": made, "Contacts": list(contacts)})
        assert (reply.status, reply.result["ValidContacts"]) == (201, len(contacts)), reply.text
        return int(made)

    async def task(self, *groups: int, **said: Any) -> Reply:
        choices = [{"Id": group, "Included": True} for group in groups]
        return await self.api.post("/Tasks", {**TASK, "ContactGroups": choices, **said})

    async def to(self, task_id: int, state: str) -> Reply:
        return await self.api.put(f"/Tasks/{task_id}/State", {"State": state})

    async def until(self, task_id: int, *states: str, within: float = 30.0) -> dict[str, Any]:
        ends = time.monotonic() + within
        while (found := (await self.api.get(f"/Tasks/{task_id}")).result)["State"] not in states:
            assert time.monotonic() < ends, found
            await asyncio.sleep(0.1)
        return dict(found)

    def sent_at(self, domain: str) -> list[float]:
        """When the far side got each, in seconds since 1970."""
        return [call.at.timestamp() for call in list(self.cloud.calls) if call.recipients[0].endswith(f"@{domain}")]

    async def some(self, domain: str) -> dict[str, EmailMessage]:
        """What arrived there, once there is any."""
        for _ in range(200):
            if got := self.got(domain):
                return got
            await asyncio.sleep(0.05)
        raise AssertionError(f"nothing arrived at {domain}")

    def got(self, *domains: str) -> dict[str, EmailMessage]:
        """What arrived there, by recipient; each once."""
        calls = [call for call in list(self.cloud.calls) if call.recipients[0].rpartition("@")[2] in domains]
        assert len({call.recipients[0] for call in calls}) == len(calls)
        return {call.recipients[0]: message_from_bytes(call.raw, policy=default) for call in calls}


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    settings = {"RELAY_SECRETS__KEYS": KEY, "RELAY_CALLBACKS__PUBLIC_URL": "https://relay.example.com"}
    folder: Path = tmp_path_factory.mktemp("tasks")
    async with (
        running_relay(folder, CRM, APPLICATION, replace(CRM, name="other"), settings=settings) as (relay, cloud),
        api_of(relay) as api,
    ):
        yield Scene(relay, cloud, api)


def people(domain: str, count: int) -> list[dict[str, Any]]:
    return [
        {"Email": f"{number}@{domain}", "FirstName": f"Name {number}", "MergeFields": {"City": f"City <{number}>"}}
        for number in range(count)
    ]


def html(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


async def test_each_of_a_group_gets_it_once_with_his_own_words(scene: Scene) -> None:
    group = await scene.group(people("once.example", 30))
    reply = await scene.task(group)
    assert (reply.status, reply.document["Description"]) == (201, "new task added")
    task = reply.result["TaskId"]
    left_out = dict.fromkeys(("Dublicates", "Unsubscribed", "Excluded", "OverPackage", "SpamScore"), 0)
    assert reply.result == {"TaskId": task, "TotalContacts": 30, **left_out}
    assert (await scene.to(task, "Created")).document["Description"] == "task state updated to Created"
    await scene.until(task, "Finished")
    got = scene.got("once.example")
    assert len(got) == 30
    mail = got["7@once.example"]
    assert mail["Subject"] == "News for Name 7"
    assert mail["To"].addresses[0].display_name == "Name 7"
    assert "Hello Name 7, City &lt;7&gt;" in html(mail)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    links = {html(each).partition("href='")[2].partition("'")[0] for each in got.values()}
    assert len(links) == 30
    numbers = (await scene.api.get(f"/Statistics?TaskId={task}")).result
    assert numbers["Total"] == 30
    assert numbers["NotSent"] == 0


async def test_who_is_left_out_is_counted_once(scene: Scene) -> None:
    first = await scene.group(people("left.example", 10))
    second = await scene.group([*people("left.example", 4), *people("other.left.example", 2)])
    away = await scene.group(people("left.example", 2))
    suppressed = await scene.relay.cli("suppression", "add", "5@left.example")
    assert suppressed[0] == 0
    contacts = (await scene.api.get(f"/Contacts?ContactGroupId={first}", Range="items=1-100")).result
    sixth = next(each["ContactId"] for each in contacts if each["Email"] == "6@left.example")
    reply = await scene.api.post(
        "/Tasks",
        {
            **TASK,
            "ContactGroups": [{"Id": first}, {"Id": second}, {"Id": away, "Included": False}],
            "Contacts": [{"Id": sixth, "Included": False}],
        },
    )
    numbers = {name: reply.result[name] for name in ("TotalContacts", "Dublicates", "Excluded", "Unsubscribed")}
    assert numbers == {"TotalContacts": 16, "Dublicates": 4, "Excluded": 3, "Unsubscribed": 1}
    await scene.to(reply.result["TaskId"], "Created")
    await scene.until(reply.result["TaskId"], "Finished")
    expected = {f"{number}@left.example" for number in (2, 3, 4, 7, 8, 9)} | {
        f"{number}@other.left.example" for number in (0, 1)
    }
    assert scene.got("left.example", "other.left.example").keys() == expected


async def test_a_task_is_changed_while_it_is_new_and_not_after(scene: Scene) -> None:
    group = await scene.group(people("changed.example", 3))
    task = (await scene.task(group)).result["TaskId"]
    reply = await scene.api.patch(f"/Tasks/{task}", {"Subject": "Changed", "ContactGroups": []})
    assert (reply.status, reply.result["TotalContacts"]) == (200, 0)
    found = (await scene.api.get(f"/Tasks/{task}")).result
    assert (found["Subject"], found["Name"], found["ContactGroups"]) == ("Changed", "spring", [])
    assert (await scene.api.put(f"/Tasks/{task}", {"Name": "only"})).code == "empty_value"
    whole = {**TASK, "Subject": "Whole", "ContactGroups": [{"Id": group}]}
    assert (await scene.api.put(f"/Tasks/{task}", whole)).result["TotalContacts"] == 3
    file = {"FileName": "a.txt", "Data": "aGVsbG8=", "ContentId": "<a>"}
    assert (await scene.api.post(f"/Tasks/{task}/Attachments", file)).document["Description"] == "attachment added"
    files = (await scene.api.get(f"/Tasks/{task}/Attachments")).result
    assert files == [{"TaskId": task, **file, "ContentId": "a"}]
    await scene.to(task, "Created")
    for reply in (
        await scene.api.patch(f"/Tasks/{task}", {"Subject": "late"}),
        await scene.api.post(f"/Tasks/{task}/Attachments", file),
        await scene.api.delete(f"/Tasks/{task}/Attachments"),
    ):
        assert (reply.status, reply.code) == (400, "not_available")
    await scene.until(task, "Finished")
    got = scene.got("changed.example")
    assert {str(mail["Subject"]) for mail in got.values()} == {"Whole"}
    assert [part.get_content() for mail in got.values() for part in mail.iter_attachments()] == ["hello"] * 3


async def template(scene: Scene, **fields: Any) -> int:
    texts = {"Html": f"of the template {TEXT}", "PlainText": f"of the template {PLAIN}"}
    reply = await scene.api.post("/Templates", {"Name": "t", "Sender": TASK["Sender"], "Body": texts, **fields})
    return int(reply.result)


async def test_a_text_of_its_own_comes_without_the_other_text_of_the_template(scene: Scene) -> None:
    found = await template(scene, Subject="x")
    task = (await scene.task(TemplateId=found, Text=f"own {TEXT}")).result["TaskId"]
    made = (await scene.api.get(f"/Tasks/{task}")).result
    assert (made["Text"], made["PlainText"]) == (f"own {TEXT}", "")
    await scene.api.patch(f"/Tasks/{task}", {"TemplateId": found, "PlainText": f"own {PLAIN}"})
    made = (await scene.api.get(f"/Tasks/{task}")).result
    assert (made["Text"], made["PlainText"]) == ("", f"own {PLAIN}")


async def test_a_template_without_a_subject_leaves_that_of_the_task(scene: Scene) -> None:
    task = (await scene.task(Subject="kept")).result["TaskId"]
    reply = await scene.api.patch(f"/Tasks/{task}", {"TemplateId": await template(scene)})
    assert reply.status == 200, reply.text
    made = (await scene.api.get(f"/Tasks/{task}")).result
    assert (made["Subject"], "of the template" in made["Text"]) == ("kept", True)


@pytest.mark.parametrize("verb", ["patch", "put"])
async def test_files_that_are_there_count_when_its_text_is_changed(scene: Scene, verb: str) -> None:
    task = (await scene.task()).result["TaskId"]
    file = {"FileName": "a.pdf", "Data": b64encode(b"%PDF" + bytes(2 << 20)).decode()}
    for _ in range(2):
        assert (await scene.api.post(f"/Tasks/{task}/Attachments", file)).code == "ok"
    whole = {**TASK, "Text": TEXT + "x\n" * (3 << 20)}
    reply = await getattr(scene.api, verb)(f"/Tasks/{task}", whole)
    assert (reply.status, reply.code) == (400, "size_exceeded"), reply.text[:200]
    assert (await scene.api.get(f"/Tasks/{task}")).result["Text"] == TASK["Text"]


async def test_a_state_that_it_has_is_said_to_be_so(scene: Scene) -> None:
    group = await scene.group(people("states.example", 1))
    task = (await scene.task(group, StartDateTime="01/01/2030 00:00:00")).result["TaskId"]
    await scene.to(task, "Created")
    await scene.to(task, "Stopped")
    assert (await scene.to(task, "Started")).document["Description"] == "task state updated to Created"
    await scene.to(task, "Stopped")
    assert [(await scene.to(task, "Deleted")).code for _ in range(2)] == ["ok", "not_changed"]
    assert (await scene.api.get(f"/Tasks/{task}")).code == "not_found"


async def test_changes_at_once_are_all_kept(scene: Scene) -> None:
    group = await scene.group(people("at.once.example", 1))
    contact = (await scene.api.get("/Contacts?Query=0@at.once.example", Range="items=1-1")).result[0]["ContactId"]
    task = (await scene.task()).result["TaskId"]
    said = {"Name": "autumn", "Subject": "Other", "Text": f"{TEXT}<p>more</p>", "UserCampaignId": "c1", "SendDuplicates": True}
    chosen = {"Contacts": [{"Id": contact, "Included": True}], "ContactGroups": [{"Id": group, "Included": True}]}
    changes = [{name: value} for name, value in {**said, **chosen}.items()]
    replies = await asyncio.gather(*(scene.api.patch(f"/Tasks/{task}", change) for change in changes))
    assert {reply.code for reply in replies} == {"ok"}
    found = (await scene.api.get(f"/Tasks/{task}")).result
    assert {name: found[name] for name in (*said, *chosen)} == {**said, **chosen}


async def test_a_release_that_comes_twice_at_once_counts_once_and_the_other_hears_so(scene: Scene) -> None:
    task = (await scene.task(StartDateTime=f"/Date({round(1000 * (time.time() + 600))})/")).result["TaskId"]
    replies = await asyncio.gather(*(scene.to(task, "Created") for _ in range(3)))
    assert sorted((reply.status, reply.code) for reply in replies) == [(200, "not_changed"), (200, "not_changed"), (200, "ok")]
    assert "the task is Created already" in {reply.document["Description"] for reply in replies}


async def test_a_list_is_short_whatever_its_tasks_are_called(scene: Scene) -> None:
    said = {"Name": "n" * 255, "Sender": {"Address": "news@example.com", "Name": "s" * 1_000_000}}
    task = (await scene.task(**said)).result["TaskId"]
    found = (await scene.api.get(f"/Tasks/{task}")).result
    assert (found["Name"], found["Sender"]["Name"]) == ("n" * 255, "s" * 200)
    reply = await scene.api.get("/Tasks", Range="items=1-1")
    assert len(reply.text) < 5000


async def test_of_contacts_and_groups_the_one_that_is_not_given_stays(scene: Scene) -> None:
    first, second = await scene.group(people("stays.example", 3)), await scene.group(people("more.stays.example", 2))
    contact = (await scene.api.get(f"/Contacts?ContactGroupId={first}", Range="items=1-1")).result[0]["ContactId"]
    excluded = [{"Id": contact, "Included": False}]
    reply = await scene.api.post("/Tasks", {**TASK, "ContactGroups": [{"Id": first}], "Contacts": excluded})
    task = reply.result["TaskId"]
    reply = await scene.api.patch(f"/Tasks/{task}", {"ContactGroups": [{"Id": first}, {"Id": second}]})
    assert (reply.result["TotalContacts"], reply.result["Excluded"]) == (5, 1)
    reply = await scene.api.patch(f"/Tasks/{task}", {"Contacts": []})
    assert (reply.result["TotalContacts"], reply.result["Excluded"]) == (5, 0)
    reply = await scene.api.put(f"/Tasks/{task}", {**TASK, "Contacts": excluded})
    assert (reply.result["TotalContacts"], reply.result["Excluded"]) == (0, 0)
    assert (await scene.api.get(f"/Tasks/{task}")).result["ContactGroups"] == []


async def test_it_begins_at_its_time_and_a_stop_stops_it(scene: Scene) -> None:
    group = await scene.group(people("later.example", 5))
    later = time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime(time.time() + 3600))
    task = (await scene.task(group, StartDateTime=later)).result["TaskId"]
    await scene.to(task, "Created")
    await asyncio.sleep(2)
    assert (await scene.api.get(f"/Tasks/{task}")).result["State"] == "Created"
    listed = await scene.api.get("/Tasks", Range="items=1-100")
    assert (listed.status, next(each["State"] for each in listed.result if each["ID"] == task)) == (206, "Waiting")
    assert (await scene.to(task, "Stopped")).code == "ok"
    assert (await scene.to(task, "Stopped")).code == "not_changed"
    assert (await scene.to(task, "Finished")).code == "not_available"
    assert (await scene.to(task, "Canceled")).code == "ok"
    assert (await scene.to(task, "Deleted")).code == "ok"
    assert (await scene.api.get(f"/Tasks/{task}")).code == "not_found"
    assert not scene.got("later.example")


async def test_a_stopped_task_sends_nothing_until_it_goes_on(scene: Scene) -> None:
    group = await scene.group(people("stopped.example", 1000))
    task = (await scene.task(group)).result["TaskId"]
    await scene.to(task, "Created")
    await scene.until(task, "Started")
    await scene.some("stopped.example")
    assert (await scene.to(task, "Stopped")).code == "ok"
    await asyncio.sleep(2)
    before = len(scene.got("stopped.example"))
    await asyncio.sleep(2)
    assert len(scene.got("stopped.example")) == before < 1000
    assert (await scene.to(task, "Started")).code == "ok"
    await scene.until(task, "Finished", within=60)
    assert len(scene.got("stopped.example")) == 1000


@pytest.mark.parametrize("end", ["Canceled", "Deleted"])
async def test_what_is_stopped_and_then_given_up_is_not_sent_meanwhile(scene: Scene, end: str) -> None:
    domain = f"{end.lower()}-later.example"
    group = await scene.group(people(domain, 1000))
    task = (await scene.task(group)).result["TaskId"]
    await scene.to(task, "Created")
    await scene.until(task, "Started")
    await scene.some(domain)
    await scene.to(task, "Stopped")
    await asyncio.sleep(2)
    before = len(scene.got(domain))
    assert (await scene.to(task, end)).code == "ok"
    await asyncio.sleep(4)
    assert len(scene.got(domain)) == before < 1000
    assert ((await scene.relay.cli("queue", "status"))[1]).count("by its owner") == 0


async def test_a_canceled_task_is_cleared_away(scene: Scene) -> None:
    group = await scene.group(people("canceled.example", 300))
    task = (await scene.task(group)).result["TaskId"]
    await scene.to(task, "Created")
    await scene.until(task, "Started")
    assert (await scene.to(task, "Canceled")).code == "ok"
    await asyncio.sleep(4)
    sent = len(scene.got("canceled.example"))
    numbers = (await scene.api.get(f"/Statistics?TaskId={task}")).result
    assert numbers["Rejected"] == numbers["Total"] - sent
    assert numbers["NotSent"] == 0


async def test_it_is_sent_evenly_until_its_end(scene: Scene) -> None:
    now = time.time()
    group = await scene.group(people("even.example", 20))
    times = {name: f"/Date({round(1000 * at)}-0000)/" for name, at in (("StartDateTime", now), ("EndDateTime", now + 10))}
    task = (await scene.task(group, **times)).result["TaskId"]
    await scene.to(task, "Created")
    await scene.until(task, "Finished")
    assert len(scene.got("even.example")) == 20
    assert 5 <= sum(at < now + 5 for at in scene.sent_at("even.example")) <= 14


async def test_what_was_a_draft_for_long_is_sent_evenly_as_well(scene: Scene) -> None:
    ends, group = time.time() + 12, await scene.group(people("draft.example", 40))
    task = (await scene.task(group, EndDateTime=f"/Date({round(1000 * ends)}-0000)/")).result["TaskId"]
    await asyncio.sleep(ends - 6 - time.time())
    await scene.to(task, "Created")
    await scene.until(task, "Finished")
    assert len(scene.got("draft.example")) == 40
    assert sum(at > ends - 3 for at in scene.sent_at("draft.example")) >= 14


async def test_what_would_have_ended_is_not_released(scene: Scene) -> None:
    ends, group = time.time() + 1, await scene.group(people("late.example", 1))
    task = (await scene.task(group, EndDateTime=f"/Date({round(1000 * ends)}-0000)/")).result["TaskId"]
    await asyncio.sleep(ends + 0.1 - time.time())
    reply = await scene.api.put(f"/Tasks/{task}/State", {"State": "Created"})
    assert (reply.status, reply.code, "EndDateTime" in reply.document["Description"]) == (400, "invalid_value", True)


async def test_who_came_into_a_group_after_the_release_changes_the_pace(scene: Scene) -> None:
    now, group = time.time(), await scene.group(people("grown.example", 1))
    times = {name: f"/Date({round(1000 * at)}-0000)/" for name, at in (("StartDateTime", now + 4), ("EndDateTime", now + 9))}
    task = (await scene.task(group, **times)).result["TaskId"]
    await scene.to(task, "Created")
    more = {"ContactGroupId": group, "Contacts": people("more.grown.example", 20)}
    assert (await scene.api.post("/ContactsImport", more)).status == 201
    await scene.until(task, "Finished")
    assert len(scene.got("grown.example", "more.grown.example")) == 21


async def test_a_test_goes_to_whom_it_is_for_and_counts_for_nothing(scene: Scene) -> None:
    group = await scene.group(people("tested.example", 2))
    task = (await scene.task(group)).result["TaskId"]
    who = [{"Address": "me@self.example", "Name": "Maria Muster", "MergeFields": {"City": "Bonn"}}]
    reply = await scene.api.post(f"/Tasks/{task}/Test", {"Recipients": who})
    assert reply.status == 201, reply.text
    got = await scene.some("self.example")
    assert "Hello Maria, Bonn" in html(got["me@self.example"])
    assert (await scene.api.get(f"/Statistics?TaskId={task}")).result["Total"] == 0


async def test_a_test_leaves_out_what_its_reader_has_no_value_for_as_the_mailing_does(scene: Scene) -> None:
    group = await scene.group([{"Email": "a@tried.example", "MergeFields": {"City": "Bonn"}}])
    task = (await scene.task(group, Text=f"{TEXT}<p>[Nobody]</p>")).result["TaskId"]
    await scene.api.post(f"/Tasks/{task}/Test", {"Recipients": [{"Address": "me@tries.example", "Name": "Maria"}]})
    text = html((await scene.some("tries.example"))["me@tries.example"])
    assert "<p>Hello Maria, </p>" in text
    assert "<p>[Nobody]</p>" in text


async def test_what_ses_rejects_counts_once(scene: Scene) -> None:
    group = await scene.group(people("virus.example", 2))
    task = (await scene.task(group, Text=f"{TEXT}\nEICAR-STANDARD-ANTIVIRUS-TEST-FILE")).result["TaskId"]
    await scene.to(task, "Created")
    for _ in range(100):
        numbers = (await scene.api.get(f"/Statistics?TaskId={task}")).result
        if numbers["Rejected"] == 2:
            break
        await asyncio.sleep(0.1)
    others = dict.fromkeys(("NotSent", "Sent", "Delivered", "Read", "Clicked", "Bounced"), 0)
    assert numbers == {**others, "Rejected": 2, "Total": 2}


WRONG: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "no name": ({"Name": ""}, 400, "empty_value", "Name"),
    "a name that is a book": ({"Name": "x" * 256}, 400, "invalid_value", "Name"),
    "no sender": ({"Sender": None}, 400, "empty_value", "Sender"),
    "no macro": ({"Text": "<p>[Unsubscribe]</p>"}, 400, "missing_macros", "WebVersion"),
    "somebody else's sender": ({"Sender": {"Address": "a@other.example"}}, 400, "invalid_value", "a@other.example"),
    "a group that is not there": ({"ContactGroups": [{"Id": 999999}]}, 404, "not_found", "999999"),
    "a birthday": ({"Type": "Birthday"}, 400, "not_available", "Birthday"),
    "no such type": ({"Type": 3}, 400, "invalid_value", "Type"),
    "SMS": ({"SmsResendTask": {"Text": "x"}}, 400, "not_available", "SMS"),
    "no such template": ({"TemplateId": "none"}, 404, "not_found", "template"),
    "an end before its start": (
        {"StartDateTime": "01/01/2027 00:00:00", "EndDateTime": "01/01/2026 00:00:00"},
        400,
        "invalid_value",
        "EndDateTime",
    ),
    "an end that is over": ({"EndDateTime": "01/01/2026 00:00:00"}, 400, "invalid_value", "EndDateTime"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_is_said(scene: Scene, what: str) -> None:
    change, status, code, word = WRONG[what]
    reply = await scene.task(**change)
    assert (reply.status, reply.code) == (status, code), reply.text
    assert word in reply.document["Description"]


async def test_the_same_key_makes_one_task(scene: Scene) -> None:
    replies = [await scene.api.post("/Tasks", TASK, Idempotency_Key="task-1") for _ in range(2)]
    assert [reply.status for reply in replies] == [201, 201]
    assert replies[0].result == replies[1].result
    assert replies[1].headers["Idempotency-Replayed"] == "true"


async def test_another_login_sees_nothing_of_it(scene: Scene) -> None:
    task = (await scene.task()).result["TaskId"]
    async with api_of(scene.relay, "app") as api:
        reply = await api.get(f"/Tasks/{task}")
        assert (reply.status, reply.code) == (403, "invalid_permission")
    async with api_of(scene.relay, "other") as api:
        for reply in (await api.get(f"/Tasks/{task}"), await api.put(f"/Tasks/{task}/State", {"State": 1})):
            assert (reply.status, reply.code) == (403, "access_denied")
