from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import ses_errors
from relay.outcome import Hold, HoldScope, Later, Never, Outcome, Sent, SlowDown, Unknown
from relay.ses_errors import About

RATE = "Maximum sending rate exceeded."
QUOTA = "Daily message quota exceeded."
MISSING = "Configuration set relay does not exist."
DENIED = (
    "User: arn:aws:iam::123456789012:user/relay is not authorized to perform: ses:SendRawEmail on resource: "
    "arn:aws:ses:us-east-1:123456789012:identity/example.com"
)
SET_DENIED = DENIED.replace("identity/example.com", "configuration-set/theirs")
UNVERIFIED = "Email address is not verified. The following identities failed the check in region US-EAST-1: "

# Status, code, text -> what it means: the table of how SES says no.
ROWS: list[tuple[int, str, str, str]] = [
    (429, "TooManyRequestsException", RATE, "slow down"),
    (400, "TooManyRequestsException", RATE, "slow down"),
    (429, "TooManyRequestsException", "Too Many Requests", "slow down"),
    (400, "ThrottlingException", RATE, "slow down"),
    (400, "Throttling", RATE, "slow down"),
    (400, "ThrottlingException", QUOTA, "hold account"),
    (400, "Throttling", QUOTA, "hold account"),
    (400, "LimitExceededException", QUOTA, "hold account"),
    # The sources disagree under which code SES reports the quota: the text decides.
    (429, "TooManyRequestsException", QUOTA, "hold account"),
    (400, "LimitExceededException", "There are too many instances of the specified resource type.", "later"),
    (400, "Throttling", "Rate exceeded", "later"),
    (400, "ThrottlingException", "", "later"),
    (500, "InternalServiceErrorException", "", "unknown"),
    (500, "InternalFailure", "", "unknown"),
    (500, "InternalError", "", "unknown"),
    (408, "RequestTimeout", "", "unknown"),
    (408, "RequestTimeoutException", "", "unknown"),
    (503, "ServiceUnavailable", "", "later"),
    (503, "ServiceUnavailableException", "", "later"),
    (500, "ConcurrentModificationException", "", "later"),
    (400, "RequestExpired", "Request has expired.", "hold account"),
    (403, "RequestTimeTooSkewed", "", "hold account"),
    (403, "InvalidSignatureException", "Signature expired: 20250115T102030Z is now earlier than …", "hold account"),
    (403, "InvalidSignatureException", "Signature not yet current: 20250115T102030Z is still later than …", "hold account"),
    (400, "AccountSuspendedException", "The account is permanently restricted.", "hold account"),
    (400, "SendingPausedException", "", "hold account"),
    (400, "AccountSendingPausedException", "", "hold account"),
    (400, "MessageRejected", "Account is paused", "hold account"),
    (400, "MessageRejected", "Sending paused for this account. For more information, please check …", "hold account"),
    (400, "ConfigurationSetSendingPausedException", "Sending paused for configuration set relay.", "hold configuration set"),
    (404, "NotFoundException", MISSING, "hold configuration set"),
    (404, "NotFoundException", "Configuration set <relay> does not exist.", "hold configuration set"),
    (400, "ConfigurationSetDoesNotExist", MISSING, "hold configuration set"),
    (400, "ConfigurationSetDoesNotExistException", MISSING, "hold configuration set"),
    (400, "MailFromDomainNotVerifiedException", "", "hold identity"),
    (403, "AccessDeniedException", DENIED, "hold identity"),
    (403, "AccessDenied", DENIED, "hold identity"),
    (403, "AccessDeniedException", SET_DENIED, "hold configuration set"),
    (403, "AccessDenied", "User: arn:aws:iam::123456789012:user/relay is not authorized.", "hold account"),
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.", "hold account"),
    (403, "InvalidClientTokenId", "", "hold account"),
    (403, "SignatureDoesNotMatch", "", "hold account"),
    (403, "SignatureDoesNotMatchException", "", "hold account"),
    (403, "InvalidSignatureException", "The request signature we calculated does not match.", "hold account"),
    (403, "MissingAuthenticationToken", "Missing Authentication Token", "hold account"),
    (403, "MissingAuthenticationTokenException", "Missing Authentication Token", "hold account"),
    (403, "IncompleteSignature", "", "hold account"),
    (403, "IncompleteSignatureException", "", "hold account"),
    (403, "ExpiredToken", "", "hold account"),
    (403, "ExpiredTokenException", "The security token included in the request is expired", "hold account"),
    (403, "OptInRequired", "", "hold account"),
    (400, "MessageRejected", UNVERIFIED + "shop@example.com", "hold identity"),
    (400, "MessageRejected", UNVERIFIED + "Shop <shop@Example.com>, anna@example.net", "hold identity"),
    (400, "MessageRejected", UNVERIFIED + "news@example.com", "hold identity"),
    (400, "MessageRejected", UNVERIFIED + "example.com", "hold identity"),
    (400, "MessageRejected", UNVERIFIED + "colleague@example.com, shop@example.com", "hold identity"),
    (400, "MessageRejected", UNVERIFIED + "colleague@example.com", "never"),
    (400, "MessageRejected", UNVERIFIED + "Colleague@Example.com.", "never"),
    (400, "MessageRejected", UNVERIFIED + "anna@example.net", "never"),
    (400, "MessageRejected", UNVERIFIED + "anna@notexample.com", "never"),
    (400, "MessageRejected", UNVERIFIED + "anna@example.com.example.net", "never"),
    (400, "MessageRejected", "Transaction failed: Illegal header 'X'.", "never"),
    (400, "MessageRejected", "", "never"),
    (400, "BadRequestException", "Missing required header 'To'.", "never"),
    (400, "BadRequestException", "Domain ends with dot.", "never"),
    (400, "BadRequestException", "Local address contains control or whitespace", "never"),
    (400, "BadRequestException", "There are no recipients specified", "never"),
    (400, "BadRequestException", "Duplicate header 'Subject'.", "never"),
    (400, "InvalidParameterValue", "Local address contains control or whitespace", "never"),
    (400, "ValidationError", "", "never"),
    (400, "ValidationException", "1 validation error detected", "never"),
    (413, "RequestEntityTooLarge", "", "never"),
    (413, "RequestEntityTooLargeException", "", "never"),
    (400, "InvalidParameterValue", "Message length is more than 10485760 bytes long: '12000000'.", "never"),
    (413, "", "Message length is more than 41943040 bytes long: '50000000'.", "never"),
    (404, "MalformedQueryString", "", "hold account"),
    (400, "InvalidAction", "", "hold account"),
    (400, "InvalidQueryParameter", "", "hold account"),
    (400, "NotAuthorized", "", "hold account"),
    # What is in no table: by status, and never so that mail is lost or sent twice.
    (400, "SomethingNewException", "", "later"),
    (404, "", "", "later"),
    (408, "", "", "unknown"),
    (418, "", "I'm a teapot", "later"),
    (429, "", "", "slow down"),
    (500, "SomethingNewException", "", "unknown"),
    (500, "", "", "unknown"),
    (502, "", "Bad Gateway", "unknown"),
    (503, "", "", "later"),
    (504, "", "", "unknown"),
]

SHOP = frozenset(("shop@example.com",))
OURS = About(sender_domain="example.com", senders=SHOP, recipient="colleague@example.com")
HOLDS = {
    HoldScope.ACCOUNT: "hold account",
    HoldScope.IDENTITY: "hold identity",
    HoldScope.CONFIGURATION_SET: "hold configuration set",
}


def word(outcome: Outcome) -> str:
    match outcome:
        case Later():
            return "later"
        case SlowDown():
            return "slow down"
        case Never():
            return "never"
        case Unknown():
            return "unknown"
        case Hold():
            return HOLDS[outcome.scope]
        case _:
            return repr(outcome)


@pytest.mark.parametrize(("status", "code", "text", "expected"), ROWS)
def test_an_error_of_ses_means_what_the_table_says(status: int, code: str, text: str, expected: str) -> None:
    assert word(ses_errors.outcome_of(status, code, text, OURS)) == expected


@pytest.mark.parametrize(("status", "code", "text", "expected"), [row for row in ROWS if row[1]])
@pytest.mark.parametrize(
    "spelling", ["{}:http://internal.amazon.com/coral/com.amazon.coral.validate/", "com.amazonaws.sesv2#{}", "{}:"]
)
def test_a_code_is_known_with_its_tail_and_with_its_namespace(
    status: int, code: str, text: str, expected: str, spelling: str
) -> None:
    plain = ses_errors.outcome_of(status, code, text, OURS)
    assert ses_errors.outcome_of(status, spelling.format(code), text, OURS) == plain


@pytest.mark.parametrize(("status", "code", "text", "expected"), ROWS)
def test_the_case_of_the_text_does_not_matter(status: int, code: str, text: str, expected: str) -> None:
    assert word(ses_errors.outcome_of(status, code, text.upper(), OURS)) == expected


@pytest.mark.parametrize(("status", "code", "text", "expected"), ROWS)
def test_the_reason_tells_the_engineer_status_code_and_text(status: int, code: str, text: str, expected: str) -> None:
    outcome = ses_errors.outcome_of(status, code, text, OURS)
    assert not isinstance(outcome, Sent)
    for told in (str(status), code.removesuffix("Exception"), text):
        assert told in outcome.reason


@pytest.mark.parametrize(("status", "code", "text", "expected"), [row for row in ROWS if row[3] == "hold identity"])
def test_a_held_identity_is_named(status: int, code: str, text: str, expected: str) -> None:
    outcome = ses_errors.outcome_of(status, code, text, OURS)
    assert isinstance(outcome, Hold)
    assert outcome.subject == "example.com"


@pytest.mark.parametrize(
    ("status", "code", "text", "expected"), [row for row in ROWS if row[3] in ("hold account", "hold configuration set")]
)
def test_other_holds_have_no_subject(status: int, code: str, text: str, expected: str) -> None:
    outcome = ses_errors.outcome_of(status, code, text, OURS)
    assert isinstance(outcome, Hold)
    assert outcome.subject == ""


@pytest.mark.parametrize(("status", "code", "text", "expected"), [row for row in ROWS if row[3].startswith("hold")])
def test_every_hold_is_probed_within_an_hour(status: int, code: str, text: str, expected: str) -> None:
    outcome = ses_errors.outcome_of(status, code, text, OURS)
    assert isinstance(outcome, Hold)
    assert 0 < outcome.seconds <= 3600


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("RequestExpired", ""),
        ("RequestTimeTooSkewed", ""),
        ("InvalidSignatureException", "Signature expired: 20250115T102030Z"),
        ("InvalidSignatureException", "Signature not yet current: 20250115T102030Z"),
        ("ExpiredTokenException", ""),
    ],
)
def test_what_signing_anew_may_mend_is_held_only_briefly(code: str, text: str) -> None:
    outcome = ses_errors.outcome_of(403, code, text, About())
    assert isinstance(outcome, Hold)
    assert outcome.seconds <= 60


def test_an_unverified_sender_whose_domain_is_not_known_to_us_is_held_and_not_failed() -> None:
    assert word(ses_errors.outcome_of(400, "MessageRejected", UNVERIFIED + "shop@example.com", About())) == "hold identity"


def test_who_writes_to_himself_is_held_as_the_sender_that_he_is() -> None:
    about = About(sender_domain="example.com", senders=SHOP, recipient="shop@example.com")
    assert word(ses_errors.outcome_of(400, "MessageRejected", UNVERIFIED + "shop@example.com", about)) == "hold identity"


def test_a_reason_is_short_enough_for_a_log_line() -> None:
    outcome = ses_errors.outcome_of(400, "BadRequestException", "x" * 100_000, OURS)
    assert isinstance(outcome, Never)
    assert len(outcome.reason) <= 500


@given(st.integers(400, 499).filter(lambda status: status not in (408, 413)), st.text(max_size=40), st.text(max_size=80))
def test_no_unlisted_4xx_fails_a_message_at_once(status: int, code: str, text: str) -> None:
    listed = {row[1].removesuffix("Exception") for row in ROWS}
    name = code.partition(":")[0].rpartition("#")[2].removesuffix("Exception")
    outcome = ses_errors.outcome_of(status, code, text, About())
    assert name in listed or isinstance(outcome, Later | SlowDown)


@given(st.integers(500, 599), st.text(max_size=40), st.text(max_size=80))
def test_no_unlisted_5xx_is_repeated_as_if_ses_could_not_have_it(status: int, code: str, text: str) -> None:
    listed = {row[1].removesuffix("Exception") for row in ROWS}
    name = code.partition(":")[0].rpartition("#")[2].removesuffix("Exception")
    outcome = ses_errors.outcome_of(status, code, text, About())
    assert name in listed or isinstance(outcome, Later if status == 503 else Unknown)
