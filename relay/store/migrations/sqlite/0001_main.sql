-- Times are seconds since the epoch, UTC. Identifiers are ULID text; a delivery's is message_id-number.

CREATE TABLE credentials (
    name     TEXT PRIMARY KEY,
    document TEXT NOT NULL,  -- JSON
    change   INTEGER NOT NULL  -- its number among all changes of logins
) WITHOUT ROWID;

-- What programs sign with that speak to the relay as to SES.
CREATE TABLE access_keys (
    id         TEXT PRIMARY KEY,
    credential TEXT NOT NULL,
    secret     TEXT NOT NULL,  -- sealed
    smtp_hash  TEXT NOT NULL,  -- of the password made of it for SMTP; '': not for SMTP
    created_at REAL NOT NULL,
    disabled   INTEGER NOT NULL
) WITHOUT ROWID;

-- When each password was used last, and under the ids of access keys these.
CREATE TABLE logins (
    name          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    at            REAL NOT NULL,
    peer          TEXT NOT NULL,
    helo          TEXT NOT NULL,
    PRIMARY KEY (name, password_hash)
) WITHOUT ROWID;

CREATE TABLE messages (
    id                TEXT PRIMARY KEY,
    accepted_at       REAL NOT NULL,
    credential        TEXT NOT NULL,
    sender            TEXT NOT NULL,
    header_from       TEXT NOT NULL,
    client_message_id TEXT NOT NULL,
    subject           TEXT NOT NULL,
    peer              TEXT NOT NULL,
    size              INTEGER NOT NULL,
    digest            BLOB NOT NULL,
    edits             TEXT NOT NULL,  -- JSON array of [start, end, text, decode, encode, links, footer, footer_at], octets as Latin-1
    has_links         INTEGER NOT NULL,
    lasts             INTEGER NOT NULL,  -- 1: there are links to its content, which is kept for longer
    label_id          TEXT NOT NULL,  -- what its sender calls it, and says of it
    campaign          TEXT NOT NULL,
    list              TEXT NOT NULL,
    message_class     TEXT NOT NULL,
    send_at           REAL NOT NULL,  -- 0: at once
    expires_at        REAL NOT NULL,  -- after that nobody wants it; 0: as long as we try
    tags              TEXT NOT NULL,  -- JSON array of [name, value]
    ses_tags          TEXT NOT NULL,  -- the same, for SES
    configuration_set TEXT NOT NULL,  -- '': the relay's own
    task              INTEGER NOT NULL  -- 0: of none
) WITHOUT ROWID;

CREATE INDEX messages_label ON messages (label_id) WHERE label_id <> '';
CREATE INDEX messages_campaign ON messages (campaign) WHERE campaign <> '';
CREATE INDEX messages_list ON messages (list, credential) WHERE list <> '';

-- Whose the links are in messages that were let go: they stay good for years.
CREATE TABLE old_links (
    message_id TEXT NOT NULL,
    number     INTEGER NOT NULL,
    recipient  TEXT NOT NULL,
    credential TEXT NOT NULL,
    sender     TEXT NOT NULL,
    list       TEXT NOT NULL,
    PRIMARY KEY (message_id, number)
) WITHOUT ROWID;

-- Content up to 64 KB; what is larger lies in the spool folder. A table of its own, so that facts outlive bodies.
CREATE TABLE bodies (
    message_id TEXT NOT NULL,
    content    BLOB NOT NULL,
    lasts      INTEGER NOT NULL,  -- as its message's: what goes early and what goes late lie apart
    UNIQUE (lasts, message_id)
);

-- Messages whose content lies there. One that is in neither table has none any more; its file, if there is one, is to go.
CREATE TABLE spooled (
    lasts      INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    PRIMARY KEY (lasts, message_id)
) WITHOUT ROWID;

-- Deliveries that take turns with others, and that one hold can stop.
CREATE TABLE flows (
    id                INTEGER PRIMARY KEY,
    lane              TEXT NOT NULL,
    credential        TEXT NOT NULL,
    identity          TEXT NOT NULL,  -- the sender's domain in lower case
    configuration_set TEXT NOT NULL,  -- '': the relay's own
    task              INTEGER NOT NULL,  -- 0: of none
    UNIQUE (lane, credential, identity, configuration_set, task)
) WITHOUT ROWID;  -- whose id would be lost with the pages above it

-- What is open of each flow, counted where it comes and ends: a row for each node that writes, and their sum is meant. A single
-- one may be below 0, where another node has sent what this one took.
CREATE TABLE loads (
    flow   INTEGER NOT NULL,
    writer INTEGER NOT NULL,
    open   INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    newest TEXT NOT NULL,  -- of its messages
    PRIMARY KEY (flow, writer)
) WITHOUT ROWID;

CREATE INDEX loads_open ON loads (flow) WHERE open > 0;

CREATE TABLE deliveries (
    message_id     TEXT NOT NULL,
    number         INTEGER NOT NULL,
    flow           INTEGER NOT NULL,
    recipient      TEXT NOT NULL,
    state          TEXT NOT NULL,
    due_at         REAL NOT NULL,
    expires_at     REAL NOT NULL,
    attempt        INTEGER NOT NULL DEFAULT 0,
    failures       INTEGER NOT NULL DEFAULT 0,
    lease_until    REAL,
    reason         TEXT NOT NULL DEFAULT '',
    ses_message_id TEXT,
    sent_at        REAL,
    ended_at       REAL,
    fields         TEXT NOT NULL DEFAULT '',  -- JSON object: what merge fields are for this recipient
    PRIMARY KEY (message_id, number)
) WITHOUT ROWID;

CREATE INDEX deliveries_due ON deliveries (flow, due_at) WHERE state = 'queued';
CREATE INDEX deliveries_called ON deliveries (state) WHERE state IN ('sending', 'in_doubt');
CREATE INDEX deliveries_open ON deliveries (message_id) WHERE state IN ('queued', 'sending', 'in_doubt');
CREATE INDEX deliveries_ses ON deliveries (ses_message_id) WHERE ses_message_id IS NOT NULL;
-- What was not sent, by what became of it and by whom it was for: most of what is kept was sent. For IN with a list SQLite
-- would make a table at each INSERT; and for one of some states it goes by the states, whatever else is asked.
CREATE INDEX deliveries_unsent ON deliveries (state, message_id, number)
    WHERE state = 'suppressed' OR state = 'ignored' OR state = 'failed' OR state = 'expired' OR state = 'cancelled';
CREATE INDEX deliveries_unsent_to ON deliveries (lower(recipient), message_id, number)
    WHERE state <> 'queued' AND state <> 'sending' AND state <> 'in_doubt' AND state <> 'sent';

-- Calls that did not end in `sent`, for the timeline.
CREATE TABLE attempts (
    message_id TEXT NOT NULL,
    number     INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    at         REAL NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    PRIMARY KEY (message_id, number, attempt, at)
) WITHOUT ROWID;

-- What stops flows, and did: while a delivery was held its patience did not run out.
CREATE TABLE holds (
    id       INTEGER PRIMARY KEY,
    scope    TEXT NOT NULL,
    subject  TEXT NOT NULL,
    holder   TEXT NOT NULL,  -- ses, operator or relay
    reason   TEXT NOT NULL,
    bounded  INTEGER NOT NULL,  -- mail under it waits no longer than its own time
    since    REAL NOT NULL,
    until    REAL NOT NULL,  -- after that one call at a time probes it
    probe    TEXT,           -- the delivery whose call that is
    ended_at REAL
);

CREATE UNIQUE INDEX holds_standing ON holds (scope, subject, holder) WHERE ended_at IS NULL;

-- What SES said last of the account, in its one row.
CREATE TABLE account (
    rate  REAL NOT NULL,
    quota REAL NOT NULL,
    sent  REAL NOT NULL,
    at    REAL NOT NULL
);

-- When the relay was last seen alive, by the clock that its queue goes by, in its one row.
CREATE TABLE heartbeat (
    at REAL NOT NULL
);

-- Those of an import that is not finished do not count yet.
CREATE TABLE suppressions (
    address_key TEXT NOT NULL,
    scope       TEXT NOT NULL,  -- '': everywhere; credential:NAME; list:NAME
    reason      TEXT NOT NULL,
    import_id   INTEGER NOT NULL,  -- 0: came with no list
    address     TEXT NOT NULL,
    source      TEXT NOT NULL,
    created_at  REAL NOT NULL,
    note        TEXT NOT NULL,
    expires_at  REAL NOT NULL,  -- 0: never
    PRIMARY KEY (address_key, scope, reason, import_id)
) WITHOUT ROWID;

-- Without what came with lists: dates in no order would cost a page of the log for each row of an import.
CREATE INDEX suppressions_newest ON suppressions (created_at) WHERE import_id = 0;
CREATE INDEX suppressions_expiring ON suppressions (expires_at) WHERE expires_at > 0;
CREATE INDEX suppressions_imported ON suppressions (import_id, address_key) WHERE import_id > 0;
CREATE INDEX suppressions_unsubscribed ON suppressions (scope, address_key, import_id, expires_at) WHERE reason = 'unsubscribed';

-- What changed of them, but for what an import brought. A removal also keeps older facts from bringing an address back.
CREATE TABLE suppression_history (
    id          INTEGER PRIMARY KEY,
    address_key TEXT NOT NULL,
    scope       TEXT NOT NULL,
    at          REAL NOT NULL,
    change      TEXT NOT NULL,
    address     TEXT NOT NULL,
    reason      TEXT NOT NULL,  -- '': nothing was there
    source      TEXT NOT NULL,
    note        TEXT NOT NULL
);

CREATE INDEX suppression_history_address ON suppression_history (address_key);

-- What stays of addresses that were erased: marks that only the relay's keys can make of them. What kept mail from them, and
-- that they were erased.
CREATE TABLE erased_suppressions (
    mark       TEXT NOT NULL,
    scope      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,  -- 0: never
    PRIMARY KEY (mark, scope, reason)
) WITHOUT ROWID;

CREATE TABLE erased_addresses (
    mark     TEXT PRIMARY KEY,
    began_at REAL NOT NULL,
    ended_at REAL  -- NULL until all of it is gone
) WITHOUT ROWID;

CREATE TABLE imports (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- here as below: who still has a number of what is gone finds nothing
    source      TEXT NOT NULL,
    began_at    REAL NOT NULL,
    finished_at REAL  -- NULL while its rows come in
);

CREATE INDEX imports_open ON imports (id) WHERE finished_at IS NULL;

-- SES's own suppression list, as far as we know it: an address as it is written there, for only so can it be deleted.
CREATE TABLE account_list (
    address_key TEXT NOT NULL,
    address     TEXT NOT NULL,
    PRIMARY KEY (address_key, address)
) WITHOUT ROWID;

-- What is newer there is not known; no row before the first time.
CREATE TABLE account_list_known (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    until REAL NOT NULL
);

-- What is to be done there.
CREATE TABLE account_list_errands (
    address_key TEXT PRIMARY KEY,
    address     TEXT NOT NULL,
    reason      TEXT NOT NULL,  -- '': to be deleted
    tries       INTEGER NOT NULL,
    due_at      REAL NOT NULL
) WITHOUT ROWID;

CREATE INDEX account_list_errands_due ON account_list_errands (due_at);

-- What SES said last of our addresses and domains.
CREATE TABLE identities (
    name       TEXT PRIMARY KEY,  -- as SES writes it
    state      TEXT NOT NULL,
    since      REAL NOT NULL,
    dkim       TEXT NOT NULL,
    mail_from  TEXT NOT NULL,
    error      TEXT NOT NULL,
    dkim_hosts TEXT NOT NULL,  -- with spaces between them
    looked_at  REAL NOT NULL
) WITHOUT ROWID;

-- When that was, in its one row; none before the first time, for an account may have no identities.
CREATE TABLE identities_known (
    at REAL NOT NULL
);

-- What SNS posted, as it was posted, in the order in which it came.
CREATE TABLE notifications (
    number      INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    topic       TEXT NOT NULL,
    received_at REAL NOT NULL,
    payload     BLOB NOT NULL
);

-- Facts, in the order in which it was known whose they are: one that was a stranger's gets a new number. No number is given
-- twice, also where the last row is gone. message_id is NULL for a message that is not ours, or not known yet.
CREATE TABLE events (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint     TEXT NOT NULL UNIQUE,
    type            TEXT NOT NULL,
    class           TEXT NOT NULL,  -- ours of bounces, complaints, opens and clicks
    at              REAL NOT NULL,
    received_at     REAL NOT NULL,
    recipient       TEXT NOT NULL,
    address_key     TEXT NOT NULL,
    message_id      TEXT,
    number          INTEGER,
    credential      TEXT NOT NULL,  -- '': of a message that is not ours
    ses_message_id  TEXT NOT NULL,
    detail          TEXT NOT NULL,
    document        TEXT NOT NULL,  -- JSON: what else SES said
    notification_id TEXT NOT NULL
);

CREATE INDEX events_message ON events (message_id, number) WHERE message_id IS NOT NULL;
CREATE INDEX events_credential ON events (credential, id) WHERE credential <> '';
CREATE INDEX events_address ON events (address_key, type, at);
-- What went wrong: far less than what went well.
CREATE INDEX events_amiss ON events (message_id, number, type, class) WHERE message_id IS NOT NULL
    AND (type = 'bounce' OR type = 'complaint' OR type = 'reject'
    OR type = 'rendering_failure' OR type = 'delivery_delay' OR type = 'subscription');
CREATE INDEX events_strange ON events (ses_message_id) WHERE message_id IS NULL;
CREATE INDEX events_strangers ON events (id) WHERE message_id IS NULL;

-- Sums of what happened, by the hour in which it did: as long to read for ten million messages as for a thousand. Each node
-- that writes has rows of its own.
CREATE TABLE counters (
    hour          INTEGER NOT NULL,  -- when it begins
    name          TEXT NOT NULL,
    credential    TEXT NOT NULL,     -- these three are empty where they are not known
    sender_domain TEXT NOT NULL,
    campaign      TEXT NOT NULL,
    writer        INTEGER NOT NULL,
    count         INTEGER NOT NULL,
    PRIMARY KEY (hour, name, credential, sender_domain, campaign, writer)
) WITHOUT ROWID;

-- Messages of queues that could not be used, in the order in which they came.
CREATE TABLE quarantine (
    number      INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,  -- the one it had in its queue
    queue       TEXT NOT NULL,
    sent_at     REAL NOT NULL,
    received_at REAL NOT NULL,
    reason      TEXT NOT NULL,
    body        BLOB NOT NULL
);

-- Mailings: what their owners say of them, and how far they have come.
CREATE TABLE tasks (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    credential TEXT NOT NULL,
    document   TEXT NOT NULL,  -- JSON
    state      TEXT NOT NULL,
    reason     TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    start_at   REAL NOT NULL,
    message_id TEXT NOT NULL DEFAULT '',  -- once it has started
    last_key   TEXT NOT NULL DEFAULT '',  -- of the contacts that have become deliveries: their key of address, and the contact
    last_id    INTEGER NOT NULL DEFAULT 0,
    reach      TEXT NOT NULL DEFAULT '{}',  -- JSON: of its audience, when somebody looked last
    made       INTEGER NOT NULL DEFAULT 0,  -- deliveries
    is_whole   INTEGER NOT NULL DEFAULT 0,  -- all of them are made
    ended_at   REAL
);

CREATE INDEX tasks_credential ON tasks (credential, id);
CREATE INDEX tasks_open ON tasks (id) WHERE ended_at IS NULL;
CREATE INDEX tasks_message ON tasks (message_id) WHERE message_id <> '';

-- Beside the tasks, for each step of one of these is a new version of its row.
CREATE TABLE task_texts (
    task  INTEGER PRIMARY KEY,
    html  TEXT NOT NULL,
    plain TEXT NOT NULL
);

-- Whom they go to, and whom not: groups, and single contacts with the key of their address, so that they can be read in its order.
CREATE TABLE task_groups (
    task     INTEGER NOT NULL,
    included INTEGER NOT NULL,
    group_id INTEGER NOT NULL,
    PRIMARY KEY (task, included, group_id)
) WITHOUT ROWID;

CREATE TABLE task_contacts (
    task        INTEGER NOT NULL,
    included    INTEGER NOT NULL,
    address_key TEXT NOT NULL,
    contact_id  INTEGER NOT NULL,
    PRIMARY KEY (task, included, address_key, contact_id)
) WITHOUT ROWID;

CREATE TABLE task_attachments (
    task       INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    file_name  TEXT NOT NULL,
    content_id TEXT NOT NULL,
    data       BLOB NOT NULL,
    UNIQUE (task, number)
);

-- As `counters`, of all hours, for each task.
CREATE TABLE task_counts (
    task   INTEGER NOT NULL,
    name   TEXT NOT NULL,
    writer INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (task, name, writer)
) WITHOUT ROWID;

CREATE TABLE templates (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    credential TEXT NOT NULL,
    user_id    TEXT NOT NULL,  -- what its owner calls it
    name       TEXT NOT NULL,  -- as in the document, which may be long
    document   TEXT NOT NULL   -- JSON
);

CREATE INDEX templates_credential ON templates (credential, id);
CREATE UNIQUE INDEX templates_user_id ON templates (credential, user_id) WHERE user_id <> '';

CREATE TABLE contact_groups (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    credential  TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at  REAL NOT NULL,
    fields      TEXT NOT NULL DEFAULT '[]'  -- JSON array: the names of merge fields that any of its contacts had
);

CREATE INDEX contact_groups_credential ON contact_groups (credential, id);

CREATE TABLE contacts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id    INTEGER NOT NULL,
    email       TEXT NOT NULL,  -- '': none
    address_key TEXT NOT NULL,
    phone       TEXT NOT NULL,  -- digits; '': none
    document    TEXT NOT NULL,  -- JSON: the rest
    import_id   TEXT NOT NULL   -- '': came with none
);

CREATE INDEX contacts_group ON contacts (group_id, address_key, id);
CREATE INDEX contacts_address ON contacts (address_key) WHERE address_key <> '';
CREATE INDEX contacts_phone ON contacts (phone) WHERE phone <> '';
CREATE INDEX contacts_import ON contacts (import_id, id) WHERE import_id <> '';

CREATE TABLE contact_imports (
    id         TEXT PRIMARY KEY,
    credential TEXT NOT NULL,
    group_id   INTEGER NOT NULL,
    uploaded   INTEGER NOT NULL,
    processed  INTEGER NOT NULL,
    at         REAL NOT NULL
) WITHOUT ROWID;

-- What calls with an Idempotency-Key have done: the same call does nothing more, and gets the same answer.
CREATE TABLE receipts (
    credential  TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,  -- of the request
    answer      TEXT NOT NULL,
    at          REAL NOT NULL,
    PRIMARY KEY (credential, key)
) WITHOUT ROWID;

CREATE INDEX receipts_at ON receipts (at);

-- Who may use the console.
CREATE TABLE operators (
    name          TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL,
    created_at    REAL NOT NULL,
    is_disabled   INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE operator_sessions (
    key      BLOB PRIMARY KEY,  -- SHA-256 of what the browser shows
    operator TEXT NOT NULL,
    began_at REAL NOT NULL,
    seen_at  REAL NOT NULL,
    peer     TEXT NOT NULL,
    agent    TEXT NOT NULL
) WITHOUT ROWID;

-- What operators did, and what came of it.
CREATE TABLE audit (
    id       INTEGER PRIMARY KEY,
    at       REAL NOT NULL,
    operator TEXT NOT NULL,
    peer     TEXT NOT NULL,
    action   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    detail   TEXT NOT NULL,
    outcome  TEXT NOT NULL  -- '': never heard of
);

CREATE INDEX audit_operator ON audit (operator, id);

-- Who is told what becomes of mail, and what came of that.
CREATE TABLE webhooks (
    name          TEXT PRIMARY KEY,
    document      TEXT NOT NULL,  -- JSON
    is_paused     INTEGER NOT NULL,
    failing_since REAL NOT NULL,  -- 0: the last request was taken
    disabled      TEXT NOT NULL   -- why; '': it is not
) WITHOUT ROWID;

-- Up to which fact all of them have been looked at. One row.
CREATE TABLE notices_read (
    fact INTEGER NOT NULL
);

-- What somebody is still to be told: of one delivery in the order of these numbers.
CREATE TABLE notices (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook    TEXT NOT NULL,
    fact       INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    number     INTEGER NOT NULL,
    made_at    REAL NOT NULL,
    due_at     REAL NOT NULL,
    failures   INTEGER NOT NULL
);

CREATE INDEX notices_due ON notices (webhook, due_at, id);
CREATE INDEX notices_order ON notices (webhook, message_id, number, id);

-- The last requests of each webhook.
CREATE TABLE webhook_requests (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook TEXT NOT NULL,
    at      REAL NOT NULL,
    seconds REAL NOT NULL,
    notices INTEGER NOT NULL,
    status  INTEGER NOT NULL,  -- 0: there was no answer
    failure TEXT NOT NULL,     -- '': it was taken
    request TEXT NOT NULL,
    answer  TEXT NOT NULL
);

CREATE INDEX webhook_requests_webhook ON webhook_requests (webhook, id);

-- What wants somebody to look, as each node sees it, and when it was told by which way: 0 for not yet.
CREATE TABLE alarms (
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    node       TEXT NOT NULL,  -- '': what is no node's own
    level      INTEGER NOT NULL,
    words      TEXT NOT NULL,  -- JSON
    began_at   REAL NOT NULL,
    seen_at    REAL NOT NULL,
    over_at    REAL NOT NULL,  -- 0: it stands
    journal_at REAL NOT NULL,
    webhook_at REAL NOT NULL,
    mail_at    REAL NOT NULL,
    failure    TEXT NOT NULL,  -- why it was not taken last
    PRIMARY KEY (kind, subject, node)
) WITHOUT ROWID;
