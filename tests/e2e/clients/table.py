"""One row per client: how it is called for each door, what it needs, and where to find what it sent.

Commands are lines for the shell, run in this folder, with these variables:

PORT, TLS (empty for STARTTLS), DOOR (the word of the row for the door), LOGIN, PASSWORD, CERTIFICATE (of `localhost`, the
only one to be trusted), MAIL (a message to send as it is), MAIL_UNIX (with the line ends of Unix), TEXT (a text to make a
message of), HTML and IMAGE (empty, or files for an alternative with an image inside), SENT (where to leave what was made of
it all), PYTHON, ROOT (the project's folder).
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.e2e.clients import sent
from tests.e2e.clients.sent import Sent, given, left


@dataclass(frozen=True)
class Client:
    """`submission` and `submissions` are DOOR; None: it cannot use that one. `needs` are programs and files."""

    name: str
    command: str
    needs: tuple[str, ...] = ()
    submission: str = ""
    submissions: str | None = ""
    sent: Sent = given
    before: bytes = b""  # a pattern of what the client puts before and behind what it sent
    behind: bytes = b""
    as_root: bool = False


# What ends with CRLF already gets another one before the dot.
_ONE_MORE = b"\r\n"

_AUTHEN_SASL = "/usr/share/perl5/Authen/SASL.pm"
_IO_SOCKET_SSL = "/usr/share/perl5/IO/Socket/SSL.pm"

PROGRAMS = (
    Client(
        "swaks",
        'swaks --server localhost --port $PORT $DOOR --tls-verify --tls-ca-path "$CERTIFICATE" --auth LOGIN --auth-user $LOGIN'
        ' --auth-password "$PASSWORD" --from shop@example.com --to reader@example.net --data "@$MAIL_UNIX"',
        needs=("swaks", _IO_SOCKET_SSL),
        submission="--tls",
        submissions="--tls-on-connect",
        behind=_ONE_MORE,
    ),
    Client(
        "curl",
        'curl --silent --show-error --ssl-reqd --cacert "$CERTIFICATE" --user "$LOGIN:$PASSWORD" $DOOR://localhost:$PORT'
        ' --mail-from shop@example.com --mail-rcpt reader@example.net --upload-file "$MAIL"',
        needs=("curl",),
        submission="smtp",
        submissions="smtps",
    ),
    Client(
        "msmtp",
        'msmtp --host=localhost --port=$PORT --tls=on --tls-starttls=$DOOR --tls-trust-file="$CERTIFICATE" --auth=on'
        " --user=$LOGIN --passwordeval='printenv PASSWORD' --from=shop@example.com reader@example.net <\"$MAIL_UNIX\"",
        needs=("msmtp",),
        submission="on",
        submissions="off",
    ),
    Client(
        "s-nail",
        's-nail -:/ -S v15-compat -S mta="$DOOR://app:a%20password@localhost:$PORT" -S smtp-auth=plain -S smtp-use-starttls'
        ' -S tls-ca-file="$CERTIFICATE" -S tls-verify=strict -S from=shop@example.com -S record="$SENT" -S sendwait'
        ' -S ttycharset=utf-8 -s "Größe 42" reader@example.net <"$TEXT"',
        needs=("s-nail",),
        submission="smtp",
        submissions="smtps",
        sent=sent.in_mbox,
    ),
    Client(
        "mutt",
        'mutt -n -F muttrc -e "set smtp_url=$DOOR://app:a%20password@localhost:$PORT certificate_file=$CERTIFICATE'
        ' record=$SENT" -s "Größe 42" reader@example.net <"$TEXT"',
        needs=("mutt",),
        submission="smtp",
        submissions="smtps",
        sent=sent.undated_in_maildir,
    ),
    Client(
        "git send-email",
        'git send-email --quiet --no-validate --confirm=never --suppress-cc=all --to=reader@example.net "$MAIL_UNIX"'
        " --from=shop@example.com --smtp-server=localhost --smtp-server-port=$PORT --smtp-encryption=$DOOR"
        ' --smtp-user=$LOGIN --smtp-pass="$PASSWORD" --smtp-ssl-cert-path="$CERTIFICATE" --smtp-debug=1',
        needs=("/usr/lib/git-core/git-send-email", _AUTHEN_SASL, _IO_SOCKET_SSL, "/usr/share/perl5/Mail/Address.pm"),
        submission="tls",
        submissions="ssl",
        sent=sent.headers_of_transcript,
    ),
    Client(
        "sendemail",
        'sendemail -f shop@example.com -t reader@example.net -s localhost:$PORT -xu $LOGIN -xp "$PASSWORD" -o tls=yes'
        ' -o message-format=raw -o message-file="$MAIL_UNIX"',
        needs=("sendemail", _IO_SOCKET_SSL),
        submissions=None,
        sent=sent.given_but_for_dots,
        behind=_ONE_MORE + _ONE_MORE,
    ),
    Client(
        "Postfix",
        "./postfix.sh reader@example.net",
        needs=("postfix",),
        before=rb"Received: by postfix\.example\.com \(Postfix, from userid 0\)\r\n\tid [^\r\n]+\r\n",
        as_root=True,
    ),
    Client(
        "Exim",
        "./exim.sh reader@example.net",
        needs=(".clients/exim/usr/sbin/exim4",),
        before=rb"Received: from root by exim\.example\.com [^\r\n]+(?:\r\n\t[^\r\n]+)+\r\n",
        as_root=True,
    ),
)

LIBRARIES = (
    Client("smtplib", '"$PYTHON" smtplib_mail.py', sent=left),
    Client("aiosmtplib", '"$PYTHON" aiosmtplib_mail.py'),
    Client("Django", '"$PYTHON" django_mail.py', sent=left),
    Client("Nodemailer", "node nodemailer_mail.js", needs=("node", ".node/node_modules/nodemailer"), sent=left),
    Client(
        "PHPMailer",
        "php phpmailer.php",
        needs=("php", "/usr/share/php/libphp-phpmailer/autoload.php"),
        sent=left,
        behind=_ONE_MORE,
    ),
    Client(
        "Symfony Mailer",
        "php symfony.php",
        needs=("php", "/usr/share/php/Symfony/Component/Mailer/autoload.php"),
        sent=left,
        behind=_ONE_MORE,
    ),
    Client(
        "PEAR Mail",
        "php pear_mail.php",
        needs=("php", "/usr/share/php/Mail.php", "/usr/share/php/Net/SMTP.php"),
        sent=left,
    ),
    Client("Net::SMTP", "perl net_smtp.pl", needs=("perl", _AUTHEN_SASL, _IO_SOCKET_SSL)),
    Client(
        "Email::Sender",
        "perl email_sender.pl",
        needs=("perl", "/usr/share/perl5/Email/Sender.pm", _AUTHEN_SASL, _IO_SOCKET_SSL),
        sent=left,
    ),
    Client("Ruby mail", "ruby ruby_mail.rb", needs=("ruby", "/usr/lib/ruby/vendor_ruby/mail.rb"), sent=left),
    Client("JavaMail", "./java.sh javax", needs=("javac", "/usr/share/java/javax.mail.jar"), sent=left),
    Client("Jakarta Mail", "./java.sh jakarta", needs=("javac", "/usr/share/java/jakarta-mail.jar"), sent=left),
    Client("Go net/smtp", "go run main.go", needs=("go",)),
)
