"""Django: with another form of the text, and with attachments."""

import os
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.utils import DNS_NAME

settings.configure(EMAIL_HOST="127.0.0.1", EMAIL_PORT=int(os.environ["PORT"]))
DNS_NAME._fqdn = "client.example"
FILES = Path(os.environ["FILES"])


def send(name: str, mail: EmailMessage) -> None:
    mail.from_email = "Bücher <shop@example.com>"
    mail.subject = "Größe 42"
    mail.extra_headers = {"To": "reader@example.net"}
    mail.to = [f"{name}@example.net"]
    mail.send()


alternative = EmailMultiAlternatives(body="Größe 42\n" + "a long line of text " * 60)
alternative.attach_alternative("<p>Größe 42</p>", "text/html")
send("django-alternative", alternative)

attachments = EmailMessage(body="Hello\n")
attachments.attach("Größe 42, Angebot für unsere treuen Kunden, gültig bis zum Ende des Jahres.csv", "a;b\n1;2\n", "text/csv")
attachments.attach("report.js.txt", "console.log is a text here\n", "text/plain")
attachments.attach("Program Files.exe.docx", (FILES / "letter.docx").read_bytes())
send("django-attachments", attachments)
