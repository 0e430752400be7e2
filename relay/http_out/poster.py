"""Requests to webhooks: one try, no redirects, a time for all of it, and little of the answer."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from relay import __version__
from relay.http_out.guard import PublicResolver, Resolver, check_literal
from relay.ports.notices import Answer
from relay.webhooks.formats import Request

_AGENT = f"relay/{__version__}"
_READ = 2000  # octets
_LONGEST_FAILURE = 300


class HttpPoster:
    """Implements ports.Poster. To be made and closed within the loop."""

    def __init__(self, *, seconds: float) -> None:
        """Connections are counted by who sends: several webhooks may be on one host, and must not wait for each other."""
        timeout = aiohttp.ClientTimeout(total=seconds)
        self._public, self._private = (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, resolver=resolver),
                timeout=timeout,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "Accept-Encoding"),
                headers={"User-Agent": _AGENT},
            )
            for resolver in (PublicResolver(), Resolver())
        )

    async def send(self, method: str, request: Request, *, is_private: bool) -> Answer:
        began = time.monotonic()
        try:
            if not is_private:
                check_literal(request.url)
            status, text, retry_after = await self._exchange(self._private if is_private else self._public, method, request)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Answer(status=0, failure=_why(error)[:_LONGEST_FAILURE], seconds=time.monotonic() - began)
        failure = "" if 200 <= status < 300 else f"answered {status}"
        seconds = time.monotonic() - began
        return Answer(status=status, failure=failure, seconds=seconds, text=text, retry_after=_seconds(retry_after))

    async def _exchange(self, session: aiohttp.ClientSession, method: str, request: Request) -> tuple[int, str, str]:
        url = URL(request.url, encoded=True)  # it was signed as it is
        body = request.body or None
        async with session.request(method, url, data=body, headers=request.headers, allow_redirects=False) as answer:
            text = await _beginning(answer)
            return answer.status, text, answer.headers.get("Retry-After", "")

    async def close(self) -> None:
        """What is under way is given up."""
        await self._public.close()
        await self._private.close()


async def _beginning(answer: aiohttp.ClientResponse) -> str:
    """For people. Whether it was taken has been said before: nothing is told again because this does not come."""
    try:
        return (await answer.content.read(_READ)).decode("utf-8", "replace")
    except (aiohttp.ClientError, TimeoutError, OSError):
        return ""


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return str(cause) or type(cause).__name__


def _seconds(retry_after: str) -> float:
    """RFC 9110 10.2.3: seconds or a date."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return 0.0
