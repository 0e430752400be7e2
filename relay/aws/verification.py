"""New addresses and domains at SES: CreateEmailIdentity of the v2 API, one try."""

from __future__ import annotations

from typing import Any

from relay.aws.sesv2 import ask
from relay.errors import SesUnavailable

_KNOWN = "AlreadyExistsException"
_NOT_TAKEN = "BadRequestException"


class BotoVerification:
    """Implements ports.Verification with a boto3 client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def begin(self, name: str) -> bool:
        try:
            await ask(self._client, "create_email_identity", EmailIdentity=name)
        except SesUnavailable as error:
            if error.kind not in (_KNOWN, _NOT_TAKEN):
                raise
            return error.kind == _KNOWN
        return True
