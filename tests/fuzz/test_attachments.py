"""Whatever comes in, the reader of messages and the judge of attachments answer, or refuse; they never stumble.

`RELAY_FUZZ_SECONDS=600` for the long run.
"""

from __future__ import annotations

import os
import time
from random import Random

import pytest

from relay import attachments
from relay.credential import Attachments
from relay.errors import Refused
from relay.extensions import FORBIDDEN_EXTENSIONS
from relay.reading import mime
from tests.corpus import files
from tests.corpus.hostile import LOOK_ALIKES, MESSAGES, attached
from tests.fuzz.mutations import changed

SECONDS = float(os.environ.get("RELAY_FUZZ_SECONDS", "3"))
SEED = os.environ.get("RELAY_FUZZ_SEED", "1")
POLICIES = [
    Attachments(lists_archives=True, encrypted_archives=False),
    Attachments(permitted=FORBIDDEN_EXTENSIONS, only=frozenset(("pdf", "zip", "image/*", "magic:elf"))),
    Attachments(permitted=FORBIDDEN_EXTENSIONS),
]
# What is taken apart octet by octet; its octets are changed before they are encoded.
STREAMS = [
    files.tnef("offer.pdf", long_name="Our offer.pdf", data=b"%PDF", within=files.tnef("a.pdf")),
    files.zipped("a.pdf", "b.pdf", is_encrypted=True),
    files.RAR4_PLAIN,
    files.RAR5_PLAIN,
    files.SEVEN_ZIP_PLAIN,
    files.DOCUMENT,
    files.PROGRAM,
    files.binhexed("a.pdf", b"\x90\x00\x90\x05xyz"),
    files.yencoded("a.pdf", b"xyz=="),
    files.uuencoded("a.pdf", b"xyz"),
]


@pytest.mark.timeout(SECONDS + 60)
def test_nothing_but_a_refusal_comes_out() -> None:
    random, count, refused = Random(SEED), 0, 0
    originals = [case.content for case in MESSAGES.values() if len(case.content) < 64 * 1024] + list(LOOK_ALIKES.values())
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        content = changed(random.choice(originals), random, originals) if count % 2 else attached(octets_changed(random))
        count += 1
        for rules in POLICIES:
            try:
                attachments.check(content, mime.read(content), rules)
            except Refused:
                refused += 1
    print(f"{count} messages, {refused} refusals by {len(POLICIES)} policies")
    assert 0 < refused < count * len(POLICIES)


def octets_changed(random: Random) -> bytes:
    octets = bytearray(random.choice(STREAMS))
    for _ in range(random.randrange(8)):
        octets[random.randrange(len(octets))] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
    return bytes(octets[: random.randrange(len(octets) + 1)] if random.random() < 0.2 else octets)
