"""A bomb is answered in good time and with little memory. Each is judged in a process of its own, whose memory is seen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus.bombs import BOMBS

SECONDS = 5
SECONDS_ON_LOOP = 1  # of the processor: all others wait
ON_LOOP = 64 * 1024  # octets
MEGABYTES = 150

_JUDGED = """
import json, mmap, re, sys, time
from relay import attachments
from relay.reading import mime
from relay.errors import Refused
from relay.credential import Attachments
from relay.writing import edits

rules = Attachments(lists_archives=True, encrypted_archives=False)


def memory(kind):
    with open("/proc/self/status") as status:
        return int(re.search(kind + r":\\s+([0-9]+) kB", status.read())[1]) / 1024


with open(sys.argv[1], "rb") as file:
    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if int(sys.argv[2]) else file.read()
before, start = memory("VmRSS"), time.process_time()
try:
    parsed = mime.read(content)
    attachments.check(content, parsed, rules)
    edits.needed(content, parsed, message_id="0" * 26, hostname="relay.example.com", protocol="ESMTP", now=start)
    said = "passes"
except Refused as refused:
    said = type(refused).__name__
print(json.dumps([said, time.process_time() - start, memory("VmHWM") - before]))
"""


@pytest.mark.parametrize("title", BOMBS)
def test_a_bomb_is_answered(title: str, tmp_path: Path) -> None:
    file = tmp_path / "bomb.eml"
    file.write_bytes(BOMBS[title]())
    is_large = file.stat().st_size > ON_LOOP
    words = (sys.executable, "-c", _JUDGED, str(file), str(int(is_large)))
    done = subprocess.run(words, capture_output=True, check=True, timeout=60)
    said, seconds, megabytes = json.loads(done.stdout)
    print(f"{title}: {file.stat().st_size >> 20} MB, {said} in {seconds:.2f} s, +{megabytes:.0f} MB")
    assert seconds <= (SECONDS if is_large else SECONDS_ON_LOOP)
    assert megabytes <= MEGABYTES
