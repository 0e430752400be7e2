"""Mail that readers send us: SES receives it and tells of it by SNS, where a mailbox for unsubscribing is set up."""

from __future__ import annotations

import json
import re

from relay import address

_TOKEN = re.compile(r"(?<![\w-])[\w-]{52}(?![\w-])", re.ASCII)


def unsubscribes(payload: str, mailbox: str) -> str:
    """The token in the subject of a mail to that address; empty for everything else.

    SES developer guide, "Contents of notifications for Amazon SES email receiving": `receipt.recipients` are who it was for.
    """
    try:
        data = json.loads(payload)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(data, dict) or data.get("notificationType") != "Received":
        return ""
    match (data.get("mail"), data.get("receipt")):
        case {"commonHeaders": {"subject": str() as subject}}, {"recipients": [*recipients]}:
            is_ours = any(isinstance(each, str) and address.key(each) == address.key(mailbox) for each in recipients)
            found = _TOKEN.search(subject)
            return found[0] if is_ours and found else ""
    return ""
