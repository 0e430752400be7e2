"""SES's account suppression list over the v2 API, one try each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from relay.account_list import Listed
from relay.aws.sesv2 import ask
from relay.errors import SesUnavailable
from relay.suppression import SES_WORDS, Reason

_PAGE = 1000  # the most that SES gives at once
_REASONS = {word: reason for reason, word in SES_WORDS.items()}


class BotoAccountList:
    """Implements ports.AccountList with a boto3 client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def page(self, *, since: float, token: str) -> tuple[tuple[Listed, ...], str]:
        options: dict[str, Any] = {"PageSize": _PAGE}
        options |= {"StartDate": datetime.fromtimestamp(since, UTC)} if since else {}
        options |= {"NextToken": token} if token else {}
        answer = await ask(self._client, "list_suppressed_destinations", **options)
        if "SuppressedDestinationSummaries" not in answer:
            raise SesUnavailable("listless", "ListSuppressedDestinations answered without a list")
        try:
            found = tuple(map(_listed, answer["SuppressedDestinationSummaries"]))
        except (KeyError, AttributeError) as error:
            raise SesUnavailable("listless", f"ListSuppressedDestinations left out {error}") from error
        return found, str(answer.get("NextToken") or "")

    async def put(self, address: str, reason: Reason) -> None:
        await ask(self._client, "put_suppressed_destination", EmailAddress=address, Reason=SES_WORDS[reason])

    async def delete(self, address: str) -> bool:
        try:
            await ask(self._client, "delete_suppressed_destination", EmailAddress=address)
        except SesUnavailable as error:
            if error.kind == "NotFoundException":
                return False
            raise
        return True


def _listed(row: Mapping[str, Any]) -> Listed:
    """What AWS may add to its reasons is no complaint."""
    reason = _REASONS.get(str(row.get("Reason")), Reason.HARD_BOUNCE)
    return Listed(address=str(row["EmailAddress"]), reason=reason, at=row["LastUpdateTime"].timestamp())
