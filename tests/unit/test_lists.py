"""Suppression lists as files: what each provider writes, and rows that are none."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest

from relay.lists.reading import read
from relay.lists.rows import BadRow, Given, UnknownList
from relay.lists.writing import Writer
from relay.suppression import EVERYWHERE, Reason, Suppression

NOW = 1_790_000_000.0
AT = 1_576_591_113.0  # 2019-12-17 13:58:33 UTC

POSTMARK = [
    {"EmailAddress": "a@example.net", "SuppressionReason": reason, "Origin": origin, "CreatedAt": "2019-12-17T08:58:33-05:00"}
    for reason, origin in (
        ("HardBounce", "Recipient"),
        ("SpamComplaint", "Recipient"),
        ("ManualSuppression", "Recipient"),
        ("ManualSuppression", "Customer"),
    )
]


def listed(text: str, **given: object) -> list[Suppression | BadRow]:
    values = {"source": "import", "now": NOW, **given}
    return list(read(StringIO(text, newline=""), Given(**values)))  # type: ignore[arg-type]


def told(text: str, **given: object) -> list[tuple[str, str, float, str]]:
    return [
        (e.reason, e.scope, e.created_at, e.note) if isinstance(e, Suppression) else ("bad", "", 0, e.why)
        for e in listed(text, **given)
    ]


ALL = EVERYWHERE
FILES = {
    "mailgun bounces": (
        'address,code,error,created_at\na@example.net,550,No such user,"Tue, 17 Dec 2019 13:58:33 UTC"\n',
        [("hard_bounce", ALL, AT, "550 No such user")],
    ),
    "mailgun complaints": ('address,created_at\na@example.net,"Tue, 17 Dec 2019 13:58:33 GMT"\n', [("complaint", ALL, AT, "")]),
    "mailgun unsubscribes": (
        "address,tags,created_at\na@example.net,*,2019-12-17T13:58:33Z\na@example.net,news,2019-12-17T13:58:33Z\n",
        [("unsubscribed", ALL, AT, ""), ("unsubscribed", "list:news", AT, "")],
    ),
    "mailgun's API": (
        json.dumps({"items": [{"address": "a@example.net", "tags": ["news", "offers"], "created_at": AT}], "paging": {}}),
        [("unsubscribed", "list:news", AT, ""), ("unsubscribed", "list:offers", AT, "")],
    ),
    "sendgrid bounces": (
        "status,reason,email,created\n5.1.1,550 unknown,a@example.net,1576591113\n",
        [("hard_bounce", ALL, AT, "5.1.1 550 unknown")],
    ),
    "sendgrid spam reports": ("email,ip,created\na@example.net,192.0.2.1,1576591113\n", [("complaint", ALL, AT, "")]),
    "sendgrid invalid addresses": (
        "reason,email,created\nno domain,a@example.net,1576591113\n",
        [("hard_bounce", ALL, AT, "no domain")],
    ),
    "sendgrid unsubscribes": ("email,created\na@example.net,2019-12-17 13:58:33 UTC\n", [("unsubscribed", ALL, AT, "")]),
    "postmark JSON": (
        json.dumps({"Suppressions": POSTMARK}, indent=1),
        [(reason, ALL, AT, "") for reason in ("hard_bounce", "complaint", "unsubscribed", "manual")],
    ),
    "postmark CSV": (
        "Email Address,Suppression Reason,Origin,Created At\na@example.net,HardBounce,Recipient,2019-12-17T08:58:33-05:00\n",
        [("hard_bounce", ALL, AT, "")],
    ),
    "postal, as MySQL writes it": (
        "id\ttype\taddress\treason\ttimestamp\tkeep_until\n"
        "1\trecipient\ta@example.net\ttoo many hard fails\t1576591113.000000\t1579183113.0\n"
        "2\trecipient\tb@example.net\ttoo many soft fails\t1576591113.0\tNULL\n"
        "3\trecipient\tc@example.net\tasked us to\t1576591113.0\tNULL\n",
        [
            ("hard_bounce", ALL, AT, "too many hard fails"),
            ("soft_bounces", ALL, AT, "too many soft fails"),
            ("imported", ALL, AT, "asked us to"),
        ],
    ),
    "ses CSV": (
        "a@example.net,BOUNCE\nb@example.net,COMPLAINT\n",
        [("hard_bounce", ALL, NOW, ""), ("complaint", ALL, NOW, "")],
    ),
    "ses, a JSON object per line": (
        '{"emailAddress":"a@example.net","reason":"BOUNCE"}\n{"emailAddress":"b@example.net","reason":"COMPLAINT"}\n',
        [("hard_bounce", ALL, NOW, ""), ("complaint", ALL, NOW, "")],
    ),
    "ses, list-suppressed-destinations": (
        json.dumps(
            {
                "SuppressedDestinationSummaries": [
                    {"EmailAddress": "a@example.net", "Reason": "COMPLAINT", "LastUpdateTime": "2019-12-17T13:58:33+00:00"},
                    {"EmailAddress": "b@example.net", "Reason": "BOUNCE", "LastUpdateTime": AT},
                ]
            }
        ),
        [("complaint", ALL, AT, ""), ("hard_bounce", ALL, AT, "")],
    ),
    "plain, with comments and a mark of UTF-8's order": (
        "# gone\n\na@example.net\n b@example.net  # asked us to\nc#d@example.net\n",
        [("imported", ALL, NOW, "")] * 3,
    ),
    "plain, with a header": ("Email\na@example.net\n", [("imported", ALL, NOW, "")]),
    "with semicolons": ("email;created\na@example.net;1576591113\n", [("unsubscribed", ALL, AT, "")]),
}


@pytest.mark.parametrize("name", FILES)
def test_what_a_provider_exports_is_read(name: str) -> None:
    text, expected = FILES[name]
    assert told(text) == expected


def test_postal_keeps_an_address_for_some_time() -> None:
    (found, *_) = listed(FILES["postal, as MySQL writes it"][0])
    assert isinstance(found, Suppression)
    assert found.expires_at == AT + 30 * 86400


ENTRY = Suppression(address="a@example.net", reason=Reason.MANUAL, source="command line", created_at=AT)
ENTRIES = [
    ENTRY,
    Suppression(
        address="=1+1@example.net",
        reason=Reason.COMPLAINT,
        source="-",
        created_at=AT,
        note='@sum, "quoted"\nand on',
        scope="list:x",
    ),
    Suppression(
        address="'+x@example.net", reason=Reason.IMPORTED, source="a", created_at=AT, expires_at=AT + 5, note="'quoted'"
    ),
]


def exported(format: str) -> str:
    file = StringIO()
    Writer(file, format).write(ENTRIES)
    return file.getvalue()


def test_our_own_export_comes_back_as_it_was() -> None:
    assert listed(exported("relay")) == ENTRIES


def test_a_spreadsheet_finds_no_formula_in_our_export() -> None:
    rows = exported("relay").replace('"', "").splitlines()
    assert not [cell for row in rows for cell in row.split(",") if cell[:1] in ("=", "+", "-", "@")]


def test_what_breaks_lines_or_begins_as_a_formula_behind_a_break_stays_in_its_cell() -> None:
    note = "\r=1+1\r\n'=2"
    writer = Writer(file := StringIO(newline=""), "relay")
    writer.write([replace(ENTRIES[0], note=note)])
    assert "\n'=1+1" not in file.getvalue()
    assert "\"'\n=1+1\n'=2\"" in file.getvalue()
    assert listed(file.getvalue()) == [replace(ENTRIES[0], note=note.replace("\r\n", "\n").strip())]


def test_for_others_goes_what_they_have_a_word_for() -> None:
    assert exported("plain") == "a@example.net\n'+x@example.net\n"
    bounced = Suppression(address="+b@example.net", reason=Reason.HARD_BOUNCE, source="a", created_at=AT)
    writer = Writer(file := StringIO(), "ses")
    writer.write([*ENTRIES, bounced])
    assert (file.getvalue(), writer.written, writer.left_out) == ("+b@example.net,BOUNCE\n", 1, 3)


BAD = {
    "email,created\nnobody,1\n": (2, "'nobody' is not an address"),
    "email,created\na@example.net,soon\n": (2, "'soon' is not a time"),
    "email,created\na@example.net,99999999999999\n": (2, "'99999999999999' is not a time"),
    "email,created\n\na@example.net\n": (3, "1 columns instead of 2"),
    'email,created\n"b@example.net\n",1\n"nobody\n",1\n': (4, "'nobody' is not an address"),
    "a@example.net,BOUNCE\nb@example.net,SPAM\n": (2, "'SPAM' is no reason"),
    '{"emailAddress":"a@example.net","reason":"BOUNCE"}\n{"emailAddress":\n': (2, "not an entry: None"),
    "a@example.net\nJosé@example.net\n": (2, "'José@example.net' is not an address"),
    "address,reason,scope,since,until,source,note\na@example.net,manual,crm,,,,\n": (2, "'crm' is no scope"),
    "type,address,reason,timestamp,keep_until\ndomain,a@example.net,x,1,2\n": (
        2,
        "an entry for a 'domain', not for a recipient",
    ),
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_row_is_told_with_its_line(text: str) -> None:
    assert [row for row in listed(text) if isinstance(row, BadRow)] == [BadRow(*BAD[text])]


@pytest.mark.parametrize(
    "bad",
    [
        '"a@example.net,1\n',
        'a@example.net,"1\n',
        '"a@example.net",1,"550 no such\n',
        '"a@example.net,1\n\nno row\n',
    ],
)
def test_a_quote_that_is_never_closed_costs_its_own_row(bad: str) -> None:
    fine = [f'b{number}@example.net,1,"why ""so"""\n' for number in range(5000)]
    rows = listed("email,created,reason\n" + fine[0] + bad + "".join(fine[1:]))
    assert [row.address for row in rows if isinstance(row, Suppression)] == [f"b{number}@example.net" for number in range(5000)]
    assert next((row.line, row.why) for row in rows if isinstance(row, BadRow)) == (3, "a quote that is not closed")


def test_a_server_may_use_several_lines_in_quotes() -> None:
    text = 'status,reason,email,created\n5.1.1,"550-5.1.1 no such\r\n550 5.1.1 user",a@example.net,1\n'
    [row] = listed(text)
    assert isinstance(row, Suppression)
    assert row.note == "5.1.1 550-5.1.1 no such\r\n550 5.1.1 user"


def test_what_no_database_takes_is_replaced() -> None:
    [row] = listed('[{"address": "a@example.net", "error": "no\\ud800", "code": "5", "created_at": 1}]', format="mailgun")
    assert isinstance(row, Suppression)
    assert row.note == "5 no?"


def test_a_first_line_without_an_end_is_no_table() -> None:
    with pytest.raises(UnknownList):
        listed("a" * 10_000_000)


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("name,colour\nred,blue\n", ""),
        ("email,created\na@example.net,1\n", "postmark"),
        ("a@example.net\n", "mailgun"),
        ('{"a": 1}', ""),
        ('[{"colour": "red"}]', ""),
        ("[" * 100_000, ""),
        ("{broken", ""),
    ],
)
def test_what_is_no_list_is_not_guessed_at(text: str, format: str) -> None:
    with pytest.raises(UnknownList):
        listed(text, format=format)


@pytest.mark.parametrize("indent", [None, 4])
def test_a_page_of_sess_list_is_not_taken_for_the_list(indent: int | None) -> None:
    page = {"SuppressedDestinationSummaries": [{"EmailAddress": "a@example.net", "Reason": "BOUNCE"}], "NextToken": "more"}
    with pytest.raises(UnknownList, match="relay suppression sync"):
        listed(json.dumps(page, indent=indent))


def test_those_whom_sendgrid_blocks_are_imported_only_for_a_reason_that_is_named() -> None:
    text = "status,reason,email,created\n4.7.1,try later,a@example.net,1576591113\n"
    with pytest.raises(UnknownList, match="--reason"):
        listed(text, name="suppression_blocks.csv")
    assert told(text, name="suppression_blocks.csv", reason=Reason.SOFT_BOUNCES)[0][0] == "soft_bounces"


def test_nothing_began_in_the_future() -> None:
    assert told("email,created\na@example.net,2100-01-01\n") == [("unsubscribed", ALL, NOW, "")]


def test_reason_and_scope_that_are_given_stand() -> None:
    assert told("a@example.net,BOUNCE\n", reason=Reason.MANUAL, scope="credential:crm") == [
        ("manual", "credential:crm", NOW, "")
    ]


def test_a_list_of_more_columns_is_plain_where_that_is_said() -> None:
    assert told("email,name\na@example.net,A\n", format="plain") == [("imported", ALL, NOW, "")]
    assert [type(row) for row in listed("nobody\na@example.net\n", format="plain")] == [BadRow, Suppression]


@pytest.mark.parametrize("text", ["", "\n\n", "email,created\n"])
def test_an_empty_list_has_no_rows(text: str) -> None:
    assert listed(text) == []
