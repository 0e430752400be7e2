from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from relay import sns_message
from relay.errors import Unreadable, Untrusted
from relay.sns_message import SnsMessage

DATA = Path(__file__).parents[1] / "data" / "ses"
TOPIC = "arn:aws:sns:us-east-1:123456789012:relay-events"
HOST = "https://sns.us-east-1.amazonaws.com"
CERTIFICATE_URL = f"{HOST}/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
FROM, NOW, UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 15, 10, 21, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)

NOTIFICATION_KEYS = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION_KEYS = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
FILES = {
    "sns_notification": NOTIFICATION_KEYS,
    "sns_event_destination_validation": NOTIFICATION_KEYS,
    "sns_subscription_confirmation": CONFIRMATION_KEYS,
    "sns_unsubscribe_confirmation": CONFIRMATION_KEYS,
}
EVERY_FILE = pytest.mark.parametrize("name", list(FILES))
EVERY_VERSION = pytest.mark.parametrize("version", ["1", "2"])

Envelope = dict[str, object]


@dataclass(frozen=True)
class Signer:
    """A throw-away key in the place of SNS's own."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    def sign(self, envelope: Envelope, version: str = "2") -> Envelope:
        kind = str(envelope["Type"])
        keys = NOTIFICATION_KEYS if kind == "Notification" else CONFIRMATION_KEYS
        text = "".join(f"{key}\n{envelope[key]}\n" for key in keys if envelope.get(key) is not None)
        digest: hashes.HashAlgorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), digest)
        return envelope | {"SignatureVersion": version, "Signature": base64.b64encode(signature).decode()}


def certificate_for(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, FROM, UNTIL)
    return builder.sign(key, hashes.SHA256())


@pytest.fixture(scope="session")
def signer() -> Signer:
    key = rsa.generate_private_key(65537, 2048)
    return Signer(key, certificate_for(key))


@pytest.fixture(scope="session")
def stranger() -> Signer:
    key = rsa.generate_private_key(65537, 2048)
    return Signer(key, certificate_for(key))


def envelope(name: str = "sns_notification") -> Envelope:
    found: Envelope = json.loads((DATA / f"{name}.json").read_text("utf-8"))
    return found | {"Signature": base64.b64encode(b"x" * 256).decode()}


def read(data: object) -> SnsMessage:
    return sns_message.read(json.dumps(data).encode())


def verify(data: Envelope, certificate: x509.Certificate, now: datetime = NOW) -> SnsMessage:
    message = read(data)
    sns_message.verify(message, certificate, now=now.timestamp())
    return message


def check(data: Envelope, *, topics: tuple[str, ...] = (TOPIC,), versions: tuple[str, ...] = ("1", "2")) -> None:
    sns_message.check_origin(read(data), topics=topics, versions=versions)


# What is signed.


@pytest.mark.parametrize(
    ("name", "absent", "sha1", "sha256"),
    [
        (
            "sns_notification",
            (),
            "d004d6b4e2d7857c5acb7e29e5ccbfbf45b26ca8",
            "e565ad319d614b8526144462c534d6b969f0cb51a7e4c2c055e999cf1a75a7a3",
        ),
        (
            "sns_notification",
            ("Subject",),
            "e0057b1d5506f90d97caebbd3c1bd925ab8540ed",
            "a3301ffd7041f5e3b937f9cb16e99f9c0882a718e352d71a057f679da123fedd",
        ),
        (
            "sns_subscription_confirmation",
            (),
            "99dfba4e35c7392217926489ee0eda48791ee7fc",
            "647c27cd17e8f084d889ac198ddcc8cc23f7fe1a9c719218511d2c5ad66163b5",
        ),
    ],
)
def test_the_string_to_sign_is_that_of_the_vectors(name: str, absent: tuple[str, ...], sha1: str, sha256: str) -> None:
    signed = read({key: value for key, value in envelope(name).items() if key not in absent}).signed
    assert (hashlib.sha1(signed).hexdigest(), hashlib.sha256(signed).hexdigest()) == (sha1, sha256)


def test_a_subject_of_null_counts_as_none() -> None:
    without = {key: value for key, value in envelope().items() if key != "Subject"}
    assert read(envelope() | {"Subject": None}).signed == read(without).signed


def test_an_empty_subject_is_a_subject() -> None:
    without = {key: value for key, value in envelope().items() if key != "Subject"}
    assert read(envelope() | {"Subject": ""}).signed != read(without).signed


@EVERY_FILE
@EVERY_VERSION
def test_a_genuine_message_is_trusted(signer: Signer, name: str, version: str) -> None:
    message = verify(signer.sign(envelope(name), version), signer.certificate)
    sns_message.check_origin(message, topics=[TOPIC], versions=[version])
    assert (message.type, message.topic_arn, message.message) == (
        envelope(name)["Type"],
        TOPIC,
        envelope(name)["Message"],
    )


@EVERY_FILE
@EVERY_VERSION
def test_every_signed_field_is_protected(signer: Signer, name: str, version: str) -> None:
    signed = signer.sign(envelope(name), version)
    types = {"SubscriptionConfirmation": "UnsubscribeConfirmation", "UnsubscribeConfirmation": "SubscriptionConfirmation"}
    for key in FILES[name]:
        spoilt = types.get(str(signed["Type"]), "") if key == "Type" else f"{signed.get(key, '')}x"
        if not spoilt:
            continue  # a Notification that says it is a confirmation lacks a Token
        with pytest.raises(Untrusted):
            verify(signed | {key: spoilt}, signer.certificate)


def test_a_subject_cannot_be_taken_away_or_put_on(signer: Signer) -> None:
    signed = signer.sign(envelope())
    with pytest.raises(Untrusted):
        verify(signed | {"Subject": None}, signer.certificate)
    unsigned = signer.sign(envelope() | {"Subject": None})
    with pytest.raises(Untrusted):
        verify(unsigned | {"Subject": "Amazon SES Email Event Notification"}, signer.certificate)


@pytest.mark.parametrize("claimed", [("1", "2"), ("2", "1")])
def test_a_signature_of_one_version_is_no_signature_of_the_other(signer: Signer, claimed: tuple[str, str]) -> None:
    signed = signer.sign(envelope(), claimed[0])
    with pytest.raises(Untrusted):
        verify(signed | {"SignatureVersion": claimed[1]}, signer.certificate)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", " ", "\n\n"])
def test_the_end_of_a_message_is_signed_to_the_octet(signer: Signer, end: str) -> None:
    text = str(envelope()["Message"]) + end
    signed = signer.sign(envelope() | {"Message": text})
    assert verify(signed, signer.certificate).message == text
    with pytest.raises(Untrusted):
        verify(signed | {"Message": f"{text}\n"}, signer.certificate)


@pytest.mark.parametrize("ascii_only", [True, False])
def test_what_is_signed_is_the_decoded_text_however_json_wrote_it(signer: Signer, ascii_only: bool) -> None:
    signed = signer.sign(envelope() | {"Message": 'Grüße 😀 "quoted" \\ / \t\u2028 end'})
    message = sns_message.read(json.dumps(signed, ensure_ascii=ascii_only, indent=4).encode())
    sns_message.verify(message, signer.certificate, now=NOW.timestamp())
    assert message.message.startswith("Grüße 😀")


@settings(max_examples=40)
@given(st.text(), st.text() | st.none(), st.sampled_from("12"))
def test_any_text_that_was_signed_is_trusted(signer: Signer, text: str, subject: str | None, version: str) -> None:
    signed = signer.sign(envelope() | {"Message": text, "Subject": subject}, version)
    assert verify(signed, signer.certificate).message == text


def test_keys_that_are_not_signed_change_nothing(signer: Signer) -> None:
    extra: Envelope = {
        "MessageAttributes": {"a": {"Type": "String", "Value": "b"}},
        "UnsubscribeURL": "https://evil.example/",
        "SomethingNew": [1, {"a": None}],
        "Token": "not signed in a notification",
    }
    message = verify(signer.sign(envelope()) | extra, signer.certificate)
    assert message.message == envelope()["Message"]


@pytest.mark.parametrize("token", [7, None, ["2336412f37"], {"a": 1}])
def test_a_token_that_is_not_text_in_a_notification_is_no_token(token: object) -> None:
    assert read(envelope() | {"Token": token}).token == ""


def test_a_confirmation_carries_its_token() -> None:
    assert read(envelope("sns_subscription_confirmation")).token == "2336412f37"


# By whom, and when.


def test_a_stranger_s_signature_is_refused(signer: Signer, stranger: Signer) -> None:
    with pytest.raises(Untrusted):
        verify(stranger.sign(envelope()), signer.certificate)


@pytest.mark.parametrize("signature", [b"", b"x", b"\0" * 256, b"\xff" * 256, b"\0" * 255 + b"\1", b"x" * 10_000])
@EVERY_VERSION
def test_no_made_up_signature_is_trusted(signer: Signer, signature: bytes, version: str) -> None:
    forged = envelope() | {"Signature": base64.b64encode(signature).decode(), "SignatureVersion": version}
    with pytest.raises(Untrusted):
        verify(forged, signer.certificate)


@given(st.integers(0, 255), st.integers(0, 7))
@settings(max_examples=30)
def test_no_bit_of_a_signature_may_be_flipped(signer: Signer, octet: int, bit: int) -> None:
    signed = signer.sign(envelope())
    signature = bytearray(base64.b64decode(str(signed["Signature"])))
    signature[octet] ^= 1 << bit
    with pytest.raises(Untrusted):
        verify(signed | {"Signature": base64.b64encode(signature).decode()}, signer.certificate)


@pytest.mark.parametrize("moment", [FROM, NOW, UNTIL])
def test_a_certificate_is_good_from_its_first_to_its_last_moment(signer: Signer, moment: datetime) -> None:
    assert verify(signer.sign(envelope()), signer.certificate, moment).topic_arn == TOPIC


@pytest.mark.parametrize("moment", [datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)])
def test_a_certificate_before_or_after_its_time_is_refused(signer: Signer, moment: datetime) -> None:
    with pytest.raises(Untrusted):
        verify(signer.sign(envelope()), signer.certificate, moment)


def test_a_certificate_without_an_rsa_key_is_refused(signer: Signer) -> None:
    with pytest.raises(Untrusted):
        verify(signer.sign(envelope()), certificate_for(ec.generate_private_key(ec.SECP256R1())))


# From where.


@EVERY_FILE
def test_a_message_of_our_topic_is_let_through(name: str) -> None:
    check(envelope(name))


@pytest.mark.parametrize(
    "topics",
    [
        (),
        ("arn:aws:sns:us-east-1:123456789012:another",),
        ("arn:aws:sns:us-east-1:210987654321:relay-events",),
        ("arn:aws:sns:us-east-1:123456789012:relay-event",),
        ("arn:aws:sns:us-east-1:123456789012:relay-events2",),
        ("ARN:AWS:SNS:US-EAST-1:123456789012:RELAY-EVENTS",),
        (f"{TOPIC} ",),
    ],
)
def test_a_stranger_s_topic_is_refused(topics: tuple[str, ...]) -> None:
    with pytest.raises(Untrusted):
        check(envelope(), topics=topics)


def test_the_topic_is_judged_before_the_certificate_s_address() -> None:
    with pytest.raises(Untrusted, match="topic"):
        check(envelope() | {"SigningCertURL": "https://evil.example/x.pem"}, topics=())


@pytest.mark.parametrize(("version", "versions"), [("1", ("1", "2")), ("2", ("1", "2")), ("1", ("1",)), ("2", ("2",))])
def test_an_accepted_version_is_let_through(version: str, versions: tuple[str, ...]) -> None:
    check(envelope() | {"SignatureVersion": version}, versions=versions)


@pytest.mark.parametrize(
    ("version", "versions"),
    [("1", ("2",)), ("2", ("1",)), ("2", ()), ("3", ("1", "2")), ("3", ("3",)), ("", ("1", "2")), ("2 ", ("1", "2"))],
)
def test_any_other_version_is_refused(version: str, versions: tuple[str, ...]) -> None:
    with pytest.raises(Untrusted):
        check(envelope() | {"SignatureVersion": version}, versions=versions)


@pytest.mark.parametrize(
    "url",
    [
        CERTIFICATE_URL,
        f"{HOST}/SimpleNotificationService-x.pem",
        f"{HOST}/SimpleNotificationService-ABCxyz019.pem",
        "https://SNS.US-EAST-1.AMAZONAWS.COM/SimpleNotificationService-x.pem",
        "HTTPS://sns.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
    ],
)
def test_a_certificate_of_sns_in_our_region_is_let_through(url: str) -> None:
    check(envelope() | {"SigningCertURL": url})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "ftp://sns.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "//sns.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "file:///etc/passwd",
        "file:///SimpleNotificationService-x.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-x.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/x.pem",
        "https://evil.example/https://sns.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://evil.example#https://sns.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://user@sns.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://user:password@sns.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/SimpleNotificationService-x.pem",
        "https://sns.us-east-1.amazonaws.com:8443/SimpleNotificationService-x.pem",
        "https://sns.us-east-1.amazonaws.com:80/SimpleNotificationService-x.pem",
        "https://sns.us-east-1.amazonaws.com./SimpleNotificationService-x.pem",
        f"{HOST}/SimpleNotificationService-x.pem?x=1",
        f"{HOST}/SimpleNotificationService-x.pem?",
        f"{HOST}/SimpleNotificationService-x.pem#x",
        f"{HOST}/SimpleNotificationService-x.pem#",
        f"{HOST}/SimpleNotificationService-x.pem/",
        f"{HOST}/SimpleNotificationService-x.pem\n",
        f" {HOST}/SimpleNotificationService-x.pem",
        f"{HOST}/SimpleNotificationService-x.pem ",
        f"{HOST}/SimpleNotificationService-x\0.pem",
        f"{HOST}/SimpleNotificationService-x%2e.pem",
        f"{HOST}/SimpleNotificationService-x.y.pem",
        f"{HOST}/SimpleNotificationService-../x.pem",
        f"{HOST}/SimpleNotificationService-.pem",
        f"{HOST}/SimpleNotificationService-xypem",
        f"{HOST}/SimpleNotificationService-ü.pem",
        f"{HOST}/simplenotificationservice-x.pem",
        f"{HOST}/../SimpleNotificationService-x.pem",
        f"{HOST}/../x.pem",
        f"{HOST}/x/SimpleNotificationService-x.pem",
        f"{HOST}//SimpleNotificationService-x.pem",
        f"{HOST}\\SimpleNotificationService-x.pem",
        f"{HOST}/",
        HOST,
        "https://sns.us-east-1.amazonaws.com\\@evil.example/SimpleNotificationService-x.pem",
        "https://sns.us-east-1.amazonaws.com%2eevil.example/SimpleNotificationService-x.pem",
        "https://xsns.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://sns.us-east-1.xamazonaws.com/SimpleNotificationService-x.pem",
        "https://sns-us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://sns.us-east-1-amazonaws.com/SimpleNotificationService-x.pem",
        "https://snsxus-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://sns.us-east-1.amazonawsxcom/SimpleNotificationService-x.pem",
        "https://sns.amazonaws.com/SimpleNotificationService-x.pem",
        "https://us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://s3.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://sns.us-east-1.s3.amazonaws.com/SimpleNotificationService-x.pem",
        "https://sns.bucket.s3.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://sns.evil/x.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://sns.us-east-1.amazonaws.eu/SimpleNotificationService-x.pem",
        # The region must be that of the topic.
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://sns.us-east-11.amazonaws.com/SimpleNotificationService-x.pem",
        "https://sns.us-east-1.amazonaws.com.cn/SimpleNotificationService-x.pem",
        # Letters that only a case-insensitive comparison, or IDNA, takes for those of ASCII.
        "https://\u017fns.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://sns.us-east-1.amazonaw\u017f.com/SimpleNotificationService-x.pem",
        "http\u017f://sns.us-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://sns\uff0eus-east-1.amazonaws.com/SimpleNotificationService-x.pem",
        "https://sns.us-east-1.amazonaws.com\u3002evil.example/SimpleNotificationService-x.pem",
        "https://sns.us-east-1.amazonaws.com\uff0fSimpleNotificationService-x.pem",
    ],
)
def test_a_certificate_from_anywhere_else_is_refused(url: str) -> None:
    with pytest.raises(Untrusted):
        check(envelope() | {"SigningCertURL": url})


@pytest.mark.parametrize(
    ("topic", "host"),
    [
        ("arn:aws:sns:eu-west-1:123456789012:relay-events", "sns.eu-west-1.amazonaws.com"),
        ("arn:aws-us-gov:sns:us-gov-west-1:123456789012:relay-events", "sns.us-gov-west-1.amazonaws.com"),
        ("arn:aws-cn:sns:cn-north-1:123456789012:relay-events", "sns.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_every_partition_has_its_own_host(topic: str, host: str) -> None:
    url = f"https://{host}/SimpleNotificationService-x.pem"
    check(envelope() | {"TopicArn": topic, "SigningCertURL": url}, topics=(topic,))


@pytest.mark.parametrize(
    ("topic", "host"),
    [
        ("arn:aws-cn:sns:cn-north-1:123456789012:relay-events", "sns.cn-north-1.amazonaws.com"),
        ("arn:aws:sns:cn-north-1:123456789012:relay-events", "sns.cn-north-1.amazonaws.com.cn"),
        ("arn:aws-us-gov:sns:us-gov-west-1:123456789012:relay-events", "sns.us-gov-east-1.amazonaws.com"),
        ("not an ARN", "sns.us-east-1.amazonaws.com"),
        ("arn:aws:sns:us-east-1", "sns.us-east-1.amazonaws.com"),
        ("arn:aws:sns::123456789012:relay-events", "sns..amazonaws.com"),
    ],
)
def test_the_host_of_another_partition_is_refused(topic: str, host: str) -> None:
    url = f"https://{host}/SimpleNotificationService-x.pem"
    with pytest.raises(Untrusted):
        check(envelope() | {"TopicArn": topic, "SigningCertURL": url}, topics=(topic,))


# Whether it is an envelope at all.


@pytest.mark.parametrize("text", ["", "plain text", "42", "[1, 2]", "{}", '{"eventType": "Foo"}', "[" * 10_000, "\0", "\n"])
def test_a_message_may_hold_any_text(signer: Signer, text: str) -> None:
    assert verify(signer.sign(envelope() | {"Message": text}), signer.certificate).message == text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"plain text",
        b"null",
        b"true",
        b"42",
        b'"Notification"',
        b"[]",
        b"[{}]",
        b"{}",
        b"{",
        b'{"Type": "Notification"',
        b'{"Type": "Notification"}',
        b'{"Type": "Notification"} trailing',
        b"<Notification/>",
        b"[" * 10_000,
        b"[" * 10_000 + b"]" * 10_000,
        b'{"Type":' * 10_000,
        b'{"Type": "Notification", "Message": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"Type": ' + b"9" * 10_000 + b"}",
        '{"Type": "Notification", "Message": "Grüße"}'.encode("latin-1"),
        b"\xff\xfe\x00",
        b"\x80",
        b"\0",
    ],
)
def test_what_is_no_envelope_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        sns_message.read(body)


@pytest.mark.parametrize(
    "kind", [None, "", "notification", "Received", "Notification ", 7, True, 1.5, [], ["Notification"], {}]
)
def test_a_type_nobody_has_heard_of_is_unreadable(kind: object) -> None:
    with pytest.raises(Unreadable):
        read(envelope() | {"Type": kind})


def test_an_envelope_without_a_type_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        read({key: value for key, value in envelope().items() if key != "Type"})


def test_an_event_delivered_raw_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        sns_message.read((DATA / "bounce_permanent_general.json").read_bytes())


@EVERY_FILE
def test_an_envelope_that_lacks_a_field_is_unreadable(name: str) -> None:
    for key in {*FILES[name], "SignatureVersion", "Signature", "SigningCertURL"} - {"Subject", "Type"}:
        with pytest.raises(Unreadable, match=key):
            read({other: value for other, value in envelope(name).items() if other != key})


@EVERY_FILE
@pytest.mark.parametrize("value", [None, 7, True, [], {}])
def test_an_envelope_with_a_field_that_is_no_text_is_unreadable(name: str, value: object) -> None:
    for key in {*FILES[name], "SignatureVersion", "Signature", "SigningCertURL"} - {"Subject"}:
        with pytest.raises(Unreadable):
            read(envelope(name) | {key: value})


@EVERY_FILE
def test_a_lone_surrogate_in_a_signed_field_is_unreadable(name: str) -> None:
    for key in set(FILES[name]):
        with pytest.raises(Unreadable):
            read(envelope(name) | {key: "half a pair: \ud800"})


@pytest.mark.parametrize("signature", ["not base64!", "BASE64=", "a", "ü", "\ud800", "QUJD\n", "QUJD QUJD", "_-_-"])
def test_a_signature_that_is_not_base64_is_unreadable(signature: str) -> None:
    with pytest.raises(Unreadable):
        read(envelope() | {"Signature": signature})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*envelope(), *envelope("sns_subscription_confirmation"), "Other"]), json_values))
def test_an_envelope_of_any_shape_is_read_or_refused_but_never_breaks_us(changes: Envelope) -> None:
    for name in FILES:
        try:
            message = read(envelope(name) | changes)
        except Unreadable:
            continue
        with pytest.raises(Untrusted):
            sns_message.check_origin(message, topics=["arn:aws:sns:us-east-1:123456789012:another"], versions=["1", "2"])


@given(st.binary())
def test_any_octets_are_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        sns_message.read(body)
