"""One call of the v2 API that does not send, off the loop and one try, and in our words why it did not do it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from relay.aws.threads import in_daemon
from relay.errors import SesUnavailable

Answer = Mapping[str, Any]


async def ask(client: Any, call: str, **options: Any) -> Answer:
    """A call as boto3 names it, like `list_email_identities`. Raises SesUnavailable."""
    try:
        answer: Answer = await in_daemon(partial(getattr(client, call), **options))
    except ClientError as error:
        raise SesUnavailable(str(error.response.get("Error", {}).get("Code", "")), str(error)) from error
    except BotoCoreError as error:
        raise SesUnavailable(type(error).__name__, str(error)) from error
    except Exception as error:  # urllib3's, a credential process's, and those of an answer that is no JSON
        raise SesUnavailable(type(error).__name__, repr(error)) from error
    return answer
