"""Python's `email`, by the policies of today and of old, with smtplib."""

import os
import smtplib
from collections.abc import Sequence
from datetime import UTC, datetime
from email import message_from_string, policy
from email.charset import QP, Charset
from email.message import EmailMessage, Message
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, formataddr
from pathlib import Path

FILES = Path(os.environ["FILES"])
PDF = (FILES / "offer.pdf").read_bytes()
TEXT = "Größe 42\n"
NAMES = (
    "Предложение магазина на осень и зиму, для постоянных покупателей.pdf",
    "見積書.pdf",
    "🎁.pdf",
    "long " * 30 + ".pdf",
)


def send(name: str, mail: Message, *, subject: str = "Order 42") -> None:
    mail["From"] = formataddr(("Shop", "shop@example.com"))
    mail["To"] = "reader@example.net"
    mail["Subject"] = subject
    mail["Date"] = format_datetime(datetime(2025, 11, 21, 9, tzinfo=UTC))
    mail["Message-ID"] = f"<{name}.42@example.com>"
    with smtplib.SMTP("127.0.0.1", int(os.environ["PORT"]), local_hostname="client.example") as smtp:
        smtp.sendmail("shop@example.com", [f"{name}@example.net"], mail.as_bytes(policy=mail.policy.clone(linesep="\r\n")))


def modern(text: str = TEXT) -> EmailMessage:
    mail = EmailMessage(policy=policy.SMTP)
    mail.set_content(text)
    return mail


def names() -> EmailMessage:
    mail = modern()
    for name in NAMES:
        mail.add_attachment(PDF, maintype="application", subtype="pdf", filename=name)
    return mail


def calendar() -> EmailMessage:
    lines = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example.com//shop//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:42@example.com\r\n"
        "DTSTAMP:20251121T090000Z\r\nDTSTART:20251201T090000Z\r\nDTEND:20251201T100000Z\r\nSUMMARY:Stocktaking\r\n"
        "ORGANIZER:mailto:shop@example.com\r\nATTENDEE:mailto:reader@example.net\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    mail = modern("You are invited.\n")
    mail.add_alternative(lines, subtype="calendar", params={"method": "REQUEST"})
    return mail


def original() -> MIMEText:
    mail = MIMEText("Where is my order?\n")
    mail["From"], mail["To"], mail["Subject"] = "reader@example.net", "shop@example.com", "Re: www.example.com"
    return mail


def report(kind: str, fields: Sequence[str]) -> MIMEMultipart:
    mail = MIMEMultipart("report", report_type=kind)
    mail.attach(MIMEText("This is a report of the shop's mail server.\n"))
    mail.attach(message_from_string(f"Content-Type: message/{kind}\n\n" + "\n".join(fields) + "\n"))
    mail.attach(headers_only())
    return mail


def headers_only() -> MIMENonMultipart:
    part = MIMENonMultipart("text", "rfc822-headers")
    part.set_payload("From: reader@example.net\nTo: shop@example.com\nSubject: Re: www.example.com\n")
    return part


def quoted(charset_name: str, text: str) -> MIMEText:
    charset = Charset(charset_name)
    charset.body_encoding = QP
    mail = MIMEText("", "plain")
    del mail["Content-Transfer-Encoding"]
    mail.set_payload(text, charset)
    return mail


STATUS = (
    "Reporting-MTA: dns; mail.example.com",
    "",
    "Final-Recipient: rfc822; gone@example.com",
    "Action: failed",
    "Status: 5.1.1",
)
READ = (
    "Reporting-UA: mail.example.com; shop 1.0",
    "Final-Recipient: rfc822;shop@example.com",
    "Original-Message-ID: <41@example.net>",
    "Disposition: manual-action/MDN-sent-manually; displayed",
)

forward = modern("See below.\n")
forward.add_attachment(original())
digest = MIMEMultipart("digest", _subparts=[MIMEMessage(original()), MIMEMessage(original())])

send("python-text", modern())
send("python-names", names())
send("python-calendar", calendar())
send("python-forward", forward, subject="Fwd: Re: www.example.com")
send("python-digest", digest, subject="Digest 42")
send("python-delivery-status", report("delivery-status", STATUS), subject="Undelivered")
send("python-read-receipt", report("disposition-notification", READ), subject="Read")
send("python-base64-text", MIMEText(TEXT * 20, "plain", "utf-8"), subject="=?utf-8?b?R3LDtsOfZQ==?= 42")
send("python-iso-2022-jp", MIMEText("ご注文ありがとうございます。\n", "plain", "iso-2022-jp"))
send("python-koi8-r-quoted", quoted("koi8-r", "Размер 42\n" * 12))
