"""Who comes into the console, and what nobody can do from outside: over real HTTP, as browsers and others would."""

from __future__ import annotations

import asyncio
import base64
import re
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from relay.cli.access import changing
from relay.operators import Operator, OperatorRole
from tests.e2e.console import OPERATORS, PASSWORD, Visitor, admit, base_of, visiting
from tests.harness import CRM, Relay, running_relay

PAGES = ("/", "/account")
FOR_ADMINS = ("/operators", "/audit")
MADE_UP = (
    base64.urlsafe_b64encode(b"[" * 5000).decode(),
    base64.urlsafe_b64encode(b'["{x:>20}", {"x": "a"}, false]').decode(),
    base64.urlsafe_b64encode(b'["{x.real}", {"x": 1}, false]').decode(),
    base64.urlsafe_b64encode(b'["{x}", {"x": [1]}, false]').decode(),
    base64.urlsafe_b64encode(b'["{", {}, false]').decode(),
)


@pytest.fixture(scope="module")
async def relay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    settings = {"RELAY_LOGINS__FAILURES_PER_ADDRESS": "1000"}
    async with running_relay(tmp_path_factory.mktemp("console"), CRM, settings=settings) as (relay, _):
        await admit(relay)
        yield relay
        assert relay.faults() == []


async def entries(visitor: Visitor) -> str:
    return (await visitor.get("/audit")).text


@pytest.mark.parametrize("path", [*PAGES, *FOR_ADMINS, "/?period=week"])
async def test_a_stranger_is_asked_who_he_is(relay: Relay, path: str) -> None:
    async with visiting(relay, "") as stranger:
        shown = await stranger.get(path)
        assert (shown.status, shown.url.startswith("/login?next=")) == (200, True)
        assert "Log out" not in shown.text
        assert (await stranger.login("viewer")).status == 200
        again = await stranger.get(path)
        assert again.status == (403 if path in FOR_ADMINS else 200)


async def test_he_goes_where_he_wanted_to_and_nowhere_else(relay: Relay) -> None:
    for wanted, leads_to in (
        ("/?period=week", "/?period=week"),
        ("//evil.example/", "/"),
        ("https://evil.example", "/"),
        ("/\\evil", "/"),
    ):
        async with visiting(relay, "") as stranger:
            shown = await stranger.post("/login", {"name": "viewer", "password": PASSWORD, "next": wanted})
            assert (shown.status, shown.url) == (200, leads_to)


async def test_a_wrong_password_does_not_lead_elsewhere(relay: Relay) -> None:
    async with visiting(relay, "") as stranger:
        asked = await stranger.get("/?period=week")
        for password in ("wrong", PASSWORD):
            [wanted] = re.findall('name="next" value="([^"]*)"', asked.source)
            asked = await stranger.post("/login", {"name": "viewer", "password": password, "next": wanted})
        assert (asked.status, asked.url) == (200, "/?period=week")


@pytest.mark.parametrize(
    ("name", "password"), [("viewer", "wrong"), ("nobody", PASSWORD), ("", ""), ("x" * 500, "y" * 5000), ("viewer\0", PASSWORD)]
)
async def test_one_answer_for_whatever_is_wrong(relay: Relay, name: str, password: str) -> None:
    async with visiting(relay, "") as stranger:
        shown = await stranger.post("/login", {"name": name, "password": password})
        assert (shown.status, "The name or the password is wrong." in shown.text) == (403, True)
        assert (await stranger.get("/")).url.startswith("/login")


async def test_who_guesses_is_stopped(tmp_path: Path) -> None:
    settings = {"RELAY_LOGINS__FAILURES_PER_ADDRESS": "3", "RELAY_LOGINS__FAILURE_SECONDS": "60"}
    async with running_relay(tmp_path, CRM, settings=settings) as (relay, _):
        await admit(relay)
        async with visiting(relay, "") as stranger:
            for _ in range(3):
                await stranger.post("/login", {"name": "viewer", "password": "wrong"})
            shown = await stranger.post("/login", {"name": "viewer", "password": PASSWORD})
            assert "Too many wrong passwords" in shown.text
        assert (await relay.told("passwords_guessed"))["by"] == "address"
        with relay.smtp(login="crm") as client:  # those of mail are counted apart
            assert client.noop()[0] == 250


async def test_who_has_stolen_a_session_does_not_guess_its_password(tmp_path: Path) -> None:
    settings = {"RELAY_LOGINS__FAILURES_PER_ADDRESS": "3"}
    async with running_relay(tmp_path, settings=settings) as (relay, _):
        await admit(relay)
        async with visiting(relay, "viewer") as thief:
            given = {"password": "wrong", "new_password": "a longer password"}
            guesses = [thief.post("/account/password", given, came_from="/account") for _ in range(6)]
            said = [shown.text for shown in await asyncio.gather(*guesses)]
            assert sum("The password that you have is another one." in text for text in said) == 3
            shown = await thief.post("/account/password", {**given, "password": PASSWORD}, came_from="/account")
            assert "Too many wrong passwords" in shown.text
        assert (await relay.told("passwords_guessed"))["by"] == "address"


async def test_a_form_that_cannot_be_read_is_none(relay: Relay) -> None:
    part = "--b\r\nContent-Disposition: form-data; name=name\r\n{}\r\n\r\n{}\r\n--b--\r\n"
    odd = (
        part.format("Content-Transfer-Encoding: foo", "x"),
        part.format("Content-Type: text/plain; charset=unicode_escape", "\\ud800"),
        part.format("X" * 20_000, "x"),
    )
    async with visiting(relay, "") as stranger:
        for body in odd:
            headers = {"Content-Type": "multipart/form-data; boundary=b", "Sec-Fetch-Site": "same-origin"}
            async with stranger.http.post(f"{stranger.base}/login", data=body, headers=headers) as answer:
                assert answer.status in (400, 403), await answer.text()
    assert relay.faults() == []


async def test_who_guesses_many_at_once_has_no_more_of_them(tmp_path: Path) -> None:
    settings = {"RELAY_LOGINS__FAILURES_PER_ADDRESS": "3", "RELAY_LOGINS__FAILURE_SECONDS": "60"}
    async with running_relay(tmp_path, CRM, settings=settings) as (relay, _):
        await admit(relay)
        async with visiting(relay, "") as stranger:
            guesses = (stranger.post("/login", {"name": "viewer", "password": "wrong"}) for _ in range(40))
            said = [shown.text for shown in await asyncio.gather(*guesses)]
        assert 3 <= sum("The name or the password is wrong." in text for text in said) <= 4
        assert sum("Too many wrong passwords" in text for text in said) >= 36


@pytest.mark.parametrize("path", ["/", "/login", "/operators", "/nothing", "/static/console.css"])
async def test_headers_leave_nothing_to_others(relay: Relay, path: str) -> None:
    async with visiting(relay) as visitor:
        shown = await visitor.get(path)
        if path == "/nothing":
            assert shown.status == 404
            return
        assert shown.headers["X-Content-Type-Options"] == "nosniff"
        if path.startswith("/static"):
            return
        policy = shown.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert shown.headers["Cache-Control"] == "no-store"
        assert "style=" not in shown.source
        assert "onclick" not in shown.source


async def test_cookies_are_for_nobody_else(relay: Relay) -> None:
    async with visiting(relay, "") as stranger:
        form = {"name": "viewer", "password": PASSWORD}
        given = {"Sec-Fetch-Site": "same-origin"}
        async with stranger.http.post(f"{stranger.base}/login", data=form, headers=given, allow_redirects=False) as answer:
            cookie = answer.cookies["relay"]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
        assert len(cookie.value) >= 43


async def test_a_login_gives_a_new_session_and_ends_the_one_of_before(relay: Relay) -> None:
    async with visiting(relay, "viewer") as visitor:
        jar = visitor.http.cookie_jar
        before = {cookie.key: cookie.value for cookie in jar}["relay"]
        await visitor.login("viewer")
        after = {cookie.key: cookie.value for cookie in jar}["relay"]
        assert before != after
        async with aiohttp.ClientSession(headers={"Cookie": f"relay={before}"}) as http:
            assert (await Visitor(http, base_of(relay)).get("/")).url.startswith("/login")


async def test_who_logs_out_is_out(relay: Relay) -> None:
    async with visiting(relay, "viewer") as visitor:
        before = {cookie.key: cookie.value for cookie in visitor.http.cookie_jar}["relay"]
        assert (await visitor.post("/logout")).url == "/login"
        async with aiohttp.ClientSession(headers={"Cookie": f"relay={before}"}) as http:
            assert (await Visitor(http, base_of(relay)).get("/")).url.startswith("/login")


FOREIGN = {
    "no token": ({"csrf": ""}, {}),
    "another token": ({"csrf": "0" * 64}, {}),
    "not ASCII": ({"csrf": "ж"}, {}),
    "from another site": ({}, {"Sec-Fetch-Site": "cross-site"}),
    "from a neighbour": ({}, {"Sec-Fetch-Site": "same-site"}),
    "typed": ({}, {"Sec-Fetch-Site": "none"}),
}


@pytest.mark.parametrize("what", FOREIGN)
async def test_a_form_of_another_site_does_nothing(relay: Relay, what: str) -> None:
    fields, headers = FOREIGN[what]
    async with visiting(relay) as visitor:
        await visitor.get("/operators")
        shown = await visitor.post("/operators", {"name": "mallory", "role": "admin", **fields}, **headers)
        assert (shown.status, "This did not come from the console" in shown.text) == (403, True)
        assert "mallory" not in (await visitor.get("/operators")).text
        assert "mallory" not in await entries(visitor)


@pytest.mark.parametrize(("origin", "status"), [("", 403), ("https://evil.example", 403), ("null", 403), ("own", 200)])
async def test_older_browsers_say_their_origin(relay: Relay, origin: str, status: int) -> None:
    async with visiting(relay) as visitor:
        await visitor.get("/operators")
        given = {"Origin": visitor.base if origin == "own" else origin} if origin else {}
        fields = {"csrf": visitor.csrf, "name": "of-an-older-browser", "role": "viewer"}
        async with visitor.http.post(f"{visitor.base}/operators", data=fields, headers=given) as answer:
            assert answer.status == status


async def test_a_form_of_another_session_does_nothing(relay: Relay) -> None:
    async with visiting(relay) as mallory, visiting(relay) as victim:
        await mallory.get("/operators")
        shown = await victim.post("/operators", {"csrf": mallory.csrf, "name": "mallory", "role": "admin"})
        assert shown.status == 403


@pytest.mark.parametrize("role", [OperatorRole.VIEWER, OperatorRole.OPERATOR])
async def test_only_an_admin_decides_on_operators(relay: Relay, role: OperatorRole) -> None:
    async with visiting(relay, role.value) as visitor:
        for path in FOR_ADMINS:
            assert (await visitor.get(path)).status == 403
        for path in ("/operators", "/operators/admin/remove", "/operators/admin/password", "/operators/viewer/role"):
            shown = await visitor.post(path, {"name": "mallory", "role": "admin"})
            assert (shown.status, "role admin" in shown.text) == (403, True)


@pytest.mark.parametrize(("role", "is_led"), [("viewer", False), ("operator", False), ("admin", True)])
async def test_the_menu_leads_only_to_what_one_may_see(relay: Relay, role: str, is_led: bool) -> None:
    async with visiting(relay, role) as visitor:
        for page, target in (("/", "/operators"), ("/feedback", "/feedback/setup")):
            assert (f'href="{target}"' in (await visitor.get(page)).source) is is_led


async def test_an_operator_is_admitted_changed_and_removed(relay: Relay) -> None:
    async with visiting(relay) as visitor:
        shown = await visitor.post("/operators", {"name": "carla", "role": "operator"})
        password = shown.source.partition('class="copy">')[2].partition("<")[0]
        assert len(password) == 24
        async with visiting(relay, "") as carla:
            await carla.login("carla", password)
            assert "carla (operator)" in (await carla.get("/")).text
            await visitor.post("/operators/carla/role", {"role": "viewer"}, came_from="/operators")
            assert "carla (viewer)" in (await carla.get("/")).text
            assert "may not come in any more" in (await visitor.post("/operators/carla/disable")).text
            assert (await carla.get("/")).url.startswith("/login")
            assert (await carla.login("carla", password)).status == 403
            await visitor.post("/operators/carla/enable")
            assert (await carla.login("carla", password)).status == 200
            renewed = await visitor.post("/operators/carla/password")
            assert (await carla.get("/")).url.startswith("/login")
            other = renewed.source.partition('class="copy">')[2].partition("<")[0]
            assert (await carla.login("carla", other)).status == 200
            assert "carla is removed." in (await visitor.post("/operators/carla/remove")).text
            assert (await carla.get("/")).url.startswith("/login")
        kept = await entries(visitor)
        for action in ("operator added", "role changed", "operator disabled", "password renewed", "operator removed"):
            assert action in kept
        assert password not in kept
        assert password not in relay.log.read_text()


async def test_what_cannot_be_done_is_said_and_kept(relay: Relay) -> None:
    async with visiting(relay) as visitor:
        shown = await visitor.post("/operators/admin/remove", came_from="/operators")
        assert (shown.url, "Nobody would be left who may admit others." in shown.text) == ("/operators", True)
        assert "Nobody would be left" not in (await visitor.get("/operators")).text
        shown = await visitor.post("/operators", {"name": "two words", "role": "viewer"}, came_from="/operators")
        assert "A name has letters" in shown.text
        shown = await visitor.post("/operators", {"name": "dora", "role": "emperor"}, came_from="/operators")
        assert "There is no such role." in shown.text
        assert (await visitor.post("/operators/nobody/disable")).status == 404
        assert "refused" in await entries(visitor)


async def test_somebody_changes_his_password_and_sees_his_sessions(relay: Relay) -> None:
    async with visiting(relay) as admin:
        shown = await admin.post("/operators", {"name": "emil", "role": "viewer"})
        password = shown.source.partition('class="copy">')[2].partition("<")[0]
    async with visiting(relay, "") as emil, visiting(relay, "") as elsewhere:
        await emil.login("emil", password)
        await elsewhere.login("emil", password)
        assert (await emil.get("/account")).source.count("/account/sessions/end") == 2
        shown = await emil.post(
            "/account/password", {"password": "wrong", "new_password": "a longer password"}, came_from="/account"
        )
        assert "The password that you have is another one." in shown.text
        shown = await emil.post("/account/password", {"password": password, "new_password": "short"}, came_from="/account")
        assert "12 characters at least" in shown.text
        key = (await emil.get("/account")).source.split('name="session" value="')[1][:64]
        assert (
            "The session is over." in (await emil.post("/account/sessions/end", {"session": key})).text
            or (await elsewhere.get("/account")).status == 200
        )
        shown = await emil.post("/account/password", {"password": password, "new_password": "a longer password"})
        for visitor in (emil, elsewhere):
            assert (await visitor.get("/")).url.startswith("/login")
        assert (await emil.login("emil", "a longer password")).status == 200


async def test_nobody_ends_the_session_of_another_but_an_admin(relay: Relay) -> None:
    async with visiting(relay, "operator") as operator, visiting(relay, "viewer") as viewer, visiting(relay) as admin:
        shown = await admin.get("/account")
        keys = [part[:64] for part in shown.source.split('name="session" value="')[1:]]
        assert len(keys) >= 3
        statuses = [(await viewer.post("/account/sessions/end", {"session": key})).status for key in keys]
        assert 404 in statuses
        assert (await operator.get("/")).status == 200


async def test_it_speaks_the_language_of_its_reader(relay: Relay) -> None:
    async with visiting(relay, "viewer") as visitor:
        assert 'lang="en"' in (await visitor.get("/")).source
        async with visitor.http.get(f"{visitor.base}/", headers={"Accept-Language": "ru-RU,ru;q=0.9"}) as answer:
            assert "Обзор" in await answer.text()
        await visitor.get("/language/ru")
        assert 'lang="ru"' in (await visitor.get("/")).source
        await visitor.get("/language/xx")
        assert 'lang="en"' in (await visitor.get("/")).source


@pytest.mark.parametrize(
    "cookie", ["x", "W10=", "e30=", "WyJ7eH0iLHt9LGZhbHNlXQ==", "WyJ7MC5fX2NsYXNzX199Iix7fSxmYWxzZV0=", *MADE_UP]
)
async def test_a_cookie_that_somebody_made_up_changes_nothing(relay: Relay, cookie: str) -> None:
    async with (
        visiting(relay, "viewer") as visitor,
        visitor.http.get(f"{visitor.base}/account", cookies={"said": cookie}) as answer,
    ):
        assert (answer.status, 'class="said' in await answer.text()) == (200, False)


async def test_a_cookie_of_a_stranger_does_not_fill_the_memory(relay: Relay) -> None:
    relay.forget_peak()
    cookie = base64.urlsafe_b64encode(b'["{x:>200000000}", {"x": "a"}, false]').decode()
    async with (
        visiting(relay, "") as stranger,
        stranger.http.get(f"{stranger.base}/login", cookies={"said": cookie}) as answer,
    ):
        assert len(await answer.read()) < 10_000
    assert relay.memory("VmHWM") < relay.memory() + (50 << 20)


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "x/y; charset=none"}, {"Content-Type": "multipart/form-data; boundary=x"}]
)
async def test_what_is_no_form_is_refused(relay: Relay, headers: Mapping[str, str]) -> None:
    given = {"Sec-Fetch-Site": "same-origin", **headers}
    form_like = {**given, "Content-Type": "application/x-www-form-urlencoded; charset=none"}
    async with visiting(relay) as visitor:
        for path in ("/login", "/operators", "/suppressions/import"):
            for sent in (given, form_like):
                async with visitor.http.post(visitor.base + path, data=b"name=a", headers=sent) as answer:
                    assert answer.status == 403


async def test_addresses_that_are_none_lead_to_the_first_page(relay: Relay) -> None:
    async with visiting(relay) as visitor:
        async with visitor.http.get(f"{visitor.base}/language/en", headers={"Referer": "http://["}) as answer:
            assert answer.url.path == "/"
        async with visitor.http.post(f"{visitor.base}/logout", headers={"Origin": "http://["}) as answer:
            assert answer.status == 403


async def test_behind_a_proxy_one_comes_back_to_where_one_was(relay: Relay) -> None:
    async with visiting(relay, "viewer") as visitor:
        headers = {"Referer": "https://console.example/account?x=1", "X-Forwarded-Host": "console.example"}
        async with visitor.http.get(f"{visitor.base}/language/en", headers=headers) as answer:
            assert answer.url.path_qs == "/account?x=1"


async def test_from_where_forms_alone_lead_one_comes_back_to_the_page_above(relay: Relay) -> None:
    """A new password is shown where no page is."""
    async with visiting(relay) as visitor:
        await visitor.post("/operators", {"name": "greta", "role": "viewer"})
        assert (await visitor.post("/operators/greta/password")).url == "/operators/greta/password"
        again = await visitor.post("/operators", {"name": "greta", "role": "viewer"}, came_from="/operators/greta/password")
        assert (again.status, again.url) == (200, "/operators")
        assert "There is an operator greta already." in again.text
        async with visitor.http.get(
            f"{visitor.base}/language/en", headers={"Referer": f"{visitor.base}/operators/greta/password"}
        ) as answer:
            assert (answer.status, answer.url.path) == (200, "/operators")


async def test_an_objection_is_said_however_long_its_words_are(relay: Relay) -> None:
    async with visiting(relay) as visitor:
        shown = await visitor.post("/queue/change", {"verb": "cancel", "recipient_domain": "ж" * 5000}, came_from="/queue")
        assert "жж… is no domain." in shown.text
        said = [line for line in relay.log.read_text().splitlines() if "ж" * 400 in line]
        assert said == []


async def test_who_is_disabled_while_he_changes_his_password_stays_so(relay: Relay) -> None:
    async with visiting(relay) as admin:
        shown = await admin.post("/operators", {"name": "hugo", "role": "operator"})
        password = shown.source.partition('class="copy">')[2].partition("<")[0]
        async with visiting(relay, "") as hugo:
            await hugo.login("hugo", password)
            change = {"password": password, "new_password": "a longer password"}
            renewing = asyncio.create_task(hugo.post("/account/password", change))
            await asyncio.sleep(0.02)  # his passwords are being looked at and made
            async with changing(relay.where) as store:
                assert await store.change_operator(
                    Operator(name="hugo", password_hash="x", role=OperatorRole.VIEWER, created_at=0.0, is_disabled=True)
                )
            await renewing
        page = await admin.get("/operators")
        assert "hugo disabled viewer" in page.text


async def test_a_file_of_another_version_is_not_kept(relay: Relay) -> None:
    async with visiting(relay, "") as stranger:
        path = (await stranger.get("/login")).source.partition('href="/static/console.css')[2].partition('"')[0]
        kept = await stranger.get(f"/static/console.css{path}")
        other = await stranger.get("/static/console.css?v=0123456789abcdef")
        assert ["immutable" in shown.headers["Cache-Control"] for shown in (kept, other)] == [True, False]
        assert other.headers["Cache-Control"] == "no-store"


async def test_what_somebody_did_who_is_removed_can_be_looked_for(relay: Relay) -> None:
    async with changing(relay.where) as to:
        assert await to.add_operator(replace(OPERATORS[1], name="leaver"))
    async with visiting(relay, "leaver") as leaver, visiting(relay) as visitor:
        await leaver.post("/suppressions", {"address": "left@example.net", "reason": "manual"})
        await visitor.post("/operators/leaver/remove")
        assert '<a href="?operator=leaver">' in (await visitor.get("/audit")).source
        shown = await visitor.get("/audit?operator=leaver")
        assert '<option value="leaver" selected>' in shown.source
        assert ("left@example.net" in shown.text, "operator removed" in shown.text) == (True, False)


async def test_what_was_done_is_told_where_the_audit_log_takes_nothing_any_more(tmp_path: Path) -> None:
    """A password that was made is good: it must be seen."""
    async with running_relay(tmp_path, CRM) as (relay, _):
        await admit(relay)
        with closing(sqlite3.connect(relay.path, timeout=10)) as db:
            db.execute("CREATE TRIGGER full BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'full'); END")
            db.commit()
        async with visiting(relay) as visitor:
            shown = await visitor.post("/operators/viewer/password")
            password = shown.source.partition('class="copy">')[2].partition("<")[0]
            assert (shown.status, len(password)) == (200, 24)
            assert "password renewed viewer not known" in await entries(visitor)


async def test_the_first_operator_comes_by_the_link_of_the_journal(tmp_path: Path) -> None:
    async with running_relay(tmp_path, CRM) as (relay, _):
        link = (await relay.told("first_operator"))["link"]
        async with visiting(relay, "") as first:
            path = link.removeprefix(first.base)
            assert (await first.get("/welcome?key=other")).status == 403
            assert "The first operator" in (await first.get(path)).text
            shown = await first.post(path, {"name": "anna", "password": "short"})
            assert (shown.status, "12 characters at least" in shown.text) == (400, True)
            assert (await first.post("/welcome?key=x", {"name": "anna", "password": PASSWORD})).status == 403
            assert "anna (admin)" in (await first.post(path, {"name": "anna", "password": PASSWORD})).text
        async with visiting(relay, "") as second:
            assert (await second.get(path)).url == "/login"
            assert (await second.post(path, {"name": "mallory", "password": PASSWORD})).url == "/login"
            assert (await second.login("mallory")).status == 403
        assert await relay.stop() == 0
        await relay.start()
        assert [line for line in relay.journal() if line["event"] == "first_operator"] == [await relay.told("first_operator")]


async def test_operators_by_the_command_line(tmp_path: Path) -> None:
    async with running_relay(tmp_path, CRM) as (relay, _):
        said = (await relay.cli("operator", "add", "anna", "--role", "admin"))[1]
        password = said.split()[-1]
        async with visiting(relay, "") as anna:
            await anna.login("anna", password)
            assert (await anna.get("/operators")).status == 200
            status, said = await relay.cli("operator", "role", "anna", "viewer", check=False)
            assert (status, "nobody would be left" in said) == (2, True)
            other = (await relay.cli("operator", "password", "anna"))[1].split()[-1]
            assert (await anna.get("/")).url.startswith("/login")
            assert (await anna.login("anna", other)).status == 200
        assert "anna" in (await relay.cli("operator", "list"))[1]
        assert (await relay.cli("operator", "add", "anna", check=False))[0] == 2
        assert (await relay.cli("operator", "remove", "boris", check=False))[0] == 2
        assert (await relay.cli("operator", "add", "two words", check=False))[0] == 2
        assert await relay.stop() == 0
        assert "boris may come in" in (await relay.cli("operator", "add", "boris", "--role", "admin"))[1]
        assert "anna is removed" in (await relay.cli("operator", "remove", "anna"))[1]


async def test_without_the_console_the_listener_has_no_door(tmp_path: Path) -> None:
    settings = {"RELAY_PRIVATE__CONSOLE": "false"}
    async with running_relay(tmp_path, CRM, settings=settings) as (relay, _), visiting(relay, "") as stranger:
        assert (await stranger.get("/login")).status == 404
        assert (await stranger.get("/healthz")).status == 200


async def test_all_pages_at_once_are_answered(relay: Relay) -> None:
    async with visiting(relay) as visitor:
        shown = await asyncio.gather(*(visitor.get(path) for path in (*PAGES, *FOR_ADMINS) * 5))
        assert {each.status for each in shown} == {200}
