"""The ordinary messages: how each was made, and what of it is sent otherwise than it was accepted.

Received is added to all of them, and to those without one Date, Message-ID and To. The files lie beside, in ordinary/.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_suffix("")


@dataclass(frozen=True)
class Ordinary:
    """`recoded` counts leaves from 0; `encoded` names raw headers sent in ASCII, `first_kept` those sent once."""

    name: str
    made: str
    recoded: tuple[int, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    encoded: tuple[str, ...] = ()
    first_kept: tuple[str, ...] = ()

    @property
    def content(self) -> bytes:
        return (FOLDER / f"{self.name}.eml").read_bytes()


ORDINARY = (
    # Programs and libraries that ran: `python -m tests.corpus.make`.
    Ordinary(
        "curl-alternative", "curl -F: text and HTML in one part, a PDF in another; boundaries of hyphens", added=("Message-ID",)
    ),
    Ordinary("django-alternative", "Django: text with a long line, and HTML in 8bit", recoded=(1,)),
    Ordinary("django-attachments", "Django: RFC 2231 in one long piece, report.js.txt, Program Files.exe.docx"),
    Ordinary("git-send-email", "git send-email: a patch in UTF-8, In-Reply-To and References", recoded=(0,)),
    Ordinary("gnupg-encrypted", "PGP/MIME as Enigmail wrote it, encrypted by GnuPG"),
    Ordinary("gnupg-inline", "8-bit text with a signature of GnuPG in it", recoded=(0,)),
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
    Ordinary("mutt-attachments", "mutt through msmtp: a Cyrillic name in eight pieces", recoded=(0, 1)),
    Ordinary("mutt-resent", "mutt through msmtp: Resent-From and its like", recoded=(0,)),
    Ordinary("mutt-text", "mutt through msmtp: text in UTF-8 with a signature", recoded=(0,)),
    Ordinary(
        "nodemailer-dkim",
        "Nodemailer: signed by its own DKIM over Date and Message-ID",
        removed=("DKIM-Signature",),
    ),
    Ordinary("nodemailer-dkim-narrow", "Nodemailer: signed by its own DKIM, but for Date and Message-ID"),
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
    ),
    Ordinary("phpmailer-inline", "PHPMailer: three multiparts, a long name in RFC 2047", recoded=(0, 1)),
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
    Ordinary("python-names", "Python's email: Cyrillic, Japanese, emoji and long names in RFC 2231", recoded=(0,)),
    Ordinary("python-read-receipt", "Python's email: multipart/report, disposition-notification"),
    Ordinary("python-text", "Python's email: text in 8bit", recoded=(0,)),
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
    # By hand, in the shape of clients that cannot run here.
    Ordinary(
        "amazon-headers",
        "a program written for SES: X-SES-CONFIGURATION-SET, X-SES-MESSAGE-TAGS folded",
        removed=("X-SES-CONFIGURATION-SET", "X-SES-MESSAGE-TAGS"),
    ),
    Ordinary("amp-newsletter", "newsletter with a third form for AMP, both List-Unsubscribe headers"),
    Ordinary("apple-mail-appledouble", "Apple Mail of 2008: multipart/appledouble"),
    Ordinary("apple-mail-inline-pdf", "Apple Mail: a PDF between two pieces of HTML, mixed inside of alternative"),
    Ordinary("archives", "zip, zip with a password, tar.gz, csv.gz"),
    Ordinary("base64-in-one-line", "a PDF whose base64 has no line ends", recoded=(1,)),
    Ordinary("base64-sloppy", "base64 in lines of 4 and of 60 with blanks and empty lines at their ends"),
    Ordinary("bcc-left", "a program that leaves its Bcc in, folded", removed=("Bcc",)),
    Ordinary("boundaries-alike", "boundaries that differ in their last digit alone, lines that begin like them"),
    Ordinary("comments", "comments in From, Date, Message-ID and all MIME headers"),
    Ordinary("content-like-programs", "text that begins like a program or speaks of one: MZ, PK, #!, a link to setup.exe"),
    Ordinary("content-type-text", "mailx of before MIME: Content-Type: text"),
    Ordinary(
        "cron",
        "cron: (Cron Daemon) behind the address, X-Cron-Env four times",
        recoded=(0,),
        added=("Date", "Message-ID"),
    ),
    Ordinary("dkim-twice", "a gateway's DKIM before the client's", removed=("DKIM-Signature",)),
    Ordinary("dotnet-smtpclient", ".NET SmtpClient: `--boundary_0_`, a long name in two words", added=("Message-ID",)),
    Ordinary("drupal", "Drupal: delsp=yes, 8Bit, Return-Path, Sender", recoded=(0,), removed=("Return-Path",)),
    Ordinary("empty-body", "no body"),
    Ordinary("encoding-misspelt", "a script: Content-Transfer-Encoding of 8-bit, 7-bit and utf-8, all of it ASCII"),
    Ordinary("encodings-in-text", "text that speaks of uuencode, yEnc, base64 and PEM, with dots and From at line starts"),
    Ordinary("exchange-invitation", "Exchange: a calendar's REQUEST in base64"),
    Ordinary("exchange-out-of-office", "Exchange: an automatic reply"),
    Ordinary("exchange-reply", "Exchange: long x-ms headers, 60 References, related of type alternative"),
    Ordinary("exchange-tnef", "Exchange: winmail.dat with a name beyond ASCII in it, and an image"),
    Ordinary("exchange-undeliverable", "Exchange: multipart/report with the whole message"),
    Ordinary("fax-tiff", "a fax server: TIFF, a name with blanks and dots"),
    Ordinary("feedback-report", "a complaint in ARF, message/feedback-report"),
    Ordinary("folded-headers", "every header folded, a group in Cc, an empty header"),
    Ordinary("forward-8-bit", "8-bit text inside of a forwarded message", recoded=(1,)),
    Ordinary("forward-in-base64", "messages attached in base64, as message/rfc822 and as octet-stream"),
    Ordinary("forward-of-forwards", "message/rfc822 as the whole body, eight forwards deep"),
    Ordinary("from-encoded-address", "From with an address in its encoded name"),
    Ordinary("from-its-own-address-as-name", "From whose name is its address, without quotes"),
    Ordinary("from-quoted-address", "From with another address in its quoted name, as forms and calendars write it"),
    Ordinary("from-quoted-comma", "From with a comma, a comment's brackets and quotes in its quoted name"),
    Ordinary("from-upper-case", "From in upper case"),
    Ordinary("gb18030", "8-bit GB18030, octets of four", recoded=(0,)),
    Ordinary("gmail-alternative", "Gmail: text in base64, HTML in quoted-printable"),
    Ordinary("gmail-attachments", "Gmail: Japanese name in RFC 2047, a name that ends with a dot"),
    Ordinary("gmail-invitation", "Google Calendar: the REQUEST twice, a Sender"),
    Ordinary("header-only", "no body, and no empty line"),
    Ordinary("html-in-one-8-bit-line", "8-bit HTML in one line of 2 KB", recoded=(0,)),
    Ordinary("invoices", "names that only look like more: offer-shop.com.pdf, Setup.exe guide.PDF, command.com.txt"),
    Ordinary("ios-photos", "iOS Mail: a photo between two texts"),
    Ordinary("koi8-r-undeclared", "8-bit KOI8-R without Content-Transfer-Encoding", recoded=(0,)),
    Ordinary(
        "list-footer-behind-the-end",
        "ezmlm: a footer behind the closing boundary, Return-Path, Delivered-To",
        removed=("Return-Path",),
    ),
    Ordinary("long-references", "References of 120 messages"),
    Ordinary("lotus-notes", "Lotus Notes: blanks in boundaries, receipts asked for, RFC 2047 in Latin-1"),
    Ordinary("mailkit", "MailKit: `=` `+` `/` in the boundary, RFC 2047 and RFC 2231 at once", recoded=(0,)),
    Ordinary("mailman-footer-part", "Mailman: a footer as a part, Sender, Errors-To with VERP, List headers"),
    Ordinary("many-types", "14 kinds of files, each as its kind begins"),
    Ordinary("mime-version-twice", "a WordPress plugin that sets MIME-Version once more", first_kept=("MIME-Version",)),
    Ordinary("multipart-without-mime-version", "a script that leaves MIME-Version out"),
    Ordinary("nagios", "Nagios through mailx: no MIME at all"),
    Ordinary("name-in-both-forms", "filename and filename*, unlike; a name with a blank and no quotes"),
    Ordinary(
        "names-odd", "names with quotes, colons, slashes, percent signs, blanks at the ends; empty ones; a raw RFC 2047 word"
    ),
    Ordinary("newsletter-in-one-line", "HTML in one line of 2 KB, both List-Unsubscribe headers", recoded=(1,)),
    Ordinary("no-closing-boundary", "a program that forgets the closing boundary"),
    Ordinary("odd-but-legal-mime", "a boundary of all 70 allowed, upper case, comments, parts without header and without body"),
    Ordinary("odoo", "Odoo: an address in the quoted name of From, a name with slashes", removed=("Return-Path",)),
    Ordinary("outlook-express-windows-1251", "Outlook Express: windows-1251 in 8bit", recoded=(0, 1)),
    Ordinary("outlook-forward-as-attachment", "Outlook: a forwarded message with `www.example.com` as its description"),
    Ordinary("outlook-mac", "Outlook for Mac: Program Files.exe.docx, a preamble with `>`"),
    Ordinary("outlook-read-receipt", "Outlook: multipart/report without the message"),
    Ordinary("outlook-related", "Outlook: HTML of Word, inline image, .docx and PDF"),
    Ordinary("outlook-tnef", "Outlook: winmail.dat with a .docx in it"),
    Ordinary(
        "php-mail-raw-subject",
        "PHP's mail(): a raw Subject in UTF-8, no To, Date, Message-ID",
        recoded=(0,),
        added=("Date", "Message-ID", "To"),
        encoded=("Subject",),
    ),
    Ordinary("plain-text-in-one-line", "text in one line of 2 KB, no MIME at all", recoded=(0,)),
    Ordinary("postfix-bounce", "Postfix: a bounce of 8bit parts, a slash in the boundary"),
    Ordinary("quoted-printable-sloppy", "quoted-printable in lower case, with loose `=` and blanks at line ends"),
    Ordinary("quoted-printable-too-long", "quoted-printable without soft breaks", recoded=(0,)),
    Ordinary(
        "raw-8-bit-filename",
        "a PHP script that writes a file name in raw UTF-8",
        encoded=("Content-Type", "Content-Disposition"),
    ),
    Ordinary("received-before", "a smarthost: six Received headers, Authentication-Results"),
    Ordinary("scanner-octet-stream", "a scanner: scan0001.pdf as octet-stream, `<` and `>` in the boundary"),
    Ordinary("scanner-pdf-alone", "a scanner: the PDF is the whole body, headers in lower case", added=("Date", "Message-ID")),
    Ordinary("shift-jis", "8-bit Shift_JIS with backslashes as second octets", recoded=(0,)),
    Ordinary("signed-invoice-attached", "an Italian invoice, .xml.p7m, and .pdf.p7m"),
    Ordinary("thunderbird-flowed", "Thunderbird: format=flowed, Autocrypt", recoded=(0,)),
    Ordinary("thunderbird-forward", "Thunderbird: www.example.com.eml"),
    Ordinary("thunderbird-inline", "Thunderbird: related inside of alternative, 8bit", recoded=(0, 1)),
    Ordinary("thunderbird-koi8-r", "Thunderbird 2: KOI8-R in 8bit", recoded=(0,)),
    Ordinary("thunderbird-names", "Thunderbird: RFC 2047 and RFC 2231 in pieces, report.js.txt"),
    Ordinary("uuencoded-text-file", "a text file, uuencoded in the text"),
    Ordinary("web-page", "a web page as multipart/related: Content-Location, Content-Base, start"),
    Ordinary("zabbix", "Zabbix: HTML in 8bit", recoded=(0,), added=("Message-ID",)),
)

ROWS = [pytest.param(row, id=row.name) for row in ORDINARY]
