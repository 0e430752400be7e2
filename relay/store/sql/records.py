"""Rows of messages, deliveries and flows, and the nouns made of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from relay.credential import MessageClass
from relay.model import Delivery, Edit, Encoding, Flow, Labels, Lane, Message, Place, State
from relay.writing.macros import WEB_VERSION

_DELIVERY = ["message_id", "number", "recipient", "state", "due_at", "expires_at", "attempt", "failures", "reason", "fields"]
MESSAGE_COLUMNS = """id accepted_at credential sender header_from client_message_id subject peer size digest edits
    has_links lasts label_id    campaign list message_class send_at expires_at tags ses_tags configuration_set task""".split()
DELIVERY = ", ".join(f"d.{column}" for column in _DELIVERY)
MESSAGE = ", ".join(f"m.{column}" for column in MESSAGE_COLUMNS)
DELIVERY_WIDTH, MESSAGE_WIDTH = len(_DELIVERY), len(MESSAGE_COLUMNS)
FLOW = "f.id, f.lane, f.credential, f.identity, f.configuration_set, f.task"
DUE_AT = "CASE WHEN m.send_at > m.accepted_at THEN m.send_at ELSE m.accepted_at END"  # from which a message might be sent
# As the indexes have them: SQLite uses one of a part of the rows only where the query says so in the same words.
OPEN = "('queued', 'sending', 'in_doubt')"
CALLED = "('sending', 'in_doubt')"


_NO_LABELS = Labels()
_NOTHING_SAID = ("", "", "", "", 0.0, 0.0, "[]", "[]", "")


def delivery_of(row: tuple[Any, ...]) -> Delivery:
    """A delivery out of the columns of `DELIVERY`."""
    return Delivery(
        message_id=row[0],
        number=row[1],
        recipient=row[2],
        state=State(row[3]),
        due_at=row[4],
        expires_at=row[5],
        attempt=row[6],
        failures=row[7],
        reason=row[8],
        fields=row[9],
    )


def message_of(row: tuple[Any, ...]) -> Message:
    """A message out of the columns of `MESSAGE`."""
    return Message(
        id=row[0],
        accepted_at=row[1],
        credential=row[2],
        sender=row[3],
        header_from=row[4],
        client_message_id=row[5],
        subject=row[6],
        peer=row[7],
        size=row[8],
        digest=row[9],
        edits=tuple(_edit_of(*fields) for fields in json.loads(row[10])),
        labels=_labels_of(*row[13 : MESSAGE_WIDTH - 1]),
        task=row[MESSAGE_WIDTH - 1],
    )


def message_row(message: Message) -> tuple[Any, ...]:
    """The values of `MESSAGE_COLUMNS`."""
    labels = message.labels
    return (
        message.id,
        message.accepted_at,
        message.credential,
        message.sender,
        message.header_from,
        message.client_message_id,
        message.subject,
        message.peer,
        message.size,
        message.digest,
        json.dumps([_edit_row(edit) for edit in message.edits]),
        int(bool(message.links)),
        lasts(message),
        labels.id,
        labels.campaign,
        labels.list,
        labels.message_class,
        labels.send_at,
        labels.expires_at,
        json.dumps(labels.tags) if labels.tags else "[]",
        json.dumps(labels.ses_tags) if labels.ses_tags else "[]",
        labels.configuration_set,
        message.task,
    )


def lasts(message: Message) -> int:
    """1 if its content is kept for longer than others'."""
    return int(WEB_VERSION in message.links)


def flow_of(row: Sequence[Any]) -> Flow:
    """A flow out of the columns of `FLOW`."""
    return Flow(
        id=row[0],
        lane=Lane.BULK if row[1] == Lane.BULK else Lane.TRANSACTIONAL,
        credential=row[2],
        identity=row[3],
        configuration_set=row[4],
        task=row[5],
    )


def _labels_of(*row: Any) -> Labels:
    """Out of the last columns of `MESSAGE`."""
    if row == _NOTHING_SAID:
        return _NO_LABELS
    return Labels(
        id=row[0],
        campaign=row[1],
        list=row[2],
        message_class=MessageClass(row[3]),
        send_at=row[4],
        expires_at=row[5],
        tags=pairs(row[6]),
        ses_tags=pairs(row[7]),
        configuration_set=row[8],
    )


def pairs(document: str) -> tuple[tuple[str, str], ...]:
    """Names and values out of a JSON array of arrays."""
    return tuple((name, value) for name, value in json.loads(document))


def _edit_row(edit: Edit) -> tuple[Any, ...]:
    """Most edits end where the rest is as usual."""
    row: tuple[Any, ...] = (edit.start, edit.end, edit.text.decode("latin-1"), edit.decode, edit.encode)
    if edit.links or edit.footer or edit.fields:
        row = (*row, edit.links, edit.footer.decode("latin-1"), edit.footer_at)
    return (*row, edit.fields, edit.place) if edit.fields else row


def _edit_of(
    start: int,
    end: int,
    text: str,
    decode: str,
    encode: str,
    links: Sequence[str] = (),
    footer: str = "",
    footer_at: int = 0,
    fields: Sequence[str] = (),
    place: str = Place.TEXT,
) -> Edit:
    octets, encodings = text.encode("latin-1"), (Encoding(decode), Encoding(encode))
    return Edit(start, end, octets, *encodings, tuple(links), footer.encode("latin-1"), footer_at, tuple(fields), Place(place))
