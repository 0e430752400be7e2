"""None of the hostile messages passes, each is refused for the right reason, and what looks like them is ordinary."""

from __future__ import annotations

import pytest

from relay import attachments
from relay.credential import Attachments
from relay.errors import AttachmentNotAllowed, Malformed
from relay.reading import mime
from tests.corpus.hostile import LOOK_ALIKES, MALFORMED, MESSAGES

DEFAULT = Attachments()


def refusal(content: bytes) -> str | None:
    """The type that is refused, MALFORMED, or None if it passes."""
    try:
        attachments.check(content, mime.read(content), DEFAULT)
    except AttachmentNotAllowed as refused:
        return refused.subject
    except Malformed:
        return MALFORMED
    return None


def test_the_corpus_is_large() -> None:
    assert len(MESSAGES) >= 350


@pytest.mark.parametrize("title", MESSAGES)
def test_a_hostile_message_is_refused_for_what_it_is(title: str) -> None:
    assert refusal(MESSAGES[title].content) == MESSAGES[title].refused


@pytest.mark.parametrize("title", LOOK_ALIKES)
def test_what_looks_like_it_and_is_ordinary_passes(title: str) -> None:
    content = LOOK_ALIKES[title]
    attachments.check(content, mime.read(content), DEFAULT)
