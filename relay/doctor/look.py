"""What all checks look at: the settings, and AWS, which is asked each thing only once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from relay.assembly import at_aws
from relay.aws.asking import PAUSE, Answer, Aws, pages
from relay.errors import AwsRefused, ConfigError, RightMissing
from relay.settings import Config


class NotLooked(Exception):
    """Something else has to be mended before this can be looked at."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who the credentials are of. `date` is AWS's clock at `at` of ours, as it stood in the answer."""

    arn: str
    account: str
    date: str
    at: float


class Look:
    """`missing` are the IAM actions that were refused so far; who `is_unknown` to AWS was refused all. A relay that looks by
    itself `runs`. `pause` is in seconds, between the pages of a list.
    """

    def __init__(self, config: Config, *, runs: bool = False, pause: float = PAUSE) -> None:
        self.config = config
        self.runs = runs
        self._pause = pause
        self.missing: set[str] = set()
        self.is_unknown = False
        self._aws: Aws | None = None
        self._asked: dict[str, asyncio.Task[Any]] = {}

    async def ask(self, service: str, call: str, **options: Any) -> Answer:
        """Raises AwsRefused, or NotLooked where AWS knows no one by our credentials."""
        try:
            await self.caller()
        except RightMissing:
            pass  # whoever it is: AWS knows him
        except AwsRefused as error:
            self.is_unknown = True
            raise NotLooked("credentials") from error
        key = f"{service} {call} {json.dumps(options, sort_keys=True)}"
        answer: Answer = await self._once(key, lambda: self._answer(service, call, options))
        return answer

    def pages(self, service: str, call: str, **options: Any) -> AsyncIterator[Answer]:
        """All of a list. Raises as `ask` does."""
        return pages(self.ask, service, call, pause=self._pause, **options)

    async def caller(self) -> Caller:
        """Raises AwsRefused."""
        found: Caller = await self._once("caller", self._caller)
        return found

    async def _once(self, key: str, asking: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """A check that is given up does not take the answer from the others."""
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(asking())
            self._asked[key].add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._asked[key])

    async def _caller(self) -> Caller:
        answer = await self._answer("sts", "get_caller_identity", {})
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        return Caller(arn=answer["Arn"], account=answer["Account"], date=date, at=time.time())

    async def _answer(self, service: str, call: str, options: dict[str, Any]) -> Answer:
        try:
            if self._aws is None:
                self._aws = at_aws.asking(self.config, at_aws.session(self.config))
            return await self._aws.ask(service, call, **options)
        except ConfigError as error:
            raise AwsRefused("ProfileNotFound", str(error)) from error
        except RightMissing as error:
            self.missing.add(error.right)
            raise
