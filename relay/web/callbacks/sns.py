"""POST /sns: notifications of Amazon SNS. The status decides what SNS does next.

SNS developer guide, "Amazon SNS message delivery retries": 2xx is delivered, 5xx and 429 are repeated, any other 4xx is
dropped for good. So 4xx only for what must be dropped, 503 for every trouble of our own.
"""

from __future__ import annotations

from aiohttp import web

from relay import journal
from relay.errors import StoreUnavailable, TryAgain, Unreadable, Untrusted
from relay.feedback import Feedback


def routes(feedback: Feedback) -> list[web.RouteDef]:
    """The route of the webhook."""

    async def receive(request: web.Request) -> web.Response:
        if request.headers.get("Content-Encoding"):
            return _refuse(request, 415, "an encoded body")
        try:
            await feedback.receive(await request.read())
        except Unreadable as error:
            return _refuse(request, 400, str(error))
        except Untrusted as error:
            return _refuse(request, 403, str(error))
        except (TryAgain, StoreUnavailable) as error:
            return _refuse(request, 503, str(error))
        return web.Response(status=200)

    return [web.post("/sns", receive)]


def _refuse(request: web.Request, status: int, why: str) -> web.Response:
    journal.feedback_refused(peer=request.remote or "", why=f"{status} {why}")
    return web.Response(status=status)
