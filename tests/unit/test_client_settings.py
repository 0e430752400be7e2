"""Settings to copy: nothing in them but what the doors and scopes allow, and no name breaks out of its quotes."""

from __future__ import annotations

import ast
import json
import shlex
from dataclasses import replace

import pytest

from relay.credential import Credential, Scope
from relay.web.console.client_settings import Doors, example_sender, snippets
from tests.harness import APPLICATION, CRM

DOORS = Doors(host="relay.example.com", starttls="587", tls="465", api="http://127.0.0.1:8081")
ODD = 'o\'brien "x" \\ $HOME `id` </pre><img src=x>'


def of(login: Credential = CRM, doors: Doors = DOORS) -> dict[str, str]:
    return {snippet.title: snippet.text for snippet in snippets(doors, login)}


def test_they_are_for_what_a_login_may_be_used_for() -> None:
    by_smtp, all_ = set(of(APPLICATION)), set(of(CRM))
    assert all_ - by_smtp == {"curl: HTTP API"}
    assert set(of(replace(CRM, scopes=frozenset({Scope.MESSAGES})))) == {"curl: HTTP API"}
    assert of(replace(CRM, scopes=frozenset({Scope.EVENTS}))) == {}


def test_they_are_for_doors_that_are_open() -> None:
    assert set(of(doors=replace(DOORS, api=""))) == set(of(APPLICATION))
    assert set(of(doors=replace(DOORS, starttls="", tls=""))) == {"curl: HTTP API"}
    only_tls = of(doors=replace(DOORS, starttls=""))
    assert set(of()) - set(only_tls) == {".NET: System.Net.Mail"}
    assert "587" not in "".join(only_tls.values())
    for title, word in {
        "Outlook": "Encryption method: SSL/TLS",
        "WordPress: WP Mail SMTP": "define( 'WPMS_SSL', 'ssl' );",
        "Django": "EMAIL_USE_SSL = True",
        ".NET: MailKit": "SecureSocketOptions.SslOnConnect",
        "PHPMailer": "ENCRYPTION_SMTPS",
        "swaks": "--tls-on-connect",
    }.items():
        assert word in only_tls[title]
        assert "465" in only_tls[title]
        assert word not in of()[title]


def test_the_lines_of_django_are_python_and_those_of_a_shell_are_words() -> None:
    found = of(replace(CRM, name=ODD))
    module = ast.parse(found["Django"])
    values = {each.targets[0].id: ast.literal_eval(each.value) for each in module.body}  # type: ignore[attr-defined]
    assert (values["EMAIL_HOST_USER"], values["EMAIL_PORT"], values["EMAIL_USE_TLS"]) == (ODD, 587, True)
    words = shlex.split(found["swaks"])
    assert words[words.index("--auth-user") + 1] == ODD
    words = shlex.split(found["curl: HTTP API"])
    assert words[words.index("--user") + 1] == f"{ODD}:PASSWORD"
    assert json.loads(words[words.index("--data") + 1])["Sender"] == {"Address": "mail@example.com"}
    assert words[-1] == "http://127.0.0.1:8081/email/v1/Messages"
    assert json.dumps(ODD) in found[".NET: MailKit"]
    assert "'o\\'brien \"x\" \\\\ $HOME" in found["PHPMailer"]


@pytest.mark.parametrize(
    ("senders", "example"),
    [
        ((), "mail@example.com"),
        (("@example.org",), "mail@example.org"),
        (("@*.example.org",), "mail@news.example.org"),
        (("@example.org", "shop@example.com"), "shop@example.com"),
        (("@*.example.org", "@example.com"), "mail@news.example.org"),
    ],
)
def test_the_example_is_one_that_the_login_may_use(senders: tuple[str, ...], example: str) -> None:
    assert example_sender(replace(CRM, senders=senders)) == example
