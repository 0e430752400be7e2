"""The statements that put a year of mail into a store, in the SQL of both databases. `n` is the number of a message among all,
`ms` the time when it came.
"""

from __future__ import annotations

import json
from pathlib import Path

LOGINS, DOMAINS = 20, 10
OFTEN = "alerts@example.org"  # one in 50 goes there
POSTED = (Path(__file__).parents[1] / "data" / "ses" / "delivery.json").read_text()

_SES_ID = json.loads(POSTED)["mail"]["messageId"]
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME = " || ".join(f"substr('{_DIGITS}', CAST((ms >> {shift}) & 31 AS INTEGER) + 1, 1)" for shift in range(45, -1, -5))
_READER = "'reader' || {0} || '@example' || ({0} % 97) || '.net'"
_NUMBERS = (
    """WITH RECURSIVE numbers(n) AS (SELECT CAST(:first AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)"""
)
# Of one message each: the older half goes to all readers, the newer one to three quarters of them.
EACH = f"""{_NUMBERS}, chosen AS (
    SELECT n, :begin + n * :span / :total AS ms, CASE WHEN n % 50000 = 7 THEN {LOGINS - 1} ELSE n * 7 % {LOGINS - 1} END AS c,
    n * 104729 % 1000 AS k, CASE WHEN n < :total / 2 THEN n * 48271 % :readers
    ELSE :readers / 4 + n * 48271 % (:readers - :readers / 4) END AS x FROM numbers
), mail AS (
    SELECT n, 1 AS number, ms, c, k, (c + CASE WHEN n % 4 = 0 THEN 1 ELSE 0 END) % {DOMAINS} AS d,
    {_TIME} || substr(CAST(10000000000000000 + n AS TEXT), 2) AS id, CAST(ms AS DOUBLE PRECISION) / 1000 AS at,
    CASE WHEN n % 50 = 3 THEN '{OFTEN}' ELSE {_READER.format("x")} END AS recipient,
    '0100' || substr(CAST(1000000000000 + n AS TEXT), 2) || '-0000-000000' AS ses,
    CASE WHEN n > :waiting AND n % 2 = 0 THEN 'queued' WHEN n * 7919 % 1000 < 15 THEN 'suppressed'
    WHEN n * 7919 % 1000 < 18 THEN 'failed' WHEN n * 7919 % 1000 < 20 THEN 'expired' WHEN n * 7919 % 1000 < 21 THEN 'cancelled'
    ELSE 'sent' END AS state, 'app' || c AS credential,
    CASE WHEN c >= 10 THEN 'week' || (ms / 604800000) || '-' || c || '-' || (n % 3) ELSE '' END AS campaign FROM chosen
)"""
# Of one message to many.
_MANY = f"""{_NUMBERS}, mail AS (
    SELECT n, n AS number, CAST(:ms AS BIGINT) AS ms, 10 AS c, n * 104729 % 1000 AS k, CAST(:id AS TEXT) AS id,
    CAST(:at AS DOUBLE PRECISION) AS at, 'app10' AS credential, {_READER.format("(n * 48271 % :readers)")} AS recipient,
    '0101' || substr(CAST(1000000000000 + :task * 1000000 + n AS TEXT), 2) || '-0000-000000' AS ses,
    CAST(:state AS TEXT) AS state FROM numbers
)"""
_MESSAGES = """INSERT INTO messages (id, accepted_at, credential, sender, header_from, client_message_id, subject, peer, size,
    digest, edits, has_links, lasts, label_id, campaign, list, message_class, send_at, expires_at, tags, ses_tags,
    configuration_set, task)"""
SINGLE = f"""{EACH} {_MESSAGES} SELECT id, at, credential, 'shop@shop' || d || '.example.com',
    'shop@shop' || d || '.example.com', '<' || n || '@example.com>', CASE WHEN c >= 10
    THEN 'News of the week ' || (ms / 604800000) WHEN n % 3 = 0 THEN 'Заказ ' || n || ' отправлен'
    ELSE 'Your order ' || n || ' is on its way' END, '10.0.0.5', :size, :digest, '[]', 0, 0,
    CASE WHEN c < 7 THEN 'order-' || n ELSE '' END, campaign, CASE WHEN c >= 10 THEN 'news' ELSE '' END,
    CASE WHEN c >= 10 THEN 'marketing' ELSE '' END, 0, 0, '[]', '[]', '', 0 FROM mail ORDER BY n"""
_OF_MAILING = f"""{_MESSAGES} VALUES (:id, :at, 'app10', 'shop@shop0.example.com', 'shop@shop0.example.com', '', 'News for all',
    '10.0.0.5', :size, :digest, '[]', 0, 0, '', 'all', '', 'marketing', 0, 0, '[]', '[]', '', :task)"""
DELIVERIES = """INSERT INTO deliveries (message_id, number, flow, recipient, state, due_at, expires_at, attempt, failures,
    reason, ses_message_id, sent_at, ended_at) SELECT id, number, {flow}, recipient, state, at, at + 259200,
    CASE WHEN state = 'sent' THEN 1 ELSE 0 END, 0, CASE state WHEN 'suppressed' THEN 'hard_bounce' WHEN 'sent' THEN '' WHEN
    'queued' THEN '' ELSE '554 no such thing' END, CASE WHEN state = 'sent' THEN ses END,
    CASE WHEN state = 'sent' THEN at + 1 END, CASE WHEN state <> 'queued' THEN at + 1 END FROM mail ORDER BY id, number"""
# (type, our class, of which, seconds after the message came).
_KINDS = (
    ("send", "''", "TRUE", 1),
    ("delivery", "''", "k >= 25", 3),
    ("bounce", "CASE WHEN k < 12 THEN 'hard' ELSE 'soft' END", "k < 20", 4),
    ("delivery_delay", "''", "k >= 20 AND k < 30", 2),
    ("open", "CASE WHEN k % 5 = 0 THEN 'bot' ELSE '' END", "k >= 700 AND c >= 10", 3600),
    ("click", "''", "k >= 940 AND c >= 10", 3700),
    ("complaint", "'complaint'", "k = 999 AND c >= 10 AND n % 3 = 0", 7200),
)
EVENTS = """INSERT INTO events (fingerprint, type, class, at, received_at, recipient, address_key, message_id, number,
    credential, ses_message_id, detail, document, notification_id) """ + " UNION ALL ".join(
    f"""SELECT ses || ' {kind} ' || recipient || ' ' || (ms / 1000 + {later}) || '.000', '{kind}', {found}, at + {later},
    at + {later}, recipient, recipient, id, number, credential, ses, '250 ok', '{{"sent_at": ' || (ms / 1000) || '.0}}',
    'n' || n || '-{kind}' FROM mail WHERE state = 'sent' AND {which}"""
    for kind, found, which, later in _KINDS
)
POSTS = " UNION ALL ".join(
    f"""SELECT 'n' || n || '-{kind}', 'arn:aws:sns:us-east-1:123456789012:relay-events', at + {later},
    {{octets}}(replace(:posted, '{_SES_ID}', ses){{end}} FROM mail WHERE state = 'sent' AND {which}"""
    for kind, _, which, later in _KINDS
)
COUNTED = f"""{EACH} INSERT INTO counters SELECT CASE WHEN ms >= :hours THEN ms / 3600000 * 3600
    ELSE ms / 86400000 * 86400 END, 'accepted', credential, 'shop' || d || '.example.com', campaign, 0, count(*) FROM mail
    GROUP BY 1, 3, 4, 5"""
SHARES = {
    "sent": 979, "delivered": 955, "latency.2": 300, "latency.3": 400, "latency.5": 200, "latency.10": 50, "delayed": 10,
    "bounced.hard": 12, "bounced.soft": 8, "suppressed.hard_bounce": 15, "failed": 3, "opened": 300, "opened_unique": 200,
    "clicked": 60, "clicked_unique": 40, "complained": 1,
}  # fmt: skip
SHARE = """INSERT INTO counters SELECT hour, '{name}', credential, sender_domain, campaign, 0, (count * {share} + 500) / 1000
    FROM counters WHERE name = 'accepted' AND count * {share} >= 500"""
OWN = f"""{_NUMBERS} INSERT INTO suppressions (address_key, scope, reason, import_id, address, source, created_at, note,
    expires_at) SELECT {_READER.format("(n * 19)")}, CASE WHEN n % 5 = 0 THEN 'list:news' ELSE '' END, CASE n % 5 WHEN 0 THEN
    'unsubscribed' WHEN 1 THEN 'complaint' WHEN 2 THEN 'manual' ELSE 'hard_bounce' END, 0, {_READER.format("(n * 19)")},
    '0100' || substr(CAST(1000000000000 + n AS TEXT), 2) || '-0000-000000',
    CAST(:begin + n * :span / :last AS DOUBLE PRECISION) / 1000, '550 user unknown', 0 FROM numbers"""
IMPORTED = f"""{_NUMBERS} INSERT INTO suppressions (address_key, scope, reason, import_id, address, source, created_at, note,
    expires_at) SELECT 'old' || n || '@example.org', '', 'imported', 1, 'old' || n || '@example.org', 'list.csv', 1, '', 0
    FROM numbers"""
HISTORY = """INSERT INTO suppression_history (address_key, scope, at, change, address, reason, source, note)
    SELECT address_key, scope, created_at, 'added', address, reason, source, note FROM suppressions WHERE import_id = 0"""
LISTED = "INSERT INTO account_list SELECT address_key, address FROM suppressions WHERE import_id = 0 AND reason = 'hard_bounce'"
CONTACTS = f"""{_NUMBERS} INSERT INTO contacts (group_id, email, address_key, phone, document, import_id)
    SELECT 1, {_READER.format("n")}, {_READER.format("n")}, '', '{{}}', '' FROM numbers"""
STRANGERS = f"""{_NUMBERS} INSERT INTO events (fingerprint, type, class, at, received_at, recipient, address_key, credential,
    ses_message_id, detail, document, notification_id) SELECT 'strange' || n, 'delivery', '', :now, :now, 'x@example.org',
    'x@example.org', '', 'strange' || n, '250 ok', '{{}}', 's' || n FROM numbers"""
AUDIT = f"""{_NUMBERS} INSERT INTO audit (at, operator, peer, action, subject, detail, outcome) SELECT :now - 86400,
    CASE WHEN n = 1 THEN 'once' ELSE 'operator' END, '10.0.0.9', 'queue changed', 'retry', '', 'done' FROM numbers"""
FLOWS = f"""{_NUMBERS} INSERT INTO flows SELECT n, CASE WHEN n > 100 THEN 'bulk' ELSE 'transactional' END,
    'app' || ((n - 1) / 10), 'shop' || ((n - 1) % 10) || '.example.com', '', 0 FROM numbers"""
LOADS = """INSERT INTO loads SELECT f.id, 0, coalesce(waiting, 0),
    CASE WHEN task = 0 THEN coalesce(waiting, 0) * :size ELSE 0 END, :newest FROM flows f LEFT JOIN
    (SELECT flow, count(*) AS waiting FROM deliveries WHERE state = 'queued' GROUP BY flow) counted ON counted.flow = f.id"""
_TASK = """INSERT INTO tasks (credential, document, state, created_at, start_at, message_id, made, is_whole, ended_at)
    VALUES ('app10', :document, :stage, :at, :at, :id, :last, 1, :ended_at)"""
OF_TASK = (
    _OF_MAILING,
    _TASK,
    "INSERT INTO task_texts VALUES (:task, '<p>News</p>', 'News')",
    "INSERT INTO task_groups VALUES (:task, 1, 1)",
    "INSERT INTO flows VALUES (200 + :task, 'bulk', 'app10', 'shop0.example.com', '', :task)",
    f"{_MANY} {DELIVERIES.format(flow='200 + :task')}",
    f"{_MANY} {EVENTS}",
    "INSERT INTO task_counts VALUES (:task, 'accepted', 0, :last)",
)
