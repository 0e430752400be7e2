"""What is sent to webhooks: placeholders in every place, formats without what XML or JSON cannot hold, and who signs how."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from relay.bounces import LEFT, BounceClass, ComplaintClass
from relay.event import Event, EventType, Fact
from relay.event_words import EVENT_WORDS, word_for
from relay.webhooks import formats, placeholders, rules, signatures
from relay.webhooks.webhook import EVERYTHING, Format, Notice, Proof, Text, Webhook

NASTY = "\"quoted\" 'n' <b> & \\ \r\n ${event} \N{SNOWMAN} \x00\x1f %41"
CRM = Webhook(name="crm", url="https://crm.example.com/hook")


def notice(kind: EventType = EventType.CLICK, found: str = "", **said: str) -> Notice:
    said |= {"recipient": "a+b@example.net", "ses_message_id": "ses-1"}
    event = Event(type=kind, at=1763720000.1234, **said)  # type: ignore[arg-type]
    fact = Fact(
        cursor=7,
        delivery_id="0" * 25 + "1-1",
        event=event,
        found=found,
        label_id="order",
        campaign="spring",
        task=0,
        credential="app",
        sender="shop@example.com",
        list="",
        tags=(("shop", NASTY),),
    )
    return Notice(number=1, fact=fact, since=0.0, payload=b'{"eventType": "Click"}')


def template(body: str, *, url: str = "", headers: Mapping[str, str] | None = None) -> Webhook:
    texts = (Text(trigger=EVERYTHING, body=body, url=url),)
    return replace(CRM, format=Format.TEMPLATE, texts=texts, headers=tuple((headers or {}).items()))


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-amz-json-1.1; charset=utf-8", "application/a+json"]
)
def test_a_value_within_a_json_string_stays_a_value(content_type: str) -> None:
    webhook = template('{"a": "${tags.shop}", "b": "${document}"}', headers={"Content-Type": content_type})
    sent = json.loads(formats.request(webhook, [notice()]).body)
    assert sent["a"] == NASTY
    assert json.loads(sent["b"])["id"] == 7


@pytest.mark.parametrize("content_type", ["application/xml; charset=utf-8", "text/xml", "application/soap+xml", "text/html"])
def test_a_value_within_markup_stays_a_value(content_type: str) -> None:
    webhook = template('<a b="${tags.shop}">${tags.shop}</a>', headers={"Content-Type": content_type})
    found = ElementTree.fromstring(formats.request(webhook, [notice()]).body)
    assert (list(found), list(found.keys())) == ([], ["b"])
    assert all(NASTY.split(" \r")[0] in each for each in (found.text or "", found.attrib["b"]))


@pytest.mark.parametrize("body", ['{"a": "${tags.shop}"}', ' ["${tags.shop}"]'])
def test_a_body_that_looks_like_json_is_json_where_nothing_is_said(body: str) -> None:
    sent = formats.request(template(body), [notice()])
    assert NASTY in (json.loads(sent.body).values() if body.startswith("{") else json.loads(sent.body))
    assert sent.headers["Content-Type"] == "application/json"
    assert "Content-Type" not in formats.request(template("${document}"), [notice()]).headers


def test_a_value_within_a_form_stays_a_value() -> None:
    webhook = template(
        "Action=Publish&Message=${document}&a=${tags.shop}", headers={"content-type": "application/x-www-form-urlencoded"}
    )
    sent = parse_qs(formats.request(webhook, [notice()]).body.decode(), strict_parsing=True)
    assert (sent["Action"], sent["a"]) == (["Publish"], [NASTY])
    assert json.loads(sent["Message"][0])["campaign"] == "spring"


def test_a_value_within_a_url_stays_a_part_of_it() -> None:
    webhook = template("", url="https://crm.example.com/a/${tags.shop}/b?c=${tags.shop}&d=1")
    parts = urlsplit(formats.request(webhook, [notice()]).url)
    assert [unquote(part) for part in parts.path.split("/")] == ["", "a", NASTY, "b"]
    assert parse_qsl(parts.query) == [("c", NASTY), ("d", "1")]


def test_a_value_within_a_header_ends_no_header() -> None:
    [(name, value)] = formats.request(template("", headers={"X-A": "a ${tags.shop}"}), [notice()]).headers.items()
    assert name == "X-A"
    assert value.isascii()
    assert value.isprintable()


def test_a_value_that_looks_like_a_name_is_none() -> None:
    assert formats.request(template("${tags.shop}"), [notice()]).body.decode() == NASTY


def test_a_name_that_nobody_knows_stands_for_nothing() -> None:
    assert formats.request(template("[${tags.none}]${ event }"), [notice()]).body == b"[]CLICKED"


@given(st.text())
def test_any_text_can_be_written_in_xml(text: str) -> None:
    body = formats.request(replace(CRM, format=Format.DEVINO_XML), [notice(link=text)]).body
    assert ElementTree.fromstring(body)[0].findtext("event") == "CLICKED"


@given(st.text())
def test_any_text_can_be_written_in_json(text: str) -> None:
    [event] = json.loads(formats.request(CRM, [notice(link=text)]).body)["events"]
    assert event.get("url", "") == text


def test_only_the_words_that_a_format_has_are_wanted() -> None:
    delayed, own = notice(EventType.DELIVERY_DELAY).fact, notice(EventType.EXPIRED).fact
    assert [replace(CRM, format=each).wants(delayed) for each in Format] == [True, False, False, True, False]
    assert [replace(CRM, format=each).wants(own) for each in Format] == [True, False, False, False, False]
    assert not CRM.wants(notice(EventType.OTHER).fact)


def test_all_words_are_of_events_that_there_are() -> None:
    classes = ("", *BounceClass, *ComplaintClass, LEFT)
    assert {word_for(kind, found) for kind in EventType for found in classes} == {"", *EVENT_WORDS}


def test_aws_would_take_what_we_sign() -> None:
    url = "https://sns.eu-west-1.amazonaws.com/a%20b?x=1&a=%2Fb"
    webhook = replace(CRM, proof=Proof.SIGV4, user="AKIDEXAMPLE", region="eu-west-1", service="sns")
    given = {"Content-Type": "application/x-www-form-urlencoded", "X-Amz-Target": "a"}
    ours = signatures.prove(webhook, "secret", url=url, headers=given, body=b"Action=Publish", id="evt_1", at=1763720000.0)
    theirs = AWSRequest(method="POST", url=url, data=b"Action=Publish", headers={**given, "X-Amz-Date": ours["X-Amz-Date"]})
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", "secret"), "sns", "eu-west-1")
    theirs.context["timestamp"] = ours["X-Amz-Date"]
    signature = signer.signature(signer.string_to_sign(theirs, signer.canonical_request(theirs)), theirs)
    assert ours["Authorization"].rpartition("Signature=")[2] == signature


def test_basic_and_bearer() -> None:
    def of(proof: Proof, user: str = "") -> str:
        webhook = replace(CRM, proof=proof, user=user)
        return signatures.prove(webhook, "s3cret", url=CRM.url, headers={}, body=b"", id="1", at=0.0)["Authorization"]

    assert of(Proof.BEARER) == "Bearer s3cret"
    assert base64.b64decode(of(Proof.BASIC, "me").removeprefix("Basic ")) == b"me:s3cret"


def test_the_example_of_the_standard() -> None:
    """From its specification, "Symmetric": the same message, secret and time come to the same signature."""
    webhook = replace(CRM, proof=Proof.STANDARD)
    body = b'{"test": 2432232314}'
    proven = signatures.prove(
        webhook,
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        url=CRM.url,
        headers={},
        body=body,
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=1614265330.0,
    )
    assert proven["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("changes", "secret", "why"),
    [
        ({"name": "a b"}, "", "a name has"),
        ({"url": "https://${event}.example.com/"}, "", "no names before its path"),
        ({"url": "https://crm.example.com/#a"}, "", "fragments"),
        ({"url": "http://crm.example.com/", "is_private": False}, "", "said to be private (`--private`"),
        ({"url": "https://crm.example.com:99999/"}, "", "not a URL"),
        ({"url": "https://[::1/"}, "", "not a URL"),
        ({"url": "https://crm.example.com/\N{SNOWMAN}"}, "", "not a URL"),
        ({"events": frozenset({"EATEN"})}, "", "no such events"),
        ({"most": 0}, "", "1 to 1000"),
        ({"method": "GET"}, "", "may use all"),
        ({"headers": (("webhook-id", "1"),)}, "", "not for you"),
        ({"headers": (("a b", "1"),)}, "", "no header"),
        ({"texts": (Text(trigger="*", body=""),)}, "", "texts are for"),
        ({"proof": Proof.STANDARD}, "short", "whsec_"),
        ({"proof": Proof.STANDARD}, "whsec_AAAA", "24 to 64"),
        ({"proof": Proof.BEARER}, "a\nb", "printable"),
        ({"proof": Proof.BASIC, "user": "a:b"}, "x", "have a user"),
        ({"proof": Proof.SIGV4, "user": "AKID"}, "x", "a region and a service"),
    ],
)
def test_what_cannot_be_is_said(changes: dict[str, object], secret: str, why: str) -> None:
    found = list(rules.objections(replace(CRM, **changes), secret))  # type: ignore[arg-type]
    assert any(why in each for each in found), found


def test_what_can_be_has_no_objection() -> None:
    assert list(rules.objections(CRM, "")) == []
    webhook = template("${document} ${tags.any}", url="https://crm.example.com/${event}", headers={"X-A": "${campaign}"})
    assert list(rules.objections(webhook, "")) == []
    assert any("${nobody}" in each for each in rules.objections(template("${nobody}"), ""))


def test_names_are_found_however_they_are_written() -> None:
    assert placeholders.names("${a} ${ b } $${c} ${} {d}") == {"a", "b", "c", ""}
