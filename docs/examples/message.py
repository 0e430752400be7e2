"""Sends one message, and asks what became of it: message.py FROM TO ORDER

RELAY_URL is like https://relay.example.com/email/v1; RELAY_LOGIN and RELAY_PASSWORD are those of `relay credential add`.
"""

import base64
import json
import os
import sys
import time
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

URL = urlsplit(os.environ["RELAY_URL"])
LOGIN = base64.b64encode(f"{os.environ['RELAY_LOGIN']}:{os.environ['RELAY_PASSWORD']}".encode()).decode()


def call(method, path, body=None, **headers):
    """The Result. Tried again where the relay says when to; raises RuntimeError for what it refuses."""
    headers = {"Authorization": f"Basic {LOGIN}", "Content-Type": "application/json", **headers}
    tries = 4
    while True:
        tries -= 1
        connection = (HTTPSConnection if URL.scheme == "https" else HTTPConnection)(URL.netloc, timeout=60)
        connection.request(method, URL.path + path, json.dumps(body) if body is not None else None, headers)
        reply = connection.getresponse()
        answer = json.load(reply)
        connection.close()
        if reply.status < 300:
            return answer.get("Result")
        if not tries or not reply.getheader("Retry-After"):
            raise RuntimeError(f"{answer['Code']}: {answer['Description']}")
        time.sleep(int(reply.getheader("Retry-After")))


def main(sender, recipient, order):
    """The key keeps the message from being sent twice, however often this runs."""
    message = {
        "Sender": {"Address": sender, "Name": "The Shop"},
        "Recipient": {"Address": recipient},
        "Subject": f"Order {order}",
        "Text": f"<p>Thank you for your order {order}.</p>",
        "UserMessageId": f"order-{order}",
    }
    id = call("POST", "/Messages", message, **{"Idempotency-Key": f"order-{order}"})
    print(id)
    for each in call("GET", f"/Messages/{id}"):
        print(each["Email"], each["State"])


if __name__ == "__main__":
    main(*sys.argv[1:])
