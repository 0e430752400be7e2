"""Django's SMTP backend. Python's ssl looks for what it trusts in SSL_CERT_FILE."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

environment = os.environ
settings.configure(
    EMAIL_HOST="localhost",
    EMAIL_PORT=int(environment["PORT"]),
    EMAIL_USE_TLS=not environment["TLS"],
    EMAIL_USE_SSL=bool(environment["TLS"]),
    EMAIL_HOST_USER=environment["LOGIN"],
    EMAIL_HOST_PASSWORD=environment["PASSWORD"],
)

mail = EmailMultiAlternatives(
    subject="Größe 42",
    body=Path(environment["TEXT"]).read_text(),
    from_email="Bücher <shop@example.com>",
    to=["reader@example.net"],
)
mail.attach_alternative("<p>Größe 42</p>", "text/html")
mail.attach("Größe.csv", "a;b\n1;2\n", "text/csv")
compose = mail.message


def message(**options: Any) -> Any:
    """Django composes when it sends; the boundaries are those of the first time that it writes the message out."""
    composed = compose(**options)
    Path(environment["SENT"]).write_bytes(composed.as_bytes())
    return composed


mail.message = message
mail.send()
