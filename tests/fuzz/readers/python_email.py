"""What Python's email sees: each file on the command line, one line of JSON with [name, type] for each part."""

from __future__ import annotations

import json
import sys
from email import message_from_bytes, policy
from email.message import Message
from pathlib import Path
from typing import Any


def seen(message: Message[Any, Any]) -> list[list[str]]:
    found = []
    for part in message.walk():
        try:
            found.append([str(part.get_filename() or ""), part.get_content_type()])
        except Exception as error:
            found.append(["", f"error/{type(error).__name__}".lower()])
    return found


def read(content: bytes) -> list[list[str]]:
    found = []
    for rules in (policy.compat32, policy.default):
        try:
            found += seen(message_from_bytes(content, policy=rules))
        except Exception:
            continue
    return found


if __name__ == "__main__":
    for file in sys.argv[1:]:
        print(json.dumps(read(Path(file).read_bytes())))
