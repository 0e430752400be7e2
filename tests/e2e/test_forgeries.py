"""What is forged is refused, and makes us ask nobody but SNS: the webhook over real sockets, with a trap where they point to.

Every connection and every look-up of a name in this process is seen by an audit hook; names are not looked up at all.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509

from relay.aws.certificates import FetchedCertificates, PinnedCertificate
from relay.bounces import DEFAULT_RULES
from relay.errors import TryAgain
from relay.feedback import Feedback
from relay.listening import Listening
from relay.sandbox.sns import _SIGNED_OF_CONFIRMATION, _SIGNED_OF_NOTIFICATION, Topic
from relay.security.certificates import make_signing_pair
from relay.store.sqlite.store import SqliteStore
from relay.web.callbacks.refusals import RefusedPosts
from relay.web.callbacks.sns import Door, Webhook
from relay.web.server import HttpServer
from tests.harness import TOPIC
from tests.store.kit import database

SNS = "sns.us-east-1.amazonaws.com"
PEM = "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"

_asked: set[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Names that are looked up, of which none is; addresses that are connected to."""
    if _asked is None:
        return
    if event == "socket.getaddrinfo" and arguments[0] != "127.0.0.1":
        _asked.add(str(arguments[0]))
        raise OSError("no name is looked up here")
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        _asked.add(f"{arguments[1][0]}:{arguments[1][1]}")


sys.addaudithook(_watch)


class Certificates:
    """SNS's own, as the relay fetches it; none comes, for nobody is there. Or that of the test."""

    def __init__(self, pinned: PinnedCertificate) -> None:
        self._fetched = FetchedCertificates()
        self._pinned = pinned

    async def get(self, url: str) -> x509.Certificate:
        with pytest.raises(TryAgain):
            await self._fetched.get(url)
        return await self._pinned.get(url)


class Confirmations:
    def __init__(self) -> None:
        self.tokens: list[str] = []

    async def confirm(self, topic_arn: str, token: str) -> None:
        self.tokens.append(token)


@dataclass
class Scene:
    url: str
    topic: Topic
    stranger: Topic
    trap: str
    confirmations: Confirmations
    folder: Path

    def signed(self, message: str = "{}", **envelope: str) -> dict[str, Any]:
        return self.topic.sign(self.topic._envelope("Notification", message) | envelope, _SIGNED_OF_NOTIFICATION)

    def confirmation(
        self, kind: str = "SubscriptionConfirmation", *, by: Topic | None = None, **changes: str
    ) -> dict[str, Any]:
        topic = by or self.topic
        envelope = topic._envelope(kind, "You have chosen") | {"Token": "t", "SubscribeURL": f"https://{SNS}/"} | changes
        return topic.sign(envelope, _SIGNED_OF_CONFIRMATION)

    async def post(self, body: bytes, headers: dict[str, str]) -> int:
        async with aiohttp.ClientSession() as http, http.post(self.url, data=body, headers=headers) as answer:
            return answer.status


def topic(folder: Path, name: str, *, arn: str = TOPIC) -> Topic:
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    make_signing_pair(key_file=key, certificate_file=certificate, name=name, now=time.time())
    return Topic(arn=arn, key_file=key, endpoint="")


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("forgeries")
    ours, stranger = topic(folder, "sns"), topic(folder, "stranger")
    store = await SqliteStore.open(database(folder))
    confirmations = Confirmations()
    feedback = Feedback(
        store=store.feedback,
        certificates=Certificates(PinnedCertificate(folder / "sns.pem")),
        sns=confirmations,
        clock=time.time,
        listening=Listening(time.time()),
        rules=DEFAULT_RULES,
        topics=[TOPIC],
        versions=["1", "2"],
    )
    server = HttpServer("callbacks", Webhook(feedback, Door(), RefusedPosts(time.time)).routes())
    port = await server.listen("127.0.0.1", 0, tls=None)
    try:
        with socket.create_server(("127.0.0.1", 0)) as trap:
            trap.setblocking(False)
            at = f"127.0.0.1:{trap.getsockname()[1]}"
            yield Scene(f"http://127.0.0.1:{port}/sns", ours, stranger, at, confirmations, folder)
            trap.accept()  # of the last test
            with pytest.raises(BlockingIOError):
                trap.accept()
    finally:
        await server.stop()
        await store.close()


Forgery = Callable[[Scene], tuple[bytes, dict[str, str]]]


def raw(body: bytes, **headers: str) -> Forgery:
    return lambda scene: (body, headers)


def changed(**changes: object) -> Forgery:
    """A genuine notification with some keys replaced."""
    return lambda scene: (json.dumps(scene.signed() | changes).encode(), {})


def certificate_at(url: str) -> Forgery:
    """Its certificate elsewhere; TRAP is where somebody waits for us."""
    return lambda scene: (json.dumps(scene.signed() | {"SigningCertURL": url.replace("TRAP", scene.trap)}).encode(), {})


def made(envelope: Callable[[Scene], dict[str, Any]], **headers: str) -> Forgery:
    return lambda scene: (json.dumps(envelope(scene)).encode(), headers)


def encoded(codec: str) -> Forgery:
    return lambda scene: (json.dumps(scene.signed()).encode(codec), {})


def without(key: str) -> Forgery:
    return made(lambda scene: {name: value for name, value in scene.signed().items() if name != key})


def of_stranger(scene: Scene) -> dict[str, Any]:
    return scene.stranger.sign(scene.stranger._envelope("Notification", "{}"), _SIGNED_OF_NOTIFICATION)


CERTIFICATES = [
    "",
    "https://TRAP/SimpleNotificationService-x.pem",
    "http://TRAP/SimpleNotificationService-x.pem",
    f"http://{SNS}/{PEM}",
    f"ftp://{SNS}/{PEM}",
    f"//{SNS}/{PEM}",
    "file:///etc/passwd",
    "file:///SimpleNotificationService-x.pem",
    "data:application/x-pem-file,SimpleNotificationService-x.pem",
    f"https://{SNS}@TRAP/{PEM}",
    f"https://TRAP@{SNS}/{PEM}",
    f"https://user:password@{SNS}/{PEM}",
    f"https://TRAP/{SNS}/{PEM}",
    f"https://TRAP#{SNS}/{PEM}",
    f"https://TRAP?{SNS}/{PEM}",
    f"https://TRAP\\@{SNS}/{PEM}",
    f"https://{SNS}\\@TRAP/{PEM}",
    f"https://{SNS}.evil.example/{PEM}",
    f"https://evil-{SNS}/{PEM}",
    f"https://{SNS}:8443/{PEM}",
    f"https://{SNS}:443/{PEM}",
    f"https://{SNS}./{PEM}",
    f"https://s3.amazonaws.com/{SNS}/{PEM}",
    "https://sns.us-east-1.s3.amazonaws.com/SimpleNotificationService-x.pem",
    "https://sns..amazonaws.com/SimpleNotificationService-x.pem",
    "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-x.pem",
    "https://sns.us-east-1.amazonaws.com.cn/SimpleNotificationService-x.pem",
    f"https://{SNS}/{PEM}?x=1",
    f"https://{SNS}/{PEM}#x",
    f"https://{SNS}/{PEM}/",
    f"https://{SNS}/../{PEM}",
    f"https://{SNS}/x/{PEM}",
    f"https://{SNS}/SimpleNotificationService-%2e%2e.pem",
    f"https://{SNS}/SimpleNotificationService-x.pem%00.txt",
    f"https://{SNS}/x.pem",
    f"https://{SNS}/{PEM}\n",
    f" https://{SNS}/{PEM}",
    f"https://{SNS}\t/{PEM}",
    f"https://{SNS}\0/{PEM}",
    f"https://\u017fns.us-east-1.amazonaws.com/{PEM}",
    f"https://sns.us-east-1.amazonaws。com/{PEM}",
    "https://[::1]/SimpleNotificationService-x.pem",
    "https://2130706433/SimpleNotificationService-x.pem",
]

# What is refused before any certificate is asked for.
AT_ONCE: dict[str, tuple[Forgery, int]] = {
    **{f"a certificate at {url!r}": (certificate_at(url), 403) for url in CERTIFICATES},
    "another topic": (changed(TopicArn=f"{TOPIC}-2"), 403),
    "a topic of another account": (changed(TopicArn=TOPIC.replace("123456789012", "210987654321")), 403),
    "a topic of another region": (changed(TopicArn=TOPIC.replace("us-east-1", "eu-west-1")), 403),
    "a topic in other letters": (changed(TopicArn=TOPIC.upper()), 403),
    "a topic with a space": (changed(TopicArn=f"{TOPIC} "), 403),
    "a topic that looks like ours": (changed(TopicArn=TOPIC.replace("relay", "r\u0435lay")), 403),
    "a list of topics": (changed(TopicArn=[TOPIC]), 400),
    "an unknown version": (changed(SignatureVersion="3"), 403),
    "no version": (changed(SignatureVersion=""), 403),
    "a version as a number": (changed(SignatureVersion=2), 400),
    "a signature that is no base64": (changed(Signature="%%%"), 400),
    "a signature as a list": (changed(Signature=["x"]), 400),
    "a confirmation of a stranger's topic": (
        made(lambda scene: scene.confirmation(TopicArn=f"{TOPIC}-2", SubscribeURL=f"https://{scene.trap}/")),
        403,
    ),
    "a confirmation whose certificate is elsewhere": (
        made(lambda scene: scene.confirmation() | {"SigningCertURL": f"https://{scene.trap}/{PEM}"}),
        403,
    ),
    "a type that nobody knows": (changed(Type="Greeting"), 400),
    "a type in other letters": (changed(Type="notification"), 400),
    "types": (changed(Type=["Notification"]), 400),
    "a notification that says it is a confirmation": (changed(Type="SubscriptionConfirmation"), 400),
    "a message that is no text": (changed(Message={"eventType": "Bounce"}), 400),
    "half a pair of surrogates": (changed(Message="\ud800"), 400),
    **{f"no {key}": (without(key), 400) for key in ("Type", "MessageId", "TopicArn", "Message", "Timestamp", "Signature")},
    "nothing": (raw(b""), 400),
    "no JSON": (raw(b"Type=Notification"), 400),
    "a list": (raw(b"[]"), 400),
    "null": (raw(b"null"), 400),
    "a number": (raw(b"7"), 400),
    "text": (raw(b'"Notification"'), 400),
    "lists in lists, 10,000 deep": (raw(b"[" * 10_000 + b"]" * 10_000), 400),
    "objects in objects, 10,000 deep": (raw(b'{"Type":' * 10_000 + b"1" + b"}" * 10_000), 400),
    "octets that are not UTF-8": (raw(b'{"Type": "\xff"}'), 400),
    "UTF-16": (encoded("utf-16"), 400),
    "UTF-32": (encoded("utf-32"), 400),
    "a byte order mark": (encoded("utf-8-sig"), 400),
    "more than 256 KB": (raw(b"x" * (256 * 1024 + 1)), 413),
    "gzip": (raw(b"\x1f\x8b", **{"Content-Encoding": "gzip"}), 415),
    "deflate": (made(lambda scene: scene.signed(), **{"Content-Encoding": "deflate"}), 415),
    "an event as raw delivery": (
        raw(
            b'{"eventType": "Bounce", "mail": {}}',
            **{"x-amz-sns-rawdelivery": "true", "x-amz-sns-topic-arn": TOPIC, "x-amz-sns-message-id": "0" * 36},
        ),
        403,
    ),
    "an event as it is": (raw(b'{"eventType": "Bounce", "mail": {}}'), 400),
}

# What a certificate is needed for, to see that it is forged.
BY_SIGNATURE: dict[str, tuple[Forgery, int]] = {
    **{f"another {key}": (changed(**{key: "x"}), 403) for key in ("Message", "MessageId", "Subject", "Timestamp")},
    "a bounce in the place of what was signed": (changed(Message='{"eventType": "Bounce"}'), 403),
    "a message with one more line end": (made(lambda scene: scene.signed("{}") | {"Message": "{}\n"}), 403),
    "a stranger's key": (made(of_stranger), 403),
    "a stranger's confirmation": (made(lambda scene: scene.confirmation(by=scene.stranger)), 403),
    "another version than was signed": (changed(SignatureVersion="1"), 403),
    "an empty signature": (changed(Signature=""), 403),
    "a signature of zeros": (changed(Signature="A" * 342 + "=="), 403),
    "a confirmation that would have us visit somebody": (
        made(lambda scene: scene.confirmation() | {"SubscribeURL": f"https://{scene.trap}/"}),
        403,
    ),
    "a confirmation with another token": (made(lambda scene: scene.confirmation() | {"Token": "another"}), 403),
    "an end of the subscription that nobody signed": (
        made(lambda scene: scene.confirmation("UnsubscribeConfirmation") | {"Message": "x"}),
        403,
    ),
    "a confirmation made an end": (
        made(lambda scene: scene.confirmation() | {"Type": "UnsubscribeConfirmation"}),
        403,
    ),
    "a header that says it is something else": (
        made(
            lambda scene: scene.signed() | {"Message": "x"},
            **{"x-amz-sns-message-type": "SubscriptionConfirmation", "x-amz-sns-topic-arn": TOPIC},
        ),
        403,
    ),
}


async def refused(scene: Scene, forgery: Forgery) -> tuple[int, set[str]]:
    """The status, and who was asked but the webhook itself."""
    global _asked
    body, headers = forgery(scene)
    _asked = set()
    try:
        status = await scene.post(body, headers)
    finally:
        asked, _asked = _asked, None
    return status, asked - {scene.url.removeprefix("http://").removesuffix("/sns")}


async def rows(scene: Scene) -> int:
    store = await SqliteStore.open_to_read(database(scene.folder))
    try:
        counted = await store._reader.rows("SELECT (SELECT count(*) FROM notifications) + count(*) FROM events")
        return int(next(iter(counted))[0])
    finally:
        await store.close()


@pytest.mark.parametrize(("forgery", "status"), AT_ONCE.values(), ids=AT_ONCE.keys())
async def test_a_forgery_is_refused_and_nobody_is_asked(scene: Scene, forgery: Forgery, status: int) -> None:
    before = await rows(scene)
    assert await refused(scene, forgery) == (status, set())
    assert (await rows(scene), scene.confirmations.tokens) == (before, [])


@pytest.mark.parametrize(("forgery", "status"), BY_SIGNATURE.values(), ids=BY_SIGNATURE.keys())
async def test_a_forged_signature_is_refused_and_sns_alone_is_asked(scene: Scene, forgery: Forgery, status: int) -> None:
    before = await rows(scene)
    assert await refused(scene, forgery) == (status, {SNS})
    assert (await rows(scene), scene.confirmations.tokens) == (before, [])


async def test_there_are_more_than_sixty() -> None:
    assert len(AT_ONCE) + len(BY_SIGNATURE) > 60


async def test_what_is_genuine_passes_the_same_door_and_nobody_else_is_asked(scene: Scene) -> None:
    before = await rows(scene)
    assert await refused(scene, made(lambda scene: scene.signed() | {"UnsubscribeURL": f"https://{scene.trap}/"})) == (
        200,
        {SNS},
    )
    visit = made(lambda scene: scene.confirmation(Token="genuine", SubscribeURL=f"https://{scene.trap}/"))
    assert await refused(scene, visit) == (200, {SNS})
    assert await rows(scene) == before + 2
    assert scene.confirmations.tokens == ["genuine"]
    scene.confirmations.tokens.clear()


async def test_the_trap_would_have_caught_us(scene: Scene) -> None:
    """Somebody who visits it is seen."""
    global _asked
    _asked = set()
    try:
        _, writer = await asyncio.open_connection(*scene.trap.split(":"))
        writer.close()
        with pytest.raises(OSError, match="no name is looked up"):
            await asyncio.open_connection("evil.example", 443)
    finally:
        asked, _asked = _asked, None
    assert asked == {scene.trap, "evil.example"}
