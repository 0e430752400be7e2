"""What to put into a program so that it sends through this relay: for each of some programs, with the login filled in."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from relay.credential import Credential, Scope
from relay.web.console.visits import Said

PASSWORD = "PASSWORD"  # noqa: S105 - stands where the password goes
_SIMULATOR = "success@simulator.amazonses.com"  # takes mail also of an account that may not write to anybody else yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where the relay is. Ports are empty where nobody listens; `api` is the URL that the API's paths are behind, or empty."""

    host: str
    starttls: str
    tls: str
    api: str

    @property
    def port(self) -> str:
        """The one that most programs get on with."""
        return self.starttls or self.tls


class Snippet(NamedTuple):
    """What to copy, for whom, and what to know of it."""

    title: str
    text: str
    said: Said = Said("")


def snippets(doors: Doors, login: Credential) -> Sequence[Snippet]:
    """Those that the login's scopes and the relay's doors allow."""
    found: list[Snippet] = []
    if Scope.SMTP in login.scopes and doors.port:
        found += (made(doors, login) for made in _BY_SMTP if doors.starttls or made is not _system_net_mail)
    if Scope.MESSAGES in login.scopes and doors.api:
        found.append(_api(doors, login))
    return found


def example_sender(login: Credential) -> str:
    """An address that the login may send as."""
    for listed in sorted(login.senders, key=lambda listed: listed.startswith("@")):
        if listed.startswith("@*."):
            return f"mail@news.{listed[3:]}"
        return f"mail{listed}" if listed.startswith("@") else listed
    return "mail@example.com"


def _outlook(doors: Doors, login: Credential) -> Snippet:
    lines = (
        ("Outgoing mail (SMTP) server", doors.host),
        ("Port", doors.port),
        ("Encryption method", "STARTTLS" if doors.starttls else "SSL/TLS"),
        ("My outgoing server (SMTP) requires authentication", "yes"),
        ("User name", login.name),
        ("Password", PASSWORD),
        ("Secure Password Authentication (SPA)", "no"),
    )
    said = Said(
        "File, Account Settings, Server Settings, Outgoing mail. Where the login may come from some networks only, take the"
        " classic Outlook: the new one may send from Microsoft's servers."
    )
    return Snippet("Outlook", _lines(f"{name}: {value}" for name, value in lines), said)


def _wordpress(doors: Doors, login: Credential) -> Snippet:
    defined = (
        ("WPMS_ON", "true"),
        ("WPMS_MAILER", "'smtp'"),
        ("WPMS_SMTP_HOST", _php(doors.host)),
        ("WPMS_SMTP_PORT", doors.port),
        ("WPMS_SSL", "'tls'" if doors.starttls else "'ssl'"),
        ("WPMS_SMTP_AUTH", "true"),
        ("WPMS_SMTP_USER", _php(login.name)),
        ("WPMS_SMTP_PASS", _php(PASSWORD)),
        ("WPMS_MAIL_FROM", _php(example_sender(login))),
        ("WPMS_MAIL_FROM_FORCE", "true"),
    )
    said = Said(
        "Into wp-config.php, above the line “That's all, stop editing”. A form may not send as its visitor, whose address"
        " belongs into Reply-To."
    )
    return Snippet("WordPress: WP Mail SMTP", _lines(f"define( '{name}', {value} );" for name, value in defined), said)


def _django(doors: Doors, login: Credential) -> Snippet:
    sender = repr(example_sender(login))
    lines = (
        f"EMAIL_HOST = {doors.host!r}",
        f"EMAIL_PORT = {doors.port}",
        f"{'EMAIL_USE_TLS' if doors.starttls else 'EMAIL_USE_SSL'} = True",
        f"EMAIL_HOST_USER = {login.name!r}",
        f"EMAIL_HOST_PASSWORD = {PASSWORD!r}",
        f"DEFAULT_FROM_EMAIL = {sender}",
        f"SERVER_EMAIL = {sender}",
    )
    said = Said("Into settings.py, up to Django 6.0. From 6.1 on the same values stand in MAILERS.")
    return Snippet("Django", _lines(lines), said)


def _mailkit(doors: Doors, login: Credential) -> Snippet:
    security = "StartTls" if doors.starttls else "SslOnConnect"
    lines = (
        "using var client = new MailKit.Net.Smtp.SmtpClient();",
        f"client.Connect({_c_sharp(doors.host)}, {doors.port}, MailKit.Security.SecureSocketOptions.{security});",
        f"client.Authenticate({_c_sharp(login.name)}, {_c_sharp(PASSWORD)});",
        "client.Send(message);",
        "client.Disconnect(true);",
    )
    return Snippet(".NET: MailKit", _lines(lines), Said("The From of the message is one of the senders of the login."))


def _system_net_mail(doors: Doors, login: Credential) -> Snippet:
    lines = (
        f"using var client = new System.Net.Mail.SmtpClient({_c_sharp(doors.host)}, {doors.starttls})",
        "{",
        "    EnableSsl = true,",
        f"    Credentials = new System.Net.NetworkCredential({_c_sharp(login.name)}, {_c_sharp(PASSWORD)}),",
        "};",
        f'client.Send({_c_sharp(example_sender(login))}, {_c_sharp(_SIMULATOR)}, "Hello", "It works.");',
    )
    said = Said(
        "It knows STARTTLS alone: with a port that begins with TLS it hangs. Microsoft advises MailKit for new programs."
    )
    return Snippet(".NET: System.Net.Mail", _lines(lines), said)


def _phpmailer(doors: Doors, login: Credential) -> Snippet:
    security = "STARTTLS" if doors.starttls else "SMTPS"
    lines = (
        "$mail = new PHPMailer\\PHPMailer\\PHPMailer(true);",
        "$mail->isSMTP();",
        f"$mail->Host = {_php(doors.host)};",
        f"$mail->Port = {doors.port};",
        f"$mail->SMTPSecure = PHPMailer\\PHPMailer\\PHPMailer::ENCRYPTION_{security};",
        "$mail->SMTPAuth = true;",
        f"$mail->Username = {_php(login.name)};",
        f"$mail->Password = {_php(PASSWORD)};",
        f"$mail->setFrom({_php(example_sender(login))});",
        f"$mail->addAddress({_php(_SIMULATOR)});",
        "$mail->Subject = 'Hello';",
        "$mail->Body = 'It works.';",
        "$mail->send();",
    )
    return Snippet("PHPMailer", _lines(lines))


def _swaks(doors: Doors, login: Credential) -> Snippet:
    security = "--tls" if doors.starttls else "--tls-on-connect"
    words = (
        ("swaks", f"--server {doors.host} --port {doors.port} {security} --tls-verify"),
        (" ", f"--auth LOGIN --auth-user {shlex.quote(login.name)} --auth-password {PASSWORD}"),
        (" ", f"--from {shlex.quote(example_sender(login))} --to {_SIMULATOR}"),
    )
    said = Said("A message to the mailbox simulator of SES: it counts as sent, and nobody gets it.")
    return Snippet("swaks", _continued(words), said)


def _api(doors: Doors, login: Credential) -> Snippet:
    content = {
        "Sender": {"Address": example_sender(login)},
        "Recipient": {"Address": _SIMULATOR},
        "Subject": "Hello",
        "Text": "<p>It works.</p>",
    }
    words = (
        ("curl", f"--user {shlex.quote(f'{login.name}:{PASSWORD}')}"),
        (" ", "--header 'Content-Type: application/json'"),
        (" ", f"--data {shlex.quote(json.dumps(content, ensure_ascii=False))}"),
        (" ", f"{doors.api}/email/v1/Messages"),
    )
    said = Said("From the machine of the relay itself. From elsewhere it is the address of the proxy in front of it.")
    return Snippet("curl: HTTP API", _continued(words), Said("") if doors.api.startswith("https:") else said)


_BY_SMTP: Sequence[Callable[[Doors, Credential], Snippet]] = (
    _outlook,
    _wordpress,
    _phpmailer,
    _django,
    _mailkit,
    _system_net_mail,
    _swaks,
)


def _lines(lines: Sequence[str] | Iterator[str]) -> str:
    return "\n".join(lines)


def _continued(words: Sequence[tuple[str, str]]) -> str:
    """A line for the shell."""
    return " \\\n".join(f"{word} {rest}" for word, rest in words)


def _php(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _c_sharp(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
