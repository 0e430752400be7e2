"""Starts a small SMTP server, lets every client send its shapes to it, and keeps what came, octet by octet.

    tests/e2e/clients/install.sh
    apt-get install php-mail-mime libemail-mime-perl libmime-tools-perl libmime-lite-perl
    .venv/bin/python -m tests.corpus.make FOLDER

A message to `name@example.net` becomes FOLDER/name.eml. A client that is not installed is named and left out.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.corpus.make import samples

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

CLIENTS = {
    "swaks and other programs": "./programs.sh",
    "Python's email": '"$PYTHON" python_email.py',
    "Django": '"$PYTHON" django_mail.py',
    "Nodemailer": "node nodemailer.js",
    "PHPMailer": "php phpmailer.php",
    "Symfony Mailer": "php symfony.php",
    "PEAR Mail_Mime": "php pear.php",
    "Perl": "perl mime.pl",
    "Ruby mail": "ruby ruby_mail.rb",
    "JavaMail": "./java.sh javax",
    "Jakarta Mail": "./java.sh jakarta",
    "Go": "go run main.go",
    "GnuPG and OpenSSL": "./sealed.sh",
}


class _Unbounded(SMTP):
    line_length_limit = 1 << 20


class Kept:
    """What aiosmtpd calls: the recipient's name is the file's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content
        assert isinstance(content, bytes)
        for recipient in envelope.rcpt_tos:
            (self._folder / f"{recipient.partition('@')[0]}.eml").write_bytes(content)
        return "250 2.0.0 Ok"


async def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Unbounded(Kept(folder), hostname="localhost"), "127.0.0.1", 0)
    with tempfile.TemporaryDirectory() as scratch:
        samples.write(Path(scratch))
        environment = _environment(scratch, server.sockets[0].getsockname()[1])
        for name, command in CLIENTS.items():
            client = await asyncio.create_subprocess_shell(command, cwd=HERE, env=environment)
            if await client.wait():
                print(f"{name}: failed, or not installed")
    server.close()


def _environment(scratch: str, port: int) -> dict[str, str]:
    """No settings of whoever runs it."""
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TZ": "Europe/Berlin",
        "HOME": scratch,
        "EMAIL": "shop@example.com",
        "FILES": scratch,
        "PORT": str(port),
        "PYTHON": sys.executable,
        "NODE_PATH": str(ROOT / ".node/node_modules"),
        "GO111MODULE": "off",
    }


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).resolve()))
