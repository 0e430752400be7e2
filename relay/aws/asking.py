"""Asks AWS by the name of a call, off the loop, and says in our words why it did not do it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from relay.aws.threads import in_daemon
from relay.errors import AwsRefused, RightMissing

_TRIES = 4
PAUSE = 1.1  # seconds; SES answers one request a second, of those that do not send
_MAX_PAGES = 100
_SLOW_DOWN = ("TooManyRequests", "Throttl")
_DENIED = ("AccessDenied", "AuthorizationError", "UnauthorizedOperation")
_RIGHT = re.compile(r"not authorized to perform:? [`'\"]?([a-z0-9-]+:[A-Za-z]+)")
_PREFIXES = {"sesv2": "ses"}  # in IAM, where it is not the client's name

Answer = Mapping[str, Any]


class Aws:
    """`client` makes a boto3 client of a service; each is made once."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = client
        self._clients: dict[str, Any] = {}

    async def ask(self, service: str, call: str, **options: Any) -> Answer:
        """A call as boto3 names it, like `get_account`; again where AWS wants us to slow down.

        Raises AwsRefused; RightMissing where a policy forbids it.
        """
        for _ in range(_TRIES - 1):
            try:
                return await self._ask(service, call, **options)
            except AwsRefused as error:
                if not error.code.startswith(_SLOW_DOWN):
                    raise
            await asyncio.sleep(PAUSE)
        return await self._ask(service, call, **options)

    async def _ask(self, service: str, call: str, **options: Any) -> Answer:
        if service not in self._clients:
            self._clients[service] = self._client(service)
        client = self._clients[service]
        try:
            answer: Answer = await in_daemon(partial(getattr(client, call), **options))
        except ClientError as error:
            raise _refused(error, f"{_PREFIXES.get(service, service)}:{client.meta.method_to_api_mapping[call]}") from error
        except BotoCoreError as error:
            raise AwsRefused(type(error).__name__, str(error)) from error
        except Exception as error:  # urllib3's, a credential process's, and those of an answer that is none of AWS
            raise AwsRefused(type(error).__name__, repr(error)) from error
        return answer


async def pages(
    ask: Callable[..., Awaitable[Answer]], service: str, call: str, *, pause: float = PAUSE, **options: Any
) -> AsyncIterator[Answer]:
    """All of a list, with a pause in seconds between its pages. Raises as `ask` does."""
    for _ in range(_MAX_PAGES):
        page = await ask(service, call, **options)
        yield page
        if not page.get("NextToken"):
            return
        options["NextToken"] = page["NextToken"]
        await asyncio.sleep(pause)


def _refused(error: ClientError, action: str) -> AwsRefused:
    found = error.response.get("Error", {})
    code, text = str(found.get("Code", "")), str(found.get("Message", ""))
    date = str(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", ""))
    if not code.startswith(_DENIED):
        return AwsRefused(code, f"{action}: {code}: {text}", date=date)
    named = _RIGHT.search(text)
    return RightMissing(named[1] if named else action, text, date=date)


def is_missing(error: AwsRefused) -> bool:
    """Whether what was asked for is not there, in the words of SES, SNS and SQS."""
    return error.code.endswith(("NotFoundException", "NotFound", "NonExistentQueue", "QueueDoesNotExist"))
