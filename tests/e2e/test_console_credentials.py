"""Logins in the console: looked at, made, changed, and what is to be put into the programs that use them."""

from __future__ import annotations

import asyncio
import os
import re
import smtplib
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from playwright.async_api import Browser
from yarl import URL

from relay import sigv4
from relay.assembly import database
from relay.cli.access import changing
from relay.credential import Attachments, Credential, LineEnds, ListUnsubscribe, Macros, MessageClass, Scope
from relay.operators import AuditEntry
from relay.sandbox.cloud import Cloud
from relay.web.console.credential_forms import written
from tests.e2e.browser import running_browser, violations
from tests.e2e.console import Shown, Visitor, admit, base_of, browsing, visiting
from tests.e2e.ses_door import SECRETS, Key, boto3_client
from tests.e2e.test_clients import needs
from tests.harness import (
    APPLICATION,
    CREDENTIALS,
    CRM,
    PASSWORD,
    PERSON,
    Relay,
    arrived,
    mail,
    running_relay,
    submit,
)
from tests.ports import reserved_port

ODD = '"><img src=x onerror=alert(1)>'
ODD_PATHS = {
    ODD: "%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E",
    "a/b?c#%2F d": "a%2Fb%3Fc%23%252F%20d",
    "A {name}": "A%20%7Bname%7D",
    "Zoë": "Zo%C3%AB",
}
PASSWORD_SHOWN = re.compile(r"<code data-copy[^>]*>([a-z2-7]{24})</code>")
SIMULATOR = "success@simulator.amazonses.com"
PHPMAILER = "/usr/share/php/libphp-phpmailer/autoload.php"
ACTIONS = ("change", "rotate", "finish", "disable", "enable", "keys")
KEYS_ACTIONS = ("disable", "enable", "remove")
KEY_SHOWN = re.compile(r"<dd><code data-copy[^>]*>([^<]+)</code></dd>")


@pytest.fixture(scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Relay, Cloud]]:
    """A relay at ports that are known to its settings."""
    with ExitStack() as reserved:
        doors = ("SMTP__SUBMISSION", "SMTP__SUBMISSIONS", "API__LISTEN")
        settings = {f"RELAY_{door}": f"127.0.0.1:{reserved.enter_context(reserved_port())}" for door in doors}
        settings["RELAY_SECRETS__KEYS"] = SECRETS
        odd = [replace(APPLICATION, name=name) for name in ODD_PATHS if name != "Zoë"]
        folder = tmp_path_factory.mktemp("relay")
        async with running_relay(folder, *CREDENTIALS, *odd, settings=settings) as (relay, cloud):
            await admit(relay)
            await relay.told("identities_synced")
            yield relay, cloud


@pytest.fixture(scope="module")
def relay(pair: tuple[Relay, Cloud]) -> Relay:
    return pair[0]


@pytest.fixture
async def admin(relay: Relay) -> AsyncIterator[Visitor]:
    async with visiting(relay) as visitor:
        yield visitor


async def stored(relay: Relay, name: str) -> Credential | None:
    store = await database.opened_to_read(relay.where)
    try:
        return await store.credentials.get(name)
    finally:
        await store.close()


async def audited(relay: Relay) -> AuditEntry:
    """The last entry."""
    store = await database.opened_to_read(relay.where)
    try:
        return (await store.operators.audit(before=2**53, count=1))[0]
    finally:
        await store.close()


def row_of(shown: Shown, path: str) -> str:
    """What stands in the row of a table that leads there."""
    rows = re.findall(r"<tr>.*?</tr>", shown.source, re.DOTALL)
    (row,) = (row for row in rows if f'href="{path}"' in row)
    return " ".join(re.sub(r"<[^>]*>", " ", row).split())


def password_in(shown: Shown) -> str:
    found = PASSWORD_SHOWN.search(shown.source)
    assert found, shown.text
    return found[1]


def is_let_in(relay: Relay, name: str, password: str) -> bool:
    with relay.smtp(login="") as client:
        try:
            return client.login(name, password)[0] == 235
        except smtplib.SMTPAuthenticationError:
            return False


def form(login: Credential, **said: str) -> Mapping[str, str]:
    return {**written(login), **said}


async def test_all_logins_are_listed_with_their_last_use_and_what_came_of_them_today(relay: Relay, admin: Visitor) -> None:
    with relay.smtp(login="app") as client:
        for _ in range(3):
            await asyncio.to_thread(submit, client, mail())
    shown = await admin.get("/credentials")
    assert shown.status == 200
    app, person, disabled = (row_of(shown, f"/credentials/{name}") for name in ("app", "person", "disabled"))
    assert re.search(r"app application SMTP @example\.com \d{4}-.* UTC 127\.0\.0\.1 3$", app)
    assert re.search(r"person person SMTP anna@example\.com never 0$", person)
    assert disabled.startswith("disabled disabled application")
    assert "SMTP, HTTP API" in row_of(shown, "/credentials/crm")
    assert "$argon2" not in shown.source


async def test_they_are_found_by_their_names_and_senders(admin: Visitor) -> None:
    for text, found in {"ANNA": ["person"], "else": ["elsewhere"], "nobody": []}.items():
        shown = await admin.get(f"/credentials?text={text}")
        assert re.findall(r'href="/credentials/(\w+)"', shown.source) == found
    assert "No login is called so" in shown.text


async def test_more_than_a_page_of_them_is_read_page_by_page(relay: Relay, admin: Visitor) -> None:
    names = [f"zz{number:03}" for number in range(130)]
    async with changing(relay.where) as to:
        for name in names:
            await to.put_credential(replace(APPLICATION, name=name))
    shown, seen = await admin.get("/credentials?text=zz"), []
    while True:
        seen.append(re.findall(r'href="/credentials/(zz\d+)"', shown.source))
        if not (more := re.search(r'href="(\?text=zz&amp;after=zz\d+)"', shown.source)):
            break
        shown = await admin.get(f"/credentials{unescape(more[1])}")
    assert [len(page) for page in seen] == [100, 30]
    assert [name for page in seen for name in page] == names


async def test_a_new_one_gets_a_password_that_is_shown_once_and_nowhere_else(relay: Relay, admin: Visitor) -> None:
    fields = {"name": "shop", "kind": "application", "senders": "shop@example.com", **ticks("smtp", "messages"), **usual()}
    shown = await admin.post("/credentials", fields, came_from="/credentials-new")
    password = password_in(shown)
    assert (shown.status, shown.url) == (200, "/credentials")
    assert is_let_in(relay, "shop", password)
    assert password not in str(shown.headers) + str(admin.http.cookie_jar.filter_cookies(URL(base_of(relay))))
    for path in ("/credentials", "/credentials/shop", "/audit"):
        again = await admin.get(path)
        assert again.status == 200
        assert password not in again.source
        assert "$argon2" not in again.source
    entry = await audited(relay)
    assert (entry.operator, entry.action, entry.outcome) == ("admin", "login added", "done")
    assert '"name": "shop"' in entry.detail
    assert '"scope.messages": "on"' in entry.detail
    assert password not in relay.log.read_text()
    assert password.encode() not in b"".join(path.read_bytes() for path in relay.folder.glob("relay.db*"))


def ticks(*scopes: str) -> dict[str, str]:
    return {f"scope.{scope}": "on" for scope in scopes}


def usual() -> dict[str, str]:
    """The rest of the form, as it comes."""
    fields = written(Credential(name="", kind=APPLICATION.kind, password_hashes=()))
    rest = {name: value for name, value in fields.items() if name not in ("senders",) and not name.startswith("scope.")}
    return {**rest, "recipients": "", "on_suppressed": ""}


async def test_the_form_says_what_is_usual_and_a_person_gets_what_is_usual_for_persons(relay: Relay, admin: Visitor) -> None:
    form_page = await admin.get("/credentials-new")
    assert re.search(r'name="scope.smtp" value="on" checked', form_page.source)
    assert len(re.findall(r'name="scope[^"]*" value="on" checked', form_page.source)) == 1
    await admin.post("/credentials", {"name": "anna", "kind": "person", "senders": "a@example.com", **ticks("smtp"), **usual()})
    await admin.post("/credentials", {"name": "site", "kind": "application", "senders": "@a.com", **ticks("smtp"), **usual()})
    for name, like in (("anna", PERSON), ("site", APPLICATION)):
        found = await stored(relay, name)
        assert found
        assert replace(found, name=like.name, senders=like.senders, password_hashes=like.password_hashes) == like


async def test_all_that_a_login_may_be_set_to_can_be_set(relay: Relay, admin: Visitor) -> None:
    found = await stored(relay, "lenient")
    assert found
    wanted = replace(
        found,
        scopes=frozenset(Scope) - {Scope.SMTP},
        senders=("shop@example.com", "@*.example.org"),
        networks=("192.0.2.0/24",),
        null_sender="bounces@example.com",
        rewrite_from="shop@example.com",
        enhanced_codes=False,
        line_ends=LineEnds.REFUSE,
        per_minute=5,
        per_day=50,
        attachments=Attachments(also_denied=frozenset({"pdf"}), lists_archives=True),
        message_class=MessageClass.MARKETING,
        macros=Macros.FOOTER,
        list_unsubscribe=ListUnsubscribe.ADD,
    )
    before = await admin.get("/credentials/lenient/change")
    assert "It becomes CRLF" in before.text
    shown = await admin.post("/credentials/lenient/change", form(wanted))
    assert (shown.url, "lenient is changed." in shown.text) == ("/credentials/lenient", True)
    assert await stored(relay, "lenient") == wanted
    assert "From networks 192.0.2.0/24" in shown.text
    assert "Messages a day 50" in shown.text
    assert "Messages a minute 5" in shown.text
    entry = await audited(relay)
    assert (entry.action, entry.subject, entry.outcome) == ("login changed", "lenient", "done")
    assert '"per_day": [0, 50]' in entry.detail
    again = await admin.get("/credentials/lenient/change")
    assert re.search(r'name="per_day" value="50"', again.source)
    assert re.search(r'<option value="footer" selected>', again.source)


async def test_what_cannot_be_is_said_and_what_was_typed_stays(relay: Relay, admin: Visitor) -> None:
    before = await stored(relay, "first")
    assert before
    refused = await admin.post("/credentials/first/change", form(before, senders=f"@example.com\n{ODD}", per_day="77"))
    assert refused.status == 400
    assert 'role="alert">&#34;&gt;&lt;img is no address' in refused.source
    assert 'name="per_day" value="77"' in refused.source
    assert "<img src=x" not in refused.source
    assert await stored(relay, "first") == before
    entry = await audited(relay)
    assert (entry.action, entry.subject, entry.outcome) == ("login changed", "first", "refused")
    new = await admin.post("/credentials", {"name": "nobody", "kind": "person", "senders": "", **ticks("smtp"), **usual()})
    assert (new.status, 'value="nobody"' in new.source) == (400, True)
    assert await stored(relay, "nobody") is None


async def test_what_somebody_else_has_changed_meanwhile_is_not_undone_unseen(relay: Relay, admin: Visitor) -> None:
    before = await stored(relay, "person")
    assert before
    seen, others = await seen_of(admin), replace(before, networks=("127.0.0.0/8",))
    await admin.post("/credentials/person/change", {**form(others), "seen": seen})
    refused = await admin.post("/credentials/person/change", {**form(before, per_day="7"), "seen": seen})
    assert (refused.status, "person was changed since you opened this form." in refused.text) == (400, True)
    assert 'name="per_day" value="7"' in refused.source
    assert await stored(relay, "person") == others
    await admin.post("/credentials/person/change", {**form(before), "seen": await seen_of(admin)})
    assert await stored(relay, "person") == before


async def seen_of(admin: Visitor) -> str:
    [found] = re.findall('name="seen" value="([0-9a-f]+)"', (await admin.get("/credentials/person/change")).source)
    return str(found)


async def test_one_that_is_there_is_not_replaced(relay: Relay, admin: Visitor) -> None:
    before = await stored(relay, "app")
    fields = {"name": "app", "kind": "person", "senders": "@example.com", **ticks("smtp"), **usual()}
    shown = await admin.post("/credentials", fields)
    assert (shown.status, "There is a login app already." in shown.text) == (400, True)
    assert PASSWORD_SHOWN.search(shown.source) is None
    assert await stored(relay, "app") == before


async def test_a_new_password_is_good_beside_the_old_one_until_that_is_ended(relay: Relay, admin: Visitor) -> None:
    first = password_in(await admin.post("/credentials/bare/rotate", came_from="/credentials/bare"))
    assert (is_let_in(relay, "bare", PASSWORD), is_let_in(relay, "bare", first)) == (True, True)
    assert (await audited(relay)).subject == "bare"
    again = await admin.post("/credentials/bare/rotate", came_from="/credentials/bare")
    assert "an old password beside the new one" in again.text
    shown = await admin.get("/credentials/bare")
    assert re.search(r"The newest \S+ \S+ UTC from 127\.0\.0\.1 .* The old one \S+ \S+ UTC from 127\.0\.0\.1", shown.text)
    assert "two passwords" in row_of(await admin.get("/credentials"), "/credentials/bare")
    done = await admin.post("/credentials/bare/finish")
    assert "Only the newest password is good now." in done.text
    assert (is_let_in(relay, "bare", PASSWORD), is_let_in(relay, "bare", first)) == (False, True)


async def test_one_that_is_disabled_is_refused_in_open_sessions_too(relay: Relay, admin: Visitor) -> None:
    with relay.smtp(login="person") as client:
        shown = await admin.post("/credentials/person/disable")
        assert "person is refused from now on." in shown.text
        assert client.mail("anna@example.com")[0] == 421
    assert not is_let_in(relay, "person", PASSWORD)
    assert "disabled" in row_of(await admin.get("/credentials"), "/credentials/person")
    await admin.post("/credentials/person/enable")
    assert is_let_in(relay, "person", PASSWORD)


async def test_an_access_key_is_made_shown_once_used_disabled_and_removed(pair: tuple[Relay, Cloud], admin: Visitor) -> None:
    relay, _ = pair
    made = await admin.post("/credentials/crm/keys", {"smtp": "on"}, came_from="/credentials/crm")
    id, secret, password = KEY_SHOWN.findall(made.source)
    entry = await audited(relay)
    assert (entry.action, entry.subject, entry.outcome) == ("access key made", "crm", "done")
    assert is_let_in(relay, id, password)
    endpoint = relay.settings["RELAY_API__LISTEN"]
    client = boto3_client("sesv2", Key(id, secret), f"http://{endpoint}")
    assert "SendQuota" in await asyncio.to_thread(client.get_account)
    for path in ("/credentials/crm", "/audit"):
        again = await admin.get(path)
        assert again.status == 200
        assert not any(each in again.source for each in (secret, password, "$argon2"))
    kept = b"".join(path.read_bytes() for path in relay.folder.glob("relay.db*")) + relay.log.read_bytes()
    assert not any(each.encode() in kept for each in (secret, password))
    shown = await admin.get("/credentials/crm")
    assert re.search(rf"{id} API, SMTP \S+ \S+ UTC \S+ \S+ UTC 127\.0\.0\.1 Disable Remove", shown.text)
    assert f"Endpoint http://{endpoint} Region us-east-1" in shown.text
    assert "Programs with the key" in shown.source
    done = await admin.post(f"/credentials/crm/keys/{id}/disable", came_from="/credentials/crm")
    assert (f"The key {id} is refused from now on." in done.text, f"{id} disabled" in done.text) == (True, True)
    await asyncio.sleep(1.1)
    assert not is_let_in(relay, id, password)
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        await asyncio.to_thread(client.get_account)
    assert f"The key {id} is good again." in (await admin.post(f"/credentials/crm/keys/{id}/enable")).text
    await asyncio.sleep(1.1)
    assert is_let_in(relay, id, password)
    assert (await admin.post(f"/credentials/app/keys/{id}/remove")).status == 404
    done = await admin.post(f"/credentials/crm/keys/{id}/remove", came_from="/credentials/crm")
    assert f"The key {id} is removed." in done.text
    entry = await audited(relay)
    assert (entry.action, entry.subject, entry.outcome) == ("access key removed", f"crm, {id}", "done")
    assert id not in (await relay.cli("credential", "key", "list"))[1]
    assert (await admin.post(f"/credentials/crm/keys/{id}/enable")).status == 404


async def test_a_key_that_is_not_for_smtp_has_no_password(relay: Relay, admin: Visitor) -> None:
    path = f"/credentials/{ODD_PATHS[ODD]}"
    made = await admin.post(f"{path}/keys", came_from=path)
    id, secret = KEY_SHOWN.findall(made.source)
    assert not is_let_in(relay, id, sigv4.smtp_password(secret, "us-east-1"))
    assert f'action="{path}/keys/{id}/remove"' in made.source
    assert "<img src=x" not in made.source
    shown = await admin.get(path)
    assert re.search(rf"{id} API \S+ \S+ UTC never", shown.text)
    for role in ("viewer", "operator"):
        async with visiting(relay, role) as visitor:
            shown = await visitor.get(path)
            assert (id in shown.text, "/keys" in shown.source) == (True, False)
            for action in KEYS_ACTIONS:
                assert (await visitor.post(f"{path}/keys/{id}/{action}")).status == 403
    assert f"{id} " in (await relay.cli("credential", "key", "list"))[1]


async def test_who_is_no_admin_looks_and_does_nothing(relay: Relay) -> None:
    before = await stored(relay, "crm")
    for role in ("viewer", "operator"):
        async with visiting(relay, role) as visitor:
            for path in ("/credentials", "/credentials/crm"):
                shown = await visitor.get(path)
                assert shown.status == 200
                assert not re.search(
                    r'<form method="post" action="/credentials|href="/credentials-new|crm/change', shown.source
                )
                assert "$argon2" not in shown.source
            for path in ("/credentials-new", "/credentials/crm/change"):
                assert (await visitor.get(path)).status == 403
            for path in ("/credentials", *(f"/credentials/crm/{action}" for action in ACTIONS)):
                assert (await visitor.post(path, form(CRM, name="mine", kind="person"))).status == 403
    assert (await stored(relay, "crm"), await stored(relay, "mine")) == (before, None)


async def test_what_a_login_sent_is_shown_with_the_way_to_its_messages(relay: Relay, admin: Visitor) -> None:
    with relay.smtp(login="null") as client:
        ids = [await asyncio.to_thread(submit, client, mail()) for _ in range(4)]
    for message_id in ids:
        assert await relay.status(message_id, "delivered") == ["delivered"]
    shown = await admin.get("/credentials/null")
    assert "Accepted 4 Sent 4 Delivered 4 Bounced 0 Complained 0" in shown.text
    assert 'href="/messages?credential=null"' in shown.source
    assert re.search(r"\d{4}-\d\d-\d\d 4 4 4 0 0 0", shown.text)


@pytest.mark.parametrize(("name", "path"), ODD_PATHS.items())
async def test_whatever_a_login_is_called_it_has_its_pages_and_is_shown_as_text(admin: Visitor, name: str, path: str) -> None:
    listed = await admin.get("/credentials")
    assert f'href="/credentials/{path}"' in listed.source
    for shown in (listed, await admin.get(f"/credentials/{path}"), await admin.get(f"/credentials/{path}/change")):
        assert shown.status == 200
        assert " ".join(name.split()) in unescape(shown.source)
        assert "<img src=x" not in shown.source
    assert f"Change {name}" in shown.text
    done = await admin.post(f"/credentials/{path}/disable")
    assert f"{name} is refused from now on." in done.text


async def test_one_that_is_not_there_is_not_found(admin: Visitor) -> None:
    assert (await admin.get("/credentials/nobody-at-all")).status == 404
    assert (await admin.post("/credentials/nobody-at-all/rotate")).status == 404


async def test_all_of_it_is_there_in_russian(relay: Relay) -> None:
    async with visiting(relay, "admin") as visitor:
        await visitor.get("/language/ru")
        assert "Принято сегодня" in (await visitor.get("/credentials")).text
        assert "Настройки для программ" in (await visitor.get("/credentials/crm")).text
        assert "Письмо принято, записано и никогда не отправлено" in (await visitor.get("/credentials/crm/change")).text
        refused = await visitor.post("/credentials/crm/change", form(CRM, networks="x"))
        assert "x: не IP-адрес и не сеть" in refused.text


_PLACE = re.compile(r"(?<!_)PASSWORD\b")


def shell(snippet: str, folder: Path) -> list[str]:
    return ["sh", "-c", _PLACE.sub(f"'{PASSWORD}'", snippet)]


def php(snippet: str, folder: Path) -> list[str]:
    (folder / "mail.php").write_text(f"<?php require '{PHPMAILER}';\n{_PLACE.sub(PASSWORD, snippet)}\n")
    return ["php", "-d", f"openssl.cafile={folder / 'smtp.pem'}", str(folder / "mail.php")]


def django(snippet: str, folder: Path) -> list[str]:
    (folder / "settings_to_copy.py").write_text(_PLACE.sub(PASSWORD, snippet))
    sending = f"from django.core.mail import send_mail; send_mail('Hello', 'It works.', None, ['{SIMULATOR}'])"
    return [sys.executable, "-W", "ignore", "-c", sending]


@pytest.mark.parametrize(
    ("title", "command", "needed"),
    [
        ("swaks", shell, ("swaks", "/usr/share/perl5/IO/Socket/SSL.pm")),
        ("curl: HTTP API", shell, ("curl",)),
        ("PHPMailer", php, ("php", PHPMAILER)),
        ("Django", django, ()),
    ],
)
async def test_what_is_there_to_copy_works(
    pair: tuple[Relay, Cloud],
    admin: Visitor,
    tmp_path: Path,
    title: str,
    command: Callable[[str, Path], list[str]],
    needed: tuple[str, ...],
) -> None:
    for program in needed:
        needs(program)
    relay, cloud = pair
    shown, before = await admin.get("/credentials/crm"), len(cloud.calls)
    found = re.search(rf'<pre tabindex="0" aria-label="{re.escape(title)}"[^>]*>(.*?)</pre>', shown.source, re.DOTALL)
    assert found, shown.text
    (tmp_path / "smtp.pem").write_bytes((relay.folder / "smtp.pem").read_bytes())
    trusting = {"SSL_CERT_FILE": str(tmp_path / "smtp.pem"), "DJANGO_SETTINGS_MODULE": "settings_to_copy"}
    process = await asyncio.create_subprocess_exec(
        *command(unescape(found[1]), tmp_path),
        env={**os.environ, **trusting, "PYTHONPATH": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    raw = await arrived(relay, cloud, before + 1)
    assert cloud.calls[-1].recipients == (SIMULATOR,)
    assert b"mail@example.com" in raw


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as found:
        yield found


@pytest.mark.parametrize(
    ("scheme", "width", "paths"),
    [
        ("light", 1440, ("/credentials", "/credentials/crm")),
        ("dark", 390, ("/credentials/crm/change", f"/credentials/{ODD_PATHS[ODD]}")),
    ],
)
async def test_the_pages_are_accessible_and_narrow_enough(
    relay: Relay, browser: Browser, scheme: Any, width: int, paths: tuple[str, ...]
) -> None:
    looks = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}, "bypass_csp": True}
    async with browsing(browser, relay, **looks) as page:
        dialogues: list[str] = []
        page.on("dialog", lambda dialogue: dialogues.append(dialogue.message))
        for path in paths:
            await page.goto(base_of(relay) + path)
            assert await page.evaluate("document.documentElement.scrollWidth") == width
            assert await violations(page) == []
        assert (dialogues, await page.locator("img[src=x]").count()) == ([], 0)


async def test_in_a_browser_a_login_is_added_its_password_copied_and_a_change_of_mind_counts(
    relay: Relay, browser: Browser
) -> None:
    allowed = ["clipboard-read", "clipboard-write"]
    async with browsing(browser, relay, permissions=allowed, locale="en") as page:
        await page.goto(f"{base_of(relay)}/credentials")
        await page.get_by_role("link", name="Add a login").click()
        await page.get_by_label("Name", exact=True).fill("printer")
        await page.get_by_label("Senders", exact=True).fill("@example.com")
        await page.get_by_role("button", name="Add", exact=True).click()
        await page.locator(".secret").get_by_role("button", name="Copy").click()
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied == await page.locator(".secret code").inner_text()
        assert await asyncio.to_thread(is_let_in, relay, "printer", copied)
        page.once("dialog", lambda dialogue: dialogue.dismiss())
        await page.get_by_role("button", name="Disable").click()
        assert await asyncio.to_thread(is_let_in, relay, "printer", copied)
