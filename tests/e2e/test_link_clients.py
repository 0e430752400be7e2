"""Mail with macros as clients make it: it arrives with links that work, and otherwise with the same parts."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.corpus.ordinary import FOLDER
from tests.e2e.clients.table import LIBRARIES, Client
from tests.e2e.readers import Scene, running_scene, texts
from tests.e2e.test_clients import able_to_run, run
from tests.harness import arrived, submit
from tests.ports import reserved_port

TEXT = "In a browser: [WebVersion]\n\nGröße 42\n\nLeave: [Unsubscribe]\n"
HTML = (
    '<html><body><p><a href="[WebVersion]">In a browser</a></p>'
    + "<p>Größe 42 = Größe XL.</p>" * 60
    + '<p><img src="cid:logo" alt=""><a href="[Unsubscribe]">Leave</a></p></body></html>\n'
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
MACRO = re.compile(rb"(?:http://)?(?:\[|%5B|&#91;)(Unsubscribe|WebVersion)(?:\]|%5D|&#93;)/?")
LINK = re.compile(rb"http://127\.0\.0\.1:\d+(/([uw])/[A-Za-z0-9_=-]{52})")
PAGES = {b"Unsubscribe": b"u", b"WebVersion": b"w"}
# RFC 6376 5.4.1, and RFC 8058 4.
SIGNED = (
    "From Reply-To Subject Date To Message-ID MIME-Version Content-Type List-Unsubscribe List-Unsubscribe-Post List-Id".split()
)


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    with reserved_port() as port:
        async with running_scene(tmp_path_factory.mktemp("clients"), port) as scene:
            yield scene


def parsed(raw: bytes) -> EmailMessage:
    found = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def shape(raw: bytes) -> list[tuple[object, ...]]:
    """Each part's type with its parameters, its name and its identifier."""
    return [
        (part.get_content_type(), part.get_content_charset(), part.get_boundary(), part.get_filename(), part["Content-ID"])
        for part in parsed(raw).walk()
    ]


def bodies(raw: bytes) -> list[bytes]:
    """What the leaves decode to, with the line ends of Unix."""
    leaves = (part.get_payload(decode=True) for part in parsed(raw).walk() if not part.is_multipart())
    return [octets.replace(b"\r\n", b"\n").rstrip(b"\n") for octets in leaves if isinstance(octets, bytes)]


async def has_links_and_is_the_same_otherwise(scene: Scene, raw: bytes, sent: bytes) -> None:
    links = {match[2]: match for match in LINK.finditer(texts(raw))}
    assert links.keys() == {b"u", b"w"}
    expected = [MACRO.sub(lambda macro: links[PAGES[macro[1]]][0], body) for body in bodies(sent)]
    assert expected != bodies(sent)
    assert (shape(raw), bodies(raw)) == (shape(sent), expected)
    header = parsed(raw)
    assert [name for name in SIGNED if len(header.get_all(name, [])) > 1] == []
    for link in links.values():
        assert (await scene.ask("GET", link[1].decode()))[0] == 200


@pytest.mark.parametrize("door", ["submission", "submissions"])
@pytest.mark.parametrize("name", ["PHPMailer", "Nodemailer"])
async def test_what_a_library_makes(scene: Scene, tmp_path: Path, name: str, door: str) -> None:
    [client] = [client for client in LIBRARIES if client.name == name]
    able_to_run(client)
    (tmp_path / "text").write_text(TEXT)
    (tmp_path / "html").write_text(HTML)
    (tmp_path / "image").write_bytes(PNG)
    raw, sent = await sent_by(scene, client, door, tmp_path)
    assert len(shape(sent)) >= 6
    await has_links_and_is_the_same_otherwise(scene, raw, sent)


async def sent_by(scene: Scene, client: Client, door: str, folder: Path) -> tuple[bytes, bytes]:
    """What the far side got, and what the client says that it sent."""
    before = len(scene.cloud.calls)
    said = await run(client, door, scene.relay, folder, folder)
    return await arrived(scene.relay, scene.cloud, before + 1), client.sent(folder, said)


def in_outlook(content: bytes) -> bytes:
    """It writes http:// before what is entered as the address of a link, and percent-encodes some of them."""
    links = b'<a href=3D"http://[Unsubscribe]">Abbestellen</a> <a href=3D"http://%5BW=\r\nebVersion%5D/">Im Browser</a>'
    plain, html = b"Gr=F6=DFe 42 ist wieder da.\r\n", b"Gr=F6=DFe 42 ist wieder da.<o:p>"
    assert content.count(plain) == content.count(html) == 1
    content = content.replace(plain, plain + b"Abbestellen <http://[Unsubscribe]>=20\r\n")
    return content.replace(html, links + html)


def in_thunderbird(content: bytes) -> bytes:
    plain, html = "*Größe 42* ist wieder da.\r\n".encode(), b"</b> ist wieder da."
    assert content.count(plain) == content.count(html) == 1
    content = content.replace(plain, plain + b"Abbestellen: [Unsubscribe] \r\n")
    return content.replace(html, b'<a moz-do-not-send="true" href="[WebVersion]">Im Browser</a>' + html)


SHAPES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "Outlook": ("outlook-related.eml", in_outlook),
    "Thunderbird": ("thunderbird-inline.eml", in_thunderbird),
}


@pytest.mark.parametrize("login", ["app", "news", "replacing"])
@pytest.mark.parametrize("client", SHAPES)
async def test_what_a_person_writes(scene: Scene, client: str, login: str) -> None:
    name, with_macros = SHAPES[client]
    content = with_macros((FOLDER / name).read_bytes())
    before = len(scene.cloud.calls)
    with scene.relay.smtp(login=login) as smtp:
        await asyncio.to_thread(submit, smtp, content)
    await has_links_and_is_the_same_otherwise(scene, await arrived(scene.relay, scene.cloud, before + 1), content)
