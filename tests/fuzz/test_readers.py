"""No program that reads mail sees a forbidden file in a message that passes. `RELAY_FUZZ_MESSAGES=20000` for a long run.

The programs read the corpora, and what becomes of their messages by small changes. What one of them sees and the relay does
not is a trick that the relay must learn; the message then goes to tests/corpus/hostile.py.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from relay import attachments
from relay.credential import Attachments
from relay.errors import Refused
from relay.extensions import FORBIDDEN_EXTENSIONS
from relay.reading import media_types, mime
from tests.corpus.hostile import LOOK_ALIKES, MESSAGES
from tests.fuzz.mutations import changed

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "readers"
MODULES = ROOT / ".node/node_modules"
JARS = "/usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar"

COUNT = int(os.environ.get("RELAY_FUZZ_MESSAGES", "300"))
SEED = os.environ.get("RELAY_FUZZ_SEED", "1")
AT_ONCE = 500
DEFAULT = Attachments()

_DROPPED = re.compile("[\0-\x1f\x7f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


class Reader(NamedTuple):
    """A program, what it needs, and how it is made ready in a folder of its own."""

    name: str
    command: str
    needs: tuple[str, ...] = ()
    made: str = ""


READERS = [
    Reader("Python's email", f"{sys.executable} {HERE}/python_email.py"),
    Reader("mailparser", f"node {HERE}/mailparser.js", ("node", str(MODULES / "mailparser"))),
    Reader("Go", "./reader", ("go",), f"go build -o reader {HERE}/main.go"),
    Reader("MIME::Tools", f"perl {HERE}/mime_tools.pl", ("perl", "/usr/share/perl5/MIME/Parser.pm")),
    Reader("JavaMail", f"java -cp .:{JARS} Reader", ("javac", *JARS.split(":")), f"javac -cp {JARS} -d . {HERE}/Reader.java"),
]


def test_the_corpora_and_what_becomes_of_them_are_read_alike_each_time() -> None:
    assert messages(50) == messages(50)
    assert len(messages(50)) == len(MESSAGES) + len(LOOK_ALIKES) + 50


@pytest.mark.timeout(120 + COUNT // 5)
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_no_reader_sees_a_forbidden_file_in_what_passes(reader: Reader, tmp_path: Path) -> None:
    able_to_run(reader)
    if reader.made:
        run(reader.made, tmp_path)
    contents = messages(COUNT)
    passed = [content for content in contents if passes(content)]
    found = [(content, seen) for content, seen in read_by(reader, passed, tmp_path) if any(map(is_forbidden, seen))]
    print(f"{reader.name}: {len(contents)} messages, {len(passed)} passed, {len(found)} seen otherwise")
    assert found == []


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_each_reader_sees_the_plainest_of_forbidden_files(reader: Reader, tmp_path: Path) -> None:
    """So that a reader who sees nothing at all is not taken for one who agrees."""
    able_to_run(reader)
    if reader.made:
        run(reader.made, tmp_path)
    content = MESSAGES["name: quoted"].content
    assert [any(map(is_forbidden, seen)) for _, seen in read_by(reader, [content, content], tmp_path)] == [True, True]


def messages(count: int) -> list[bytes]:
    """The corpora, and so many changed ones."""
    originals = [case.content for case in MESSAGES.values() if len(case.content) < 64 * 1024] + list(LOOK_ALIKES.values())
    random = Random(SEED)
    whole = [case.content for case in MESSAGES.values()] + list(LOOK_ALIKES.values())
    return whole + [changed(random.choice(originals), random, originals) for _ in range(count)]


def passes(content: bytes) -> bool:
    try:
        attachments.check(content, mime.read(content), DEFAULT)
    except Refused:
        return False
    return True


def is_forbidden(seen: tuple[str, str]) -> bool:
    """As the plainest of programs would tell it."""
    name, media_type = seen
    extension = _DROPPED.sub("", name).rstrip(". ").lower().rpartition(".")[2]
    is_named = "." in name and extension in FORBIDDEN_EXTENSIONS
    return is_named or media_types.EXTENSIONS.get(media_type.lower().strip(), "") in FORBIDDEN_EXTENSIONS


def able_to_run(reader: Reader) -> None:
    for need in reader.needs:
        if not shutil.which(need) and not Path(need).exists():
            if os.environ.get("RELAY_CLIENTS") == "required":
                pytest.fail(f"{need} is not installed")
            pytest.skip(f"{need} is not installed")


def read_by(reader: Reader, contents: Sequence[bytes], folder: Path) -> Iterator[tuple[bytes, list[tuple[str, str]]]]:
    for start in range(0, len(contents), AT_ONCE):
        some = contents[start : start + AT_ONCE]
        for number, content in enumerate(some):
            (folder / f"{number}.eml").write_bytes(content)
        lines = (
            run(" ".join((reader.command, *(f"{number}.eml" for number in range(len(some))))), folder).strip("\n").split("\n")
        )
        assert len(lines) == len(some)
        for content, line in zip(some, lines, strict=True):
            yield content, [(name, media_type) for name, media_type in json.loads(line)]


def run(command: str, folder: Path) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "NODE_PATH": str(MODULES),
        "GOPATH": str(folder / "go"),
        "GOFLAGS": "-modcacherw",
    }
    done = subprocess.run(command.split(), cwd=folder, env=environment, capture_output=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout.decode("utf-8", "replace")
