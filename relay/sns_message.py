"""Is a post to the webhook an SNS message, genuine, and from a topic of ours? The certificate is handed in.

Sources: SNS developer guide, "Verifying the signatures of Amazon SNS messages" and "Parsing Amazon SNS message formats".
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from relay.errors import Unreadable, Untrusted

NOTIFICATION = "Notification"
SUBSCRIPTION_CONFIRMATION = "SubscriptionConfirmation"
UNSUBSCRIBE_CONFIRMATION = "UnsubscribeConfirmation"

# The keys that are signed, in the order in which they are signed. Subject counts only where it is there.
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION_CONFIRMATION: _CONFIRMATION,
    UNSUBSCRIBE_CONFIRMATION: _CONFIRMATION,
}
_HASHES: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 - AWS's default

_CERTIFICATE_URL = re.compile(
    r"(?ai:https://sns\.(?P<region>[a-z0-9-]{3,})\.amazonaws\.com(?P<cn>\.cn)?)/SimpleNotificationService-[A-Za-z0-9]+\.pem"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnsMessage:
    """One envelope, its strings exactly as they were decoded: every octet of them is signed."""

    type: str
    message_id: str
    topic_arn: str
    message: str
    token: str
    signing_cert_url: str
    signature_version: str
    signature: bytes
    signed: bytes


def read(body: bytes) -> SnsMessage:
    """The envelope of a post. Raises Unreadable for anything else."""
    try:
        data = json.loads(body.decode("utf-8"))  # of octets it would take UTF-16 as well
    except (ValueError, RecursionError) as error:
        raise Unreadable("not JSON") from error
    kind = data.get("Type") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in _SIGNED:
        raise Unreadable("not an SNS message")
    required = [key for key in _SIGNED[kind] if key != "Subject"]
    for key in (*required, "SignatureVersion", "Signature", "SigningCertURL"):
        if not isinstance(data.get(key), str):
            raise Unreadable(f"{key} is missing")
    return SnsMessage(
        type=kind,
        message_id=data["MessageId"],
        topic_arn=data["TopicArn"],
        message=data["Message"],
        token=data["Token"] if "Token" in required else "",
        signing_cert_url=data["SigningCertURL"],
        signature_version=data["SignatureVersion"],
        signature=_decoded(data["Signature"]),
        signed=_string_to_sign(kind, data),
    )


def is_envelope(body: bytes) -> bool:
    """Whether it means to be one, genuine or not; else it may be what SNS delivers raw."""
    try:
        data = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and "Type" in data and "TopicArn" in data


def _string_to_sign(kind: str, data: dict[str, object]) -> bytes:
    lines = [f"{key}\n{data[key]}\n" for key in _SIGNED[kind] if data.get(key) is not None]
    try:
        return "".join(lines).encode()
    except UnicodeEncodeError as error:
        raise Unreadable("a lone surrogate") from error


def _decoded(signature: str) -> bytes:
    try:
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable("Signature is not base64") from error


def check_origin(message: SnsMessage, *, topics: Collection[str], versions: Collection[str]) -> None:
    """Raises Untrusted unless topic, signature version and certificate URL are such as we trust. Fetches nothing.

    The topic comes first: a stranger's topic is validly signed by the same AWS.
    """
    if message.topic_arn not in topics:
        raise Untrusted("the topic is not on the list")
    if message.signature_version not in versions or message.signature_version not in _HASHES:
        raise Untrusted("the signature version is not accepted")
    url = _CERTIFICATE_URL.fullmatch(message.signing_cert_url)
    partition, region = _partition_and_region(message.topic_arn)
    if not url or url["region"].lower() != region or bool(url["cn"]) != (partition == "aws-cn"):
        raise Untrusted("the certificate URL is not one of SNS in the topic's region")


def _partition_and_region(topic_arn: str) -> tuple[str, str]:
    parts = topic_arn.split(":")
    return (parts[1], parts[3]) if len(parts) == 6 else ("", "")


def verify(message: SnsMessage, certificate: x509.Certificate, *, now: float) -> None:
    """Raises Untrusted unless the certificate is valid now and its key signed the message."""
    moment = datetime.fromtimestamp(now, UTC)
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        raise Untrusted("the certificate is not valid now")
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise Untrusted("the certificate holds no RSA key")
    try:
        key.verify(message.signature, message.signed, padding.PKCS1v15(), _HASHES[message.signature_version])
    except InvalidSignature as error:
        raise Untrusted("the signature does not fit") from error
