"""Sends a mailing to the people in a CSV file, and says how far it came: mailing.py FROM FILE

The file's first line names its columns: Email, FirstName, City, and any others, which the texts may name in brackets. The
settings are those of message.py.
"""

import csv
import sys
import time

from message import call

TEXT = """<p>Hello [FirstName],</p><p>your shop in [City] is open.</p>
<p><a href="[WebVersion]">View online</a> <a href="[Unsubscribe]">Unsubscribe</a></p>"""
OVER = ("Finished", "Canceled", "Failed")


def contacts(path):
    """Of a CSV file."""
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {"Email": row.pop("Email"), "FirstName": row.pop("FirstName"), "MergeFields": row}


def main(sender, path):
    """A group, its contacts, a task for them; then wait until it is over."""
    group = call("POST", "/ContactGroups", {"Name": path})
    people = list(contacts(path))
    for start in range(0, len(people), 10_000):
        found = call("POST", "/ContactsImport", {"ContactGroupId": group, "Contacts": people[start : start + 10_000]})
        for rejected in found["RejectedContacts"]:
            print("left out:", rejected["Contact"]["Email"], rejected["ErrorDescription"])
    mailing = {
        "Name": "Opening",
        "Sender": {"Address": sender, "Name": "The Shop"},
        "Subject": "We are open, [FirstName]",
        "Text": TEXT,
        "Type": "Distribution",
        "ContactGroups": [{"Id": group}],
    }
    task = call("POST", "/Tasks", mailing)["TaskId"]
    call("PUT", f"/Tasks/{task}/State", {"State": "Created"})
    while (found := call("GET", f"/Tasks/{task}"))["State"] not in OVER:
        time.sleep(1)
    print(found["State"], found["StateInfo"])
    for name, count in call("GET", f"/Statistics?TaskId={task}").items():
        print(name, count)


if __name__ == "__main__":
    main(*sys.argv[1:])
