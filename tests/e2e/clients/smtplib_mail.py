"""Python's own smtplib, with a message that email.message composed."""

import os
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

environment = os.environ
context = ssl.create_default_context(cafile=environment["CERTIFICATE"])
port = int(environment["PORT"])

mail = EmailMessage()
mail["From"] = "shop@example.com"
mail["To"] = "reader@example.net"
mail["Subject"] = "Größe 42"
mail.set_content(Path(environment["TEXT"]).read_text(), cte="8bit")
mail.add_attachment(b"\0\1\2\3" * 1000, maintype="application", subtype="octet-stream", filename="Größe.dat")
content = mail.as_bytes(policy=SMTP)
Path(environment["SENT"]).write_bytes(content)

client = smtplib.SMTP_SSL("localhost", port, context=context) if environment["TLS"] else smtplib.SMTP("localhost", port)
with client:
    if not environment["TLS"]:
        client.starttls(context=context)
    client.login(environment["LOGIN"], environment["PASSWORD"])
    client.sendmail("shop@example.com", ["reader@example.net"], content, mail_options=["BODY=8BITMIME"])
