"""What is made of the answers of SES: boto3's own parser is between, so that only these dicts can come."""

from __future__ import annotations

from itertools import pairwise
from time import monotonic
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from relay.aws.identities import BotoIdentities
from relay.errors import SesUnavailable
from relay.identities import Identity, IdentityState


class Client:
    """Answers as a client of boto3 does: the next page, whatever was asked for."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.asked_at: list[float] = []

    def list_email_identities(self, **options: Any) -> dict[str, Any]:
        self.asked.append(options)
        self.asked_at.append(monotonic())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    get_email_identity = list_email_identities


def reading(client: Client, *, pause: float = 0.0) -> BotoIdentities:
    return BotoIdentities(client, lambda: 7.0, pause=pause)


def row(name: str = "example.com", status: str | None = "SUCCESS", may_send: bool | None = True) -> dict[str, Any]:
    given = {"IdentityName": name, "VerificationStatus": status, "SendingEnabled": may_send}
    return {key: value for key, value in given.items() if value is not None}


@pytest.mark.parametrize(
    ("status", "may_send", "state"),
    [
        ("SUCCESS", True, IdentityState.VERIFIED),
        ("SUCCESS", False, IdentityState.PAUSED),
        ("SUCCESS", None, IdentityState.VERIFIED),
        ("PENDING", False, IdentityState.PENDING),
        ("PENDING", True, IdentityState.PENDING),
        ("FAILED", False, IdentityState.FAILED),
        ("NOT_STARTED", False, IdentityState.NOT_STARTED),
        ("TEMPORARY_FAILURE", True, IdentityState.VERIFIED),
        ("TEMPORARY_FAILURE", False, IdentityState.UNKNOWN),
        ("WHAT_AWS_MAY_ADD", True, IdentityState.VERIFIED),
        ("WHAT_AWS_MAY_ADD", False, IdentityState.UNKNOWN),
        (None, True, IdentityState.VERIFIED),
        (None, False, IdentityState.UNKNOWN),
    ],
)
async def test_status_and_switch_together_are_a_state(status: str | None, may_send: bool | None, state: IdentityState) -> None:
    found = await reading(Client({"EmailIdentities": [row("Example.COM", status, may_send)]})).all()
    assert found == (Identity(name="Example.COM", state=state),)


async def test_all_pages_are_read() -> None:
    pages = [{"EmailIdentities": [row(f"{n}.example")], "NextToken": str(n)} for n in range(3)]
    client = Client(*pages, {"EmailIdentities": [row()]})
    assert [found.name for found in await reading(client).all()] == ["0.example", "1.example", "2.example", "example.com"]
    assert [asked.get("NextToken") for asked in client.asked] == [None, "0", "1", "2"]


async def test_pages_are_asked_for_with_a_pause_between_them() -> None:
    """SES answers one request a second."""
    client = Client({"EmailIdentities": [row()], "NextToken": "1"}, {"EmailIdentities": []})
    await reading(client, pause=0.05).all()
    assert [later - sooner >= 0.05 for sooner, later in pairwise(client.asked_at)] == [True]


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([{}], "listless"),  # an answer that says nothing must not be read as an account without identities
        ([{"EmailIdentities": [row()], "NextToken": "x"}], "endless"),
        ([{"EmailIdentities": [row()], "NextToken": "x"}, {}], "listless"),
        ([ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "List")], "AccessDeniedException"),
        ([ConnectTimeoutError(endpoint_url="https://x")], "ConnectTimeoutError"),
        ([{"EmailIdentities": [row()], "NextToken": "x"}, ConnectTimeoutError(endpoint_url="x")], "ConnectTimeoutError"),
        ([ValueError("no JSON")], "ValueError"),
    ],
)
async def test_half_an_answer_is_none(answers: list[dict[str, Any] | Exception], kind: str) -> None:
    with pytest.raises(SesUnavailable) as failed:
        await reading(Client(*answers)).all()
    assert failed.value.kind == kind


async def test_one_is_looked_at_in_detail() -> None:
    listed = Identity(name="example.com", state=IdentityState.PENDING, since=5.0)
    answer = {
        "DkimAttributes": {"Status": "PENDING"},
        "MailFromAttributes": {"MailFromDomain": "b.example.com", "MailFromDomainStatus": "TEMPORARY_FAILURE"},
        "VerificationInfo": {"ErrorType": "HOST_NOT_FOUND"},
    }
    found = await reading(Client(answer)).look(listed)
    assert (found.state, found.since) == (listed.state, listed.since)
    assert (found.dkim, found.mail_from, found.error, found.looked_at) == (
        "pending",
        "temporary_failure",
        "host_not_found",
        7.0,
    )
    bare = await reading(Client({"MailFromAttributes": None})).look(listed)
    assert (bare.dkim, bare.mail_from, bare.error, bare.dkim_hosts, bare.looked_at) == ("", "", "", (), 7.0)


@pytest.mark.parametrize(
    ("name", "dkim", "records"),
    [
        ("example.com", {"Tokens": ["one"]}, [("one._domainkey.example.com", "one.dkim.amazonses.com")]),
        (
            "example.com",
            {"Tokens": ["one"], "SigningAttributesOrigin": "AWS_SES", "SigningHostedZone": "dkim.eu-south-1.amazonses.com"},
            [("one._domainkey.example.com", "one.dkim.eu-south-1.amazonses.com")],
        ),
        ("example.com", {"Tokens": ["mine"], "SigningAttributesOrigin": "EXTERNAL"}, []),
        ("example.com", {"Tokens": None, "Status": "NOT_STARTED"}, []),
        ("anna@example.com", {"Tokens": ["one"]}, []),
    ],
)
async def test_the_records_of_a_domain_are_those_of_the_keys_that_ses_has_made(
    name: str, dkim: dict[str, Any], records: list[tuple[str, str]]
) -> None:
    found = await reading(Client({"DkimAttributes": dkim})).look(Identity(name=name, state=IdentityState.PENDING))
    assert list(found.dkim_records) == records
