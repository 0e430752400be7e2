"""Django's backends for SES, with nothing changed but the endpoint. One line of JSON for each mail."""

import json
import os
from typing import Any

import django
from django.conf import settings
from django.core.mail import EmailMultiAlternatives

environment = os.environ
BACKENDS: dict[str, dict[str, Any]] = {
    "django-ses": {"EMAIL_BACKEND": "django_ses.SESBackend"},
    "django-ses, v2": {"EMAIL_BACKEND": "django_ses.SESBackend", "USE_SES_V2": True},
    "django-anymail": {"EMAIL_BACKEND": "anymail.backends.amazon_ses.EmailBackend"},
}
settings.configure(
    AWS_SES_REGION_ENDPOINT_URL=environment["ENDPOINT"],
    AWS_SES_REGION_NAME="eu-west-1",
    ANYMAIL={"AMAZON_SES_CLIENT_PARAMS": {"region_name": "eu-west-1", "endpoint_url": environment["ENDPOINT"]}},
    INSTALLED_APPS=["anymail"],
    **BACKENDS[environment["CLIENT"]],
)
django.setup()


def send(*, sender: str = "Bücher <shop@example.com>", to: str = "Leser <reader@example.net>", text: str = "Größe") -> None:
    mail = EmailMultiAlternatives(subject="Größe 42", body=text, from_email=sender, to=[to], bcc=["hidden@example.net"])
    mail.attach_alternative("<p>Größe</p>", "text/html")
    mail.attach("Größe.csv", "a;b\n1;2\n", "text/csv")
    try:
        mail.send()
    except Exception as error:
        known: Any = error if hasattr(error, "response") and error.response else error.__cause__  # anymail's has boto3's
        answer = known.response
        said = [answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]]
    else:
        status = getattr(mail, "anymail_status", None)
        said = [status.message_id if status else mail.extra_headers["message_id"]]
    print(json.dumps(said))


send()
send(sender="thief@example.org")
send(to="gone@example.net")
send(text="x" * 300_000)
send()
