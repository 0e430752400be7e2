"""The address book, over real HTTP: groups, contacts, imports of them, and who has unsubscribed."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import aiohttp
import pytest

from relay.credential import Scope
from relay.sandbox.cloud import Cloud
from tests.e2e.api import Api, Reply, api_of
from tests.harness import CRM, Relay, running_relay

KEY = "1:" + "A" * 43 + "="
OTHER = replace(CRM, name="other")
ALL = {"Range": "items=1-100"}
ANN = {
    "PhoneNumber": "+79161234567",
    "Email": "Ann@example.net",
    "FirstName": "Анна",
    "MiddleName": "B.",
    "LastName": "Reader",
    "Gender": 2,
    "DateOfBirth": "04/12/1961 00:00:00",
    "ExtraField1": "one",
    "ExtraField2": "two",
    "MergeFields": {"City": "Omsk", "Код клиента": "42"},
}


class Scene(NamedTuple):
    relay: Relay
    cloud: Cloud
    api: Api
    other: Api

    async def group(self, name: str = "readers") -> int:
        return int((await self.api.post("/ContactGroups", {"Name": name})).result)

    async def imported(self, group: int, *contacts: Any, **more: Any) -> Reply:
        return await self.api.post("/ContactsImport", {"ContactGroupId": group, "Contacts": list(contacts), **more})

    async def listed(self, group: int) -> list[str]:
        reply = await self.api.get(f"/Contacts?ContactGroupId={group}", **ALL)
        assert reply.status == 206, reply.text
        return [each["Email"] for each in reply.result]


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    settings = {"RELAY_SECRETS__KEYS": KEY, "RELAY_CALLBACKS__PUBLIC_URL": "https://relay.example.com"}
    folder: Path = tmp_path_factory.mktemp("contacts")
    narrow = replace(CRM, name="narrow", scopes=frozenset({Scope.SMTP, Scope.MESSAGES}))
    async with (
        running_relay(folder, CRM, OTHER, narrow, settings=settings) as (relay, cloud),
        api_of(relay) as api,
        api_of(relay, "other") as other,
    ):
        yield Scene(relay, cloud, api, other)


async def test_a_group_from_its_beginning_to_its_end(scene: Scene) -> None:
    began = time.time()
    reply = await scene.api.post("/ContactGroups", {"Name": " readers ", "Description": "of news"})
    assert (reply.status, reply.code, type(reply.result)) == (201, "ok", int)
    path = f"/ContactGroups/{reply.result}"
    shown = await scene.api.get(path)
    created = shown.result["CreatedDate"]
    match = re.fullmatch(r"/Date\((\d+)-0000\)/", created)
    assert match
    assert began - 1 < int(match[1]) / 1000 < time.time() + 1
    wanted = {"ContactGroupId": reply.result, "Name": "readers", "Description": "of news", "CreatedDate": created}
    assert shown.result == {**wanted, "ContactsCount": 0}
    renamed = await scene.api.put(path, {"Name": "writers"})
    assert (renamed.status, renamed.document) == (200, {"Code": "ok", "Description": "contact group changed"})
    listed = (await scene.api.get("/ContactGroups")).result
    assert {**wanted, "Name": "writers", "Description": "", "ContactsCount": 0} in listed
    assert (await scene.api.delete(path)).code == "ok"
    for gone in (await scene.api.get(path), await scene.api.delete(path), await scene.api.put(path, {"Name": "x"})):
        assert (gone.status, gone.code) == (404, "not_found")


async def test_the_address_book_has_a_prefix_of_its_own(scene: Scene) -> None:
    reply = await scene.api.post("//addressbook/v2/ContactGroups", {"Name": "by its own prefix"})
    assert reply.status == 201
    assert (await scene.api.get(f"//addressbook/v2/contactgroups/{reply.result}")).result["Name"] == "by its own prefix"


async def test_a_contact_from_its_beginning_to_its_end(scene: Scene) -> None:
    group = await scene.group()
    reply = await scene.api.post("/Contacts", {**ANN, "ContactGroupId": group, "ContactId": 77})
    assert (reply.status, reply.document["Description"]) == (201, "new contact added")
    path = f"/Contacts/{reply.result}"
    stored = {**ANN, "ContactId": reply.result, "ContactGroupId": group, "PhoneNumber": "79161234567"}
    stored["DateOfBirth"] = "/Date(-275270400000-0000)/"
    assert (await scene.api.get(path)).result == stored
    changed = await scene.api.patch(path, {"LastName": "Writer", "Gender": None, "PhoneNumber": "", "DateOfBirth": ""})
    assert (changed.status, changed.document) == (200, {"Code": "ok", "Description": "contact changed"})
    wanted = {**stored, "LastName": "Writer", "PhoneNumber": "", "DateOfBirth": None}
    assert (await scene.api.get(path)).result == wanted
    assert (await scene.api.patch(path, {"MergeFields": {"Size": "L"}, "contactgroupid": group})).code == "ok"
    assert (await scene.api.get(path)).result == {**wanted, "MergeFields": {"Size": "L"}}
    assert (await scene.api.delete(path)).code == "ok"
    for gone in (await scene.api.get(path), await scene.api.delete(path), await scene.api.patch(path, {"FirstName": "x"})):
        assert (gone.status, gone.code) == (404, "not_found")


async def test_the_same_in_xml(scene: Scene) -> None:
    group = await scene.group()
    body = (
        f"<Contact><ContactGroupId>{group}</ContactGroupId><Email>xml@example.net</Email><Gender>Male</Gender>"
        "<FirstName>A &lt;B&gt;</FirstName><DateOfBirth>1999-12-31</DateOfBirth>"
        "<MergeFields><City>Omsk</City></MergeFields></Contact>"
    )
    headers = {"Content-Type": "application/xml", "Accept": "application/xml"}
    reply = await scene.api.call("POST", "/Contacts", data=body.encode(), headers=headers)
    assert (reply.status, reply.xml.findtext("Code")) == (201, "ok"), reply.text
    number = reply.xml.findtext("Result")
    shown = (await scene.api.get(f"/Contacts/{number}", Accept="application/xml")).xml.find("Result")
    assert shown is not None
    fields = ("ContactId", "Email", "FirstName", "Gender", "DateOfBirth", "MergeFields/City", "PhoneNumber")
    assert [shown.findtext(field) for field in fields] == [
        number, "xml@example.net", "A <B>", "1", "/Date(946598400000-0000)/", "Omsk", "",
    ]  # fmt: skip
    contacts = "".join(f"<ContactDto><Email>{escape(email)}</Email></ContactDto>" for email in ("a@example.net", "<b>"))
    pairs = "<ContactDto><MergeFields><Pair><Key>Код клиента</Key><Value>7</Value></Pair></MergeFields></ContactDto>"
    nested = "<ContactDto><MergeFields><Pair><Key>x</Key><Value><y>7</y></Value></Pair></MergeFields></ContactDto>"
    imported = await scene.api.call(
        "POST",
        "/ContactsImport",
        data=f"<I><ContactGroupId>{group}</ContactGroupId><Contacts>{contacts}{pairs}{nested}</Contacts></I>".encode(),
        headers=headers,
    )
    assert imported.xml.findtext("Result/ValidContacts") == "1", imported.text
    rejected = imported.xml.findall("Result/RejectedContacts/Item")
    assert [each.findtext("ErrorCode") for each in rejected] == ["4", "2", "5"]
    assert rejected[0].findtext("Contact/Email") == "<b>"
    assert rejected[1].findtext("Contact/MergeFields/Pair/Key") == "Код клиента"
    assert rejected[2].findtext("Contact/MergeFields/x/y") == "7"
    assert [each.text for each in imported.xml.findall("Result/InvalidEmails/Item")] == ["<b>"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("1961-04-12", -275270400000),
        ("1961-04-12T00:00:00+03:00", -275270400000),
        ("04/12/1961", -275270400000),
        ("/Date(-275270400000-0000)/", -275270400000),
        ("/Date(-275281200000+0300)/", -275270400000),
        (-275270400, -275270400000),
        ("2000-02-29", 951782400000),
        ("/Date(-62135596800000-0000)/", None),
        ("0001-01-01T00:00:00", None),
        (None, None),
    ],
)
async def test_birthdays_are_days_however_they_are_written(scene: Scene, given: Any, shown: int | None) -> None:
    group = await scene.group()
    reply = await scene.api.post("/Contacts", {"Email": "a@example.net", "ContactGroupId": group, "DateOfBirth": given})
    found = (await scene.api.get(f"/Contacts/{reply.result}")).result["DateOfBirth"]
    assert found == (None if shown is None else f"/Date({shown}-0000)/")


@pytest.mark.parametrize(
    ("given", "shown"), [(1, 1), ("2", 2), ("Female", 2), ("male", 1), (3, 3), (0, 3), ("other", 3), (None, 3), (17, 3)]
)
async def test_a_gender_is_one_of_three(scene: Scene, given: Any, shown: int) -> None:
    group = await scene.group()
    reply = await scene.api.post("/Contacts", {"Email": "a@example.net", "ContactGroupId": group, "Gender": given})
    assert (await scene.api.get(f"/Contacts/{reply.result}")).result["Gender"] == shown


WRONG: dict[str, tuple[dict[str, Any], str, int, str]] = {
    "neither": ({"Email": ""}, "empty_value", 2, "PhoneNumber or Email"),
    "short phone": ({"PhoneNumber": "1234567"}, "invalid_value", 3, "PhoneNumber"),
    "long phone": ({"PhoneNumber": "1234567890123456"}, "invalid_value", 3, "PhoneNumber"),
    "letters in a phone": ({"PhoneNumber": "8-916-123-45-67"}, "invalid_value", 3, "PhoneNumber"),
    "other digits": ({"PhoneNumber": "٧٩١٦١٢٣٤٥٦٧"}, "invalid_value", 3, "PhoneNumber"),
    "no address": ({"Email": "ann at example.net"}, "invalid_email", 4, "Email"),
    "address beyond ASCII": ({"Email": "анна@example.net"}, "invalid_email", 4, "Email"),
    "first name": ({"FirstName": "x" * 101}, "invalid_value", 5, "FirstName"),
    "middle name": ({"MiddleName": "x" * 101}, "invalid_value", 5, "MiddleName"),
    "last name": ({"LastName": "x" * 101}, "invalid_value", 5, "LastName"),
    "extra field": ({"ExtraField1": "x" * 701}, "invalid_value", 5, "ExtraField1"),
    "other extra field": ({"ExtraField2": "x" * 701}, "invalid_value", 5, "ExtraField2"),
    "date": ({"DateOfBirth": "31.12.1999"}, "invalid_value", 5, "DateOfBirth"),
    "no day": ({"DateOfBirth": "1999-02-29"}, "invalid_value", 5, "DateOfBirth"),
    "no year": ({"DateOfBirth": "/Date(-99999999999999-0000)/"}, "invalid_value", 5, "DateOfBirth"),
    "object for a name": ({"FirstName": {"x": 1}}, "invalid_value", 5, "FirstName"),
    "name of a field": ({"MergeFields": {"1st": "x"}}, "invalid_value", 5, "MergeFields.1st"),
    "brackets in it": ({"MergeFields": {"a]b": "x"}}, "invalid_value", 5, "MergeFields.a]b"),
    "long name of a field": ({"MergeFields": {"x" * 65: "x"}}, "invalid_value", 5, "MergeFields.xxx"),
    "macro for a field": ({"MergeFields": {"Unsubscribe": "x"}}, "invalid_value", 5, "MergeFields.Unsubscribe"),
    "value of a field": ({"MergeFields": {"City": "x" * 701}}, "invalid_value", 5, "MergeFields.City"),
    "many fields": ({"MergeFields": {f"F{n}": "x" for n in range(101)}}, "invalid_value", 5, "MergeFields"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_with_a_contact_is_said_by_its_code(scene: Scene, name: str) -> None:
    changes, code, number, field = WRONG[name]
    group = await scene.group()
    contact = {"Email": "good@example.net", **changes}
    posted = await scene.api.post("/Contacts", {**contact, "ContactGroupId": group})
    assert (posted.status, posted.code) == (400, code), posted.text
    assert posted.document["Description"].startswith(field)
    imported = await scene.imported(group, contact, {"Email": "fine@example.net"})
    assert (imported.status, imported.result["ValidContacts"]) == (201, 1)
    [rejected] = imported.result["RejectedContacts"]
    assert (rejected["Contact"], rejected["ErrorCode"], rejected["DuplicatesCount"]) == (contact, number, 0)
    assert rejected["ErrorDescription"] == posted.document["Description"]
    assert imported.result["InvalidPhoneNumbers"] == ([changes["PhoneNumber"]] if number == 3 else [])
    assert imported.result["InvalidEmails"] == ([changes["Email"]] if number == 4 else [])
    good = await scene.api.post("/Contacts", {"Email": "good@example.net", "ContactGroupId": group})
    patched = await scene.api.patch(f"/Contacts/{good.result}", changes)
    assert (patched.status, patched.code) == (400, code), patched.text
    assert await scene.listed(group) == ["fine@example.net", "good@example.net"]


async def test_the_longest_values_fit(scene: Scene) -> None:
    group = await scene.group()
    names = dict.fromkeys(("FirstName", "MiddleName", "LastName"), "я" * 100)
    extra = dict.fromkeys(("ExtraField1", "ExtraField2"), "я" * 700)
    fields = {f"F{number:063}": "я" * 700 for number in range(100)}
    for phone in ("12345678", "+123456789012345"):
        contact = {**names, **extra, "PhoneNumber": phone, "MergeFields": fields, "ContactGroupId": group}
        reply = await scene.api.post("/Contacts", contact)
        assert reply.status == 201, reply.text
        stored = (await scene.api.get(f"/Contacts/{reply.result}")).result
        assert {**stored, **contact, "PhoneNumber": phone.lstrip("+")} == stored


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/ContactGroups", {}, 400, "empty_value"),
        ("POST", "/ContactGroups", {"Name": "  "}, 400, "empty_value"),
        ("POST", "/ContactGroups", {"Name": "x" * 256}, 400, "invalid_value"),
        ("POST", "/ContactGroups", {"Name": "x", "Description": "x" * 2001}, 400, "invalid_value"),
        ("GET", "/ContactGroups/99999999", None, 404, "not_found"),
        ("GET", "/ContactGroups/x", None, 404, "not_found"),
        ("GET", "/ContactGroups/99999999999999999999", None, 404, "not_found"),
        ("GET", "/Contacts/99999999", None, 404, "not_found"),
        ("GET", "/Contacts/-1", None, 404, "not_found"),
        ("POST", "/Contacts", {"Email": "a@example.net"}, 400, "empty_value"),
        ("POST", "/Contacts", {"Email": "a@example.net", "ContactGroupId": 99999999}, 404, "not_found"),
        ("POST", "/Contacts", {"Email": "a@example.net", "ContactGroupId": 10**30}, 400, "invalid_value"),
        ("POST", "/ContactsImport", {"ContactGroupId": 99999999, "Contacts": [{"Email": "a@example.net"}]}, 404, "not_found"),
        ("POST", "/ContactsImport", {"ContactGroupId": 1, "Contacts": []}, 400, "empty_value"),
        ("POST", "/ContactsImport", {"ContactGroupId": 1}, 400, "empty_value"),
        ("POST", "/ContactsImport", {"Contacts": [{}]}, 400, "empty_value"),
        ("POST", "/ContactsImport", {"ContactGroupId": 1, "Contacts": [{}] * 10_001}, 400, "invalid_value"),
        ("POST", "/ContactsImport", {"ContactGroupId": 1, "Contacts": [{}], "ImportId": "x"}, 400, "invalid_value"),
        ("GET", f"/ContactsImport/{uuid.UUID(int=7)}/Progress", None, 404, "not_found"),
        ("GET", "/ContactsImport/x/Progress", None, 404, "not_found"),
        ("DELETE", "/ContactsImport/x/Duplicates", {"ContactGroupId": 1}, 404, "not_found"),
        ("DELETE", f"/ContactsImport/{uuid.UUID(int=7)}/Duplicates", {}, 400, "empty_value"),
        ("DELETE", f"/ContactsImport/{uuid.UUID(int=7)}/Duplicates", {"ContactGroupId": 1, "Field": 3}, 400, "invalid_value"),
        ("DELETE", f"/ContactsImport/{uuid.UUID(int=7)}/Duplicates", {"ContactGroupId": 1, "Scope": 4}, 400, "invalid_value"),
        ("PUT", "/Contacts/1", {}, 405, "not_available"),
    ],
)
async def test_wrong_requests_get_their_codes(scene: Scene, method: str, path: str, body: Any, status: int, code: str) -> None:
    reply = await scene.api.call(method, path, body)
    assert (reply.status, reply.code) == (status, code), reply.text


async def test_a_login_without_the_right_is_told_so(scene: Scene) -> None:
    async with api_of(scene.relay, "narrow") as narrow:
        for path in ("/ContactGroups", "/Contacts?Query=1", "/Unsubscribed"):
            reply = await narrow.get(path, **ALL)
            assert (reply.status, reply.code) == (403, "invalid_permission")


async def test_nothing_of_another_login_can_be_seen_or_changed(scene: Scene) -> None:
    group, import_id = await scene.group("mine"), str(uuid.uuid4())
    contact = (await scene.api.post("/Contacts", {**ANN, "ContactGroupId": group})).result
    await scene.imported(group, {"Email": "a@example.net"}, ImportId=import_id)
    theirs = (await scene.other.post("/ContactGroups", {"Name": "theirs"})).result
    assert "mine" not in (await scene.other.get("/ContactGroups")).text
    one, duplicates = {"Email": "a@example.net"}, f"/ContactsImport/{import_id}/Duplicates"
    for method, path, body in (
        ("GET", f"/ContactGroups/{group}", None),
        ("PUT", f"/ContactGroups/{group}", {"Name": "stolen"}),
        ("DELETE", f"/ContactGroups/{group}", None),
        ("GET", f"/Contacts/{contact}", None),
        ("PATCH", f"/Contacts/{contact}", {"FirstName": "stolen"}),
        ("DELETE", f"/Contacts/{contact}", None),
        ("POST", "/Contacts", {**one, "ContactGroupId": group}),
        ("POST", "/ContactsImport", {"ContactGroupId": group, "Contacts": [one]}),
        ("GET", f"/ContactsImport/{import_id}/Progress", None),
        ("DELETE", duplicates, {"ContactGroupId": group, "Field": "Email", "Scope": "Import"}),
        ("DELETE", duplicates, {"ContactGroupId": theirs, "Field": "Email", "Scope": "Import"}),
        ("DELETE", duplicates, {"ContactGroupId": theirs, "Field": "Email", "Scope": "Groups", "Groups": [group]}),
    ):
        reply = await scene.other.call(method, path, body)
        assert (reply.status, reply.code) == (404, "not_found"), (method, path, reply.text)
    assert (await scene.other.get(f"/Contacts?ContactGroupId={group}", **ALL)).status == 404
    assert (await scene.other.get("/Contacts?Query=a@example.net", **ALL)).result == []
    taken = await scene.other.post("/ContactsImport", {"ContactGroupId": theirs, "Contacts": [one], "ImportId": import_id})
    assert (taken.status, taken.code) == (400, "invalid_value")
    assert (await scene.api.get(f"/ContactGroups/{group}")).result["ContactsCount"] == 2
    assert (await scene.api.get(f"/Contacts/{contact}")).result["FirstName"] == "Анна"


async def test_contacts_are_found_by_address_and_by_phone(scene: Scene) -> None:
    group = await scene.group()
    contact = {"Email": "Found@example.net", "PhoneNumber": "+70001112233", "ContactGroupId": group}
    number = (await scene.api.post("/Contacts", contact)).result
    for query in ("found@EXAMPLE.net", "70001112233", "%2B70001112233", "+70001112233"):
        reply = await scene.api.get(f"/Contacts?Query={query}", **ALL)
        assert (reply.status, [each["ContactId"] for each in reply.result]) == (206, [number]), query
        assert reply.headers["Content-Range"] == "items 1-1/1"
    nobody = await scene.api.get("/Contacts?Query=nobody@example.net", **ALL)
    assert (nobody.status, nobody.result, nobody.headers["Content-Range"]) == (206, [], "items */0")
    for query, code in (("", "empty_value"), (f"?Query=1&ContactGroupId={group}", "invalid_value")):
        reply = await scene.api.get(f"/Contacts{query}", **ALL)
        assert (reply.status, reply.code) == (400, code)


async def test_a_list_is_read_in_ranges(scene: Scene) -> None:
    group = await scene.group()
    await scene.imported(group, *({"Email": f"r{number}@example.net"} for number in range(5)))
    path = f"/Contacts?ContactGroupId={group}"
    some = await scene.api.get(path, Range="items=2-3")
    assert (some.status, [each["Email"] for each in some.result]) == (206, ["r1@example.net", "r2@example.net"])
    assert some.headers["Content-Range"] == "items 2-3/5"
    last = await scene.api.get(path, Range="items=5-100")
    assert (len(last.result), last.headers["Content-Range"]) == (1, "items 5-5/5")
    for each in (path, "/Contacts?Query=r1@example.net", "/Unsubscribed"):
        missing = await scene.api.get(each)
        assert (missing.status, missing.code) == (416, "invalid_value")
        for wrong in ("items=0-1", "items=3-2", "items=1-1001", "bytes=1-2"):
            assert (await scene.api.get(each, Range=wrong)).status == 416
    assert (await scene.api.get(f"/Contacts?ContactGroupId={group}", Range="items=6-7")).status == 416


async def test_an_import_of_several_calls(scene: Scene) -> None:
    group = await scene.group()
    first = await scene.imported(group, {"Email": "a@example.net"}, {"Email": "?"}, ConvertDirectPhones=True, FillGender=True)
    import_id = first.result["ImportId"]
    assert str(uuid.UUID(import_id)) == import_id
    again = await scene.imported(group, {"Email": "b@example.net"}, ImportId="{" + import_id.upper() + "}")
    assert again.result == {
        "ImportId": import_id, "ValidContacts": 1, "RejectedContacts": [], "InvalidPhoneNumbers": [], "InvalidEmails": [],
    }  # fmt: skip
    progress = await scene.api.get(f"/ContactsImport/{import_id.upper()}/Progress")
    assert progress.result == {"Uploaded": 3, "Processed": 3}
    assert await scene.listed(group) == ["a@example.net", "b@example.net"]
    elsewhere = await scene.imported(await scene.group(), {"Email": "b@example.net"}, ImportId=import_id)
    assert (elsewhere.status, elsewhere.code) == (400, "invalid_value")
    none = await scene.imported(group, {"Email": "c@example.net"}, ImportId=str(uuid.UUID(int=0)))
    assert uuid.UUID(none.result["ImportId"]).int


async def test_what_is_no_contact_at_all_is_rejected_alone(scene: Scene) -> None:
    group = await scene.group()
    reply = await scene.imported(group, 5, "a@example.net", None, [], {"Email": "a@example.net"}, {"PhoneNumber": 79160000001})
    assert reply.result["ValidContacts"] == 2, reply.text
    assert [each["Contact"] for each in reply.result["RejectedContacts"]] == [5, "a@example.net", None, []]
    assert [each["ErrorCode"] for each in reply.result["RejectedContacts"]] == [5, 5, 2, 5]


async def test_duplicates_of_an_import_are_deleted(scene: Scene) -> None:
    group, second = await scene.group(), await scene.group()
    await scene.imported(group, {"Email": "old@example.net"})
    await scene.imported(second, {"Email": "there@example.net"})
    emails = ("old@example.net", "there@example.net", "new@example.net", "NEW@example.net", "New@example.net")
    import_id = (await scene.imported(group, *({"Email": email} for email in emails))).result["ImportId"]
    path = f"/ContactsImport/{import_id}/Duplicates"
    none = await scene.api.delete(path, {"ContactGroupId": group, "ImportId": import_id})
    assert (none.code, none.result) == ("ok", {"InCurrentGroup": 0, "InOtherGroups": 0, "InCurrentImport": []})
    other = await scene.api.delete(path, {"ContactGroupId": group, "ImportId": str(uuid.uuid4()), "Field": 2, "Scope": 3})
    assert (other.status, other.code) == (400, "invalid_value")
    wanted = {"ContactGroupId": group, "ImportId": import_id, "Field": "Email", "Groups": [second]}
    found = await scene.api.delete(path, {**wanted, "Scope": "Import, Groups"})
    assert (found.result["InCurrentGroup"], found.result["InOtherGroups"]) == (1, 1)
    [twice] = found.result["InCurrentImport"]
    assert (twice["ErrorCode"], twice["DuplicatesCount"], twice["Contact"]["Email"].lower()) == (1, 2, "new@example.net")
    assert await scene.listed(group) == ["new@example.net", "old@example.net"]
    again = await scene.api.delete(path, {**wanted, "Scope": 3})
    assert again.result == none.result


async def test_duplicates_by_phone(scene: Scene) -> None:
    group = await scene.group()
    phones = ("+79160000002", "79160000002", "79160000003")
    import_id = (await scene.imported(group, *({"PhoneNumber": phone} for phone in phones))).result["ImportId"]
    wanted = {"ContactGroupId": group, "Field": 1, "Scope": 1}
    found = await scene.api.delete(f"/ContactsImport/{import_id}/Duplicates", wanted)
    assert [each["Contact"]["PhoneNumber"] for each in found.result["InCurrentImport"]] == ["79160000002"]
    assert (await scene.api.get(f"/ContactGroups/{group}")).result["ContactsCount"] == 2


async def test_a_contact_stays_in_its_group(scene: Scene) -> None:
    group, second = await scene.group(), await scene.group()
    number = (await scene.api.post("/Contacts", {"Email": "a@example.net", "ContactGroupId": group})).result
    reply = await scene.api.patch(f"/Contacts/{number}", {"ContactGroupId": second})
    assert (reply.status, reply.code) == (400, "not_available")


async def test_changes_at_once_are_all_kept(scene: Scene) -> None:
    group = await scene.group()
    number = (await scene.api.post("/Contacts", {"Email": "a@example.net", "ContactGroupId": group})).result
    names = ("FirstName", "MiddleName", "LastName", "ExtraField1", "ExtraField2", "PhoneNumber", "Gender")
    said = {name: "2" if name == "Gender" else "79160000004" for name in names}
    replies = await asyncio.gather(*(scene.api.patch(f"/Contacts/{number}", {name: text}) for name, text in said.items()))
    assert {reply.code for reply in replies} == {"ok"}
    assert (
        said.items()
        <= {name: str(value) for name, value in (await scene.api.get(f"/Contacts/{number}")).result.items()}.items()
    )


async def test_a_group_has_so_many_merge_fields_at_most(scene: Scene) -> None:
    group = await scene.group()
    contacts = [{"Email": "a@example.net", "MergeFields": {f"F{n}x{m}": "" for m in range(100)}} for n in range(11)]
    reply = await scene.imported(group, *contacts)
    assert (reply.status, reply.code) == (400, "invalid_value")
    assert "1000 merge fields" in reply.document["Description"]
    assert await scene.listed(group) == []


async def test_ten_thousand_contacts_in_one_call(scene: Scene) -> None:
    group = await scene.group()
    contacts = [{**ANN, "Email": f"reader{number}@example.net"} for number in range(10_000)]
    began = time.perf_counter()
    reply = await scene.imported(group, *contacts)
    took = time.perf_counter() - began
    assert reply.result["ValidContacts"] == 10_000
    assert took < 10
    assert (await scene.api.get(f"/ContactGroups/{group}")).result["ContactsCount"] == 10_000
    progress = await scene.api.get(f"/ContactsImport/{reply.result['ImportId']}/Progress")
    assert progress.result == {"Uploaded": 10_000, "Processed": 10_000}
    assert (await scene.api.delete(f"/ContactGroups/{group}")).code == "ok"
    assert (await scene.api.get("/Contacts?Query=reader9999@example.net", **ALL)).result == []


async def leave(scene: Scene, recipient: str) -> None:
    """By the link in the mail's header, with one click."""
    for _ in range(300):
        if raw := next((call.raw for call in scene.cloud.calls if call.recipients[0] == recipient), b""):
            break
        await asyncio.sleep(0.05)
    link = re.search(r"<https://relay.example.com(/[^>]+)>", str(message_from_bytes(raw)["List-Unsubscribe"]))
    assert link, raw
    url = f"http://127.0.0.1:{scene.relay.ports['callbacks']}{link[1]}"
    async with aiohttp.ClientSession() as session, session.post(url, data={"List-Unsubscribe": "One-Click"}) as response:
        assert response.status == 200


async def test_who_has_unsubscribed_is_listed_of_all_and_of_a_task(scene: Scene) -> None:
    began, tasks = time.time(), []
    for names in (("ann", "bob"), ("cid", "dan")):
        group = await scene.group()
        await scene.imported(group, *({"Email": f"{name}@left.example"} for name in names))
        task = {
            "Name": "spring", "Sender": {"Address": "news@example.com"}, "Subject": "News", "Type": 1,
            "Text": "<a href='[Unsubscribe]'>leave</a> <a href='[WebVersion]'>look</a>",
            "ContactGroups": [{"Id": group, "Included": True}],
        }  # fmt: skip
        tasks.append((await scene.api.post("/Tasks", task)).result["TaskId"])
        assert (await scene.api.put(f"/Tasks/{tasks[-1]}/State", {"State": "Created"})).code == "ok"
    for name in ("ann", "dan"):
        await leave(scene, f"{name}@left.example")
    everybody = await scene.api.get("/Unsubscribed", **ALL)
    assert (everybody.status, everybody.headers["Content-Range"]) == (206, "items 1-2/2")
    first = everybody.result[0]
    moment = int(first.pop("DateTime")[len("/Date(") :].partition("-")[0]) / 1000
    assert began - 1 < moment < time.time() + 1
    assert first == {"Email": "ann@left.example", "Reason": "link in mail", "TaskId": None}
    assert everybody.result[1]["Email"] == "dan@left.example"
    for task, email in zip(tasks, ("ann@left.example", "dan@left.example"), strict=True):
        reply = await scene.api.get(f"/Unsubscribed?TaskId={task}", **ALL)
        assert (reply.status, [(each["Email"], each["TaskId"]) for each in reply.result]) == (206, [(email, task)])
        assert (await scene.api.get(f"/Unsubscribed?TaskId={task}", Range="items=2-3")).result == []
        theirs = await scene.other.get(f"/Unsubscribed?TaskId={task}", **ALL)
        assert (theirs.status, theirs.code) == (403, "access_denied")
    assert (await scene.other.get("/Unsubscribed", **ALL)).result == []
    for wrong, status, code in (("99999999", 404, "not_found"), ("x", 400, "invalid_value"), ("1" * 30, 400, "invalid_value")):
        reply = await scene.api.get(f"/Unsubscribed?TaskId={wrong}", **ALL)
        assert (reply.status, reply.code) == (status, code)


async def test_the_relay_has_nothing_to_complain_of(scene: Scene) -> None:
    assert scene.relay.faults() == []
