"""The ordinary messages: how each was made, and what of it is sent otherwise than it was accepted.

Received is added to all of them, and to those without one Date, Message-ID and To. The files lie beside, in ordinary/.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_suffix("")

# Why a message is not yet sent as its row declares.
EIGHT_BIT = "8-bit bodies are sent as they came"
DKIM = "signatures over Date or Message-ID are sent on"


@dataclass(frozen=True)
class Ordinary:
    """`recoded` counts leaves from 0; `encoded` names raw headers sent in RFC 2047, `first_kept` those sent once.

    `today` says why it is not yet sent so. It ends with the fault that it names, for then its tests fail.
    """

    name: str
    made: str
    recoded: tuple[int, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    encoded: tuple[str, ...] = ()
    first_kept: tuple[str, ...] = ()
    today: str = ""

    @property
    def content(self) -> bytes:
        return (FOLDER / f"{self.name}.eml").read_bytes()


ORDINARY = (
    # Programs and libraries that ran: `python -m tests.corpus.make`.
    Ordinary(
        "curl-alternative", "curl -F: text and HTML in one part, a PDF in another; boundaries of hyphens", added=("Message-ID",)
    ),
    Ordinary("django-alternative", "Django: text with a long line, and HTML in 8bit", recoded=(1,), today=EIGHT_BIT),
    Ordinary("django-attachments", "Django: RFC 2231 in one long piece, report.js.txt, Program Files.exe.docx"),
    Ordinary("git-send-email", "git send-email: a patch in UTF-8, In-Reply-To and References", recoded=(0,), today=EIGHT_BIT),
    Ordinary("gnupg-encrypted", "PGP/MIME as Enigmail wrote it, encrypted by GnuPG"),
    Ordinary("gnupg-signed", "PGP/MIME as Thunderbird writes it, 8-bit text and key inside, signed by GnuPG"),
    Ordinary(
        "go-multipart",
        "Go mime/multipart: a boundary of 60 letters, base64 in one line",
        recoded=(1,),
        added=("Date", "Message-ID"),
    ),
    Ordinary("jakarta-forward", "Jakarta Mail: HTML and a forwarded message with attachments"),
    Ordinary("jakarta-related", "Jakarta Mail: inline image, Cyrillic names in RFC 2231"),
    Ordinary("jakarta-text", "Jakarta Mail: text in quoted-printable"),
    Ordinary("javamail-forward", "JavaMail: HTML and a forwarded message with attachments"),
    Ordinary("javamail-related", "JavaMail: inline image, Cyrillic names in RFC 2047 inside of quotes"),
    Ordinary("javamail-text", "JavaMail: text in quoted-printable"),
    Ordinary("mutt-attachments", "mutt through msmtp: a Cyrillic name in eight pieces", recoded=(0, 1), today=EIGHT_BIT),
    Ordinary("mutt-resent", "mutt through msmtp: Resent-From and its like", recoded=(0,), today=EIGHT_BIT),
    Ordinary("mutt-text", "mutt through msmtp: text in UTF-8 with a signature", recoded=(0,), today=EIGHT_BIT),
    Ordinary(
        "nodemailer-dkim",
        "Nodemailer: signed by its own DKIM over Date and Message-ID",
        removed=("DKIM-Signature",),
        today=DKIM,
    ),
    Ordinary("nodemailer-inline", "Nodemailer: text, HTML with inline image, PDF"),
    Ordinary("nodemailer-invitation", "Nodemailer: a calendar's REQUEST, beside the text and as invite.ics"),
    Ordinary("nodemailer-list", "Nodemailer: List-Unsubscribe and its pair, HTML of one line in quoted-printable"),
    Ordinary("nodemailer-names", "Nodemailer: Cyrillic, Japanese, emoji and long names, RFC 2047 and RFC 2231 at once"),
    Ordinary("nodemailer-text", "Nodemailer: text in quoted-printable, a From with a comma in RFC 2047"),
    Ordinary("nodemailer-twenty", "Nodemailer: 20 attachments"),
    Ordinary("openssl-smime-encrypted", "openssl cms: encrypted, smime.p7m"),
    Ordinary("openssl-smime-opaque", "openssl cms: signed, the content inside of the signature"),
    Ordinary("openssl-smime-signed", "openssl cms: signed, the signature beside 8-bit text"),
    Ordinary("pear-civicrm", "PEAR Mail_Mime with the headers of CiviMail: VERP, X-CiviMail-Bounce", removed=("Return-Path",)),
    Ordinary("pear-roundcube", "PEAR Mail_Mime: file names in UTF-8 that call themselves US-ASCII", removed=("Return-Path",)),
    Ordinary("perl-email-mime", "Perl Email::MIME: names twice and unlike, a Date in each part", added=("Message-ID",)),
    Ordinary(
        "perl-mime-lite", "Perl MIME::Lite: related, Content-Transfer-Encoding: binary for the whole", added=("Message-ID",)
    ),
    Ordinary(
        "perl-mime-tools", "Perl MIME::Entity: text in binary, a comma in a name, inline attachments", added=("Message-ID",)
    ),
    Ordinary(
        "phpmailer-dkim",
        "PHPMailer: DKIM at the end of the header, with z=",
        recoded=(0,),
        removed=("DKIM-Signature",),
        today=DKIM,
    ),
    Ordinary("phpmailer-inline", "PHPMailer: three multiparts, a long name in RFC 2047", recoded=(0, 1), today=EIGHT_BIT),
    Ordinary("phpmailer-quoted-printable", "PHPMailer: HTML in quoted-printable with soft breaks"),
    Ordinary("phpmailer-smime", "PHPMailer: S/MIME around 8-bit text and a PDF"),
    Ordinary("phpmailer-wordpress", "PHPMailer as WordPress calls it, no Content-Transfer-Encoding"),
    Ordinary("python-base64-text", "Python's email: text in base64"),
    Ordinary("python-calendar", "Python's email: a calendar's REQUEST beside the text"),
    Ordinary("python-delivery-status", "Python's email: multipart/report, delivery-status and the headers"),
    Ordinary("python-digest", "Python's email: multipart/digest of two"),
    Ordinary("python-forward", "Python's email: a forwarded message without a name"),
    Ordinary("python-iso-2022-jp", "Python's email: 7-bit Japanese with its escapes"),
    Ordinary("python-koi8-r-quoted", "Python's email: KOI8-R in quoted-printable"),
    Ordinary(
        "python-names", "Python's email: Cyrillic, Japanese, emoji and long names in RFC 2231", recoded=(0,), today=EIGHT_BIT
    ),
    Ordinary("python-read-receipt", "Python's email: multipart/report, disposition-notification"),
    Ordinary("python-text", "Python's email: text in 8bit", recoded=(0,), today=EIGHT_BIT),
    Ordinary("ruby-alternative", "Ruby mail: text and HTML, both in base64"),
    Ordinary("ruby-inline", "Ruby mail: names as `filename` of Content-Type, in RFC 2047"),
    Ordinary("ruby-text", "Ruby mail: text in base64, a comma in the quoted name of From"),
    Ordinary("s-nail-attachment", "s-nail: Latin-1, a folded Subject, a boundary of `=-=`, a preamble"),
    Ordinary("sendemail-attachments", "sendemail: a boundary with blanks, a long preamble, an address as name of From"),
    Ordinary("swaks-attachment", "swaks: offer-shop.com.pdf, encoding BASE64"),
    Ordinary("swaks-text", "swaks: what it sends by itself, no blank behind `Message-Id:`"),
    Ordinary("symfony-alternative", "Symfony Mailer: boundaries of eight letters"),
    Ordinary("symfony-inline", "Symfony Mailer: a Content-ID as name, emoji in a name, name* in Content-Disposition"),
    Ordinary("symfony-smime-encrypted", "Symfony Mailer: encrypted, smime.p7m"),
    Ordinary("symfony-smime-signed", "Symfony Mailer: S/MIME around inline image and PDF"),
)

# For tests: a row that has a `today` must fail.
ROWS = [
    pytest.param(row, id=row.name, marks=[pytest.mark.xfail(strict=True, reason=row.today)] if row.today else [])
    for row in ORDINARY
]
