-- The same tables as SQLite's, where each column says what it is for. Text is compared by its octets, as SQLite does.

CREATE TABLE credentials (
    name     TEXT COLLATE "C" PRIMARY KEY,
    document TEXT NOT NULL,
    change   BIGINT NOT NULL
);

CREATE INDEX credentials_change ON credentials (change);

CREATE TABLE access_keys (
    id         TEXT COLLATE "C" PRIMARY KEY,
    credential TEXT COLLATE "C" NOT NULL,
    secret     TEXT NOT NULL,
    smtp_hash  TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    disabled   INTEGER NOT NULL
);

CREATE TABLE logins (
    name          TEXT COLLATE "C" NOT NULL,
    password_hash TEXT NOT NULL,
    at            DOUBLE PRECISION NOT NULL,
    peer          TEXT NOT NULL,
    helo          TEXT NOT NULL,
    PRIMARY KEY (name, password_hash)
);

CREATE TABLE messages (
    id                TEXT COLLATE "C" PRIMARY KEY,
    accepted_at       DOUBLE PRECISION NOT NULL,
    credential        TEXT NOT NULL,
    sender            TEXT NOT NULL,
    header_from       TEXT NOT NULL,
    client_message_id TEXT NOT NULL,
    subject           TEXT NOT NULL,
    peer              TEXT NOT NULL,
    size              BIGINT NOT NULL,
    digest            BYTEA NOT NULL,
    edits             TEXT NOT NULL,
    has_links         INTEGER NOT NULL,
    lasts             INTEGER NOT NULL,
    label_id          TEXT NOT NULL,
    campaign          TEXT NOT NULL,
    list              TEXT NOT NULL,
    message_class     TEXT NOT NULL,
    send_at           DOUBLE PRECISION NOT NULL,
    expires_at        DOUBLE PRECISION NOT NULL,
    tags              TEXT NOT NULL,
    ses_tags          TEXT NOT NULL,
    configuration_set TEXT NOT NULL,
    task              BIGINT NOT NULL
);

CREATE INDEX messages_label ON messages (label_id, id) WHERE label_id <> '';
CREATE INDEX messages_campaign ON messages (campaign) WHERE campaign <> '';
CREATE INDEX messages_list ON messages (list, credential) WHERE list <> '';

CREATE TABLE old_links (
    message_id TEXT COLLATE "C" NOT NULL,
    number     INTEGER NOT NULL,
    recipient  TEXT NOT NULL,
    credential TEXT NOT NULL,
    sender     TEXT NOT NULL,
    list       TEXT NOT NULL,
    PRIMARY KEY (message_id, number)
);

CREATE TABLE bodies (
    message_id TEXT COLLATE "C" NOT NULL,
    content    BYTEA NOT NULL,
    lasts      INTEGER NOT NULL,
    PRIMARY KEY (lasts, message_id)
);

-- Content is not pressed: what is large in mail mostly was already.
ALTER TABLE bodies ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE spooled (
    lasts      INTEGER NOT NULL,
    message_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (lasts, message_id)
);

-- The content of those that are spooled, in pieces; as long as it comes in they have no message yet.
CREATE TABLE chunks (
    message_id TEXT COLLATE "C" NOT NULL,
    number     INTEGER NOT NULL,
    content    BYTEA NOT NULL,
    PRIMARY KEY (message_id, number)
);

ALTER TABLE chunks ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE flows (
    id                BIGINT PRIMARY KEY,
    lane              TEXT NOT NULL,
    credential        TEXT NOT NULL,
    identity          TEXT NOT NULL,
    configuration_set TEXT NOT NULL,
    task              BIGINT NOT NULL,
    UNIQUE (lane, credential, identity, configuration_set, task)
);

-- Rows are changed in place as long as there is room on their page: most of what changes is in no index.
CREATE TABLE loads (
    flow   BIGINT NOT NULL,
    writer INTEGER NOT NULL,
    open   BIGINT NOT NULL,
    octets BIGINT NOT NULL,
    newest TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (flow, writer)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE TABLE deliveries (
    message_id     TEXT COLLATE "C" NOT NULL,
    number         INTEGER NOT NULL,
    flow           BIGINT NOT NULL,
    recipient      TEXT COLLATE "C" NOT NULL,
    state          TEXT NOT NULL,
    due_at         DOUBLE PRECISION NOT NULL,
    expires_at     DOUBLE PRECISION NOT NULL,
    attempt        INTEGER NOT NULL DEFAULT 0,
    failures       INTEGER NOT NULL DEFAULT 0,
    lease_until    DOUBLE PRECISION,
    reason         TEXT NOT NULL DEFAULT '',
    ses_message_id TEXT COLLATE "C",
    sent_at        DOUBLE PRECISION,
    ended_at       DOUBLE PRECISION,
    fields         TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (message_id, number)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);

CREATE INDEX deliveries_due ON deliveries (flow, due_at, message_id, number) WHERE state = 'queued';
CREATE INDEX deliveries_called ON deliveries (state, message_id) WHERE state IN ('sending', 'in_doubt');
CREATE INDEX deliveries_open ON deliveries (message_id, number) WHERE state IN ('queued', 'sending', 'in_doubt');
CREATE INDEX deliveries_ses ON deliveries (ses_message_id) WHERE ses_message_id IS NOT NULL;
CREATE INDEX deliveries_unsent ON deliveries (state, message_id, number)
    WHERE state = 'suppressed' OR state = 'ignored' OR state = 'failed' OR state = 'expired' OR state = 'cancelled';
CREATE INDEX deliveries_unsent_to ON deliveries (lower(recipient), message_id, number)
    WHERE state <> 'queued' AND state <> 'sending' AND state <> 'in_doubt' AND state <> 'sent';

CREATE TABLE attempts (
    message_id TEXT COLLATE "C" NOT NULL,
    number     INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    at         DOUBLE PRECISION NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    PRIMARY KEY (message_id, number, attempt, at)
);

CREATE TABLE holds (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope    TEXT NOT NULL,
    subject  TEXT NOT NULL,
    holder   TEXT NOT NULL,
    reason   TEXT NOT NULL,
    bounded  INTEGER NOT NULL,
    since    DOUBLE PRECISION NOT NULL,
    until    DOUBLE PRECISION NOT NULL,
    probe    TEXT,
    ended_at DOUBLE PRECISION
);

CREATE UNIQUE INDEX holds_standing ON holds (scope, subject, holder) WHERE ended_at IS NULL;

CREATE TABLE account (
    rate  DOUBLE PRECISION NOT NULL,
    quota DOUBLE PRECISION NOT NULL,
    sent  DOUBLE PRECISION NOT NULL,
    at    DOUBLE PRECISION NOT NULL
);

CREATE TABLE heartbeat (
    at DOUBLE PRECISION NOT NULL
);

CREATE TABLE suppressions (
    address_key TEXT COLLATE "C" NOT NULL,
    scope       TEXT COLLATE "C" NOT NULL,
    reason      TEXT COLLATE "C" NOT NULL,
    import_id   BIGINT NOT NULL,
    address     TEXT NOT NULL,
    source      TEXT NOT NULL,
    created_at  DOUBLE PRECISION NOT NULL,
    note        TEXT NOT NULL,
    expires_at  DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (address_key, scope, reason, import_id)
);

CREATE INDEX suppressions_newest ON suppressions (created_at) WHERE import_id = 0;
CREATE INDEX suppressions_expiring ON suppressions (expires_at) WHERE expires_at > 0;
CREATE INDEX suppressions_imported ON suppressions (import_id, address_key) WHERE import_id > 0;
CREATE INDEX suppressions_unsubscribed ON suppressions (scope, address_key, import_id, expires_at) WHERE reason = 'unsubscribed';

CREATE TABLE suppression_history (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address_key TEXT COLLATE "C" NOT NULL,
    scope       TEXT NOT NULL,
    at          DOUBLE PRECISION NOT NULL,
    change      TEXT NOT NULL,
    address     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    source      TEXT NOT NULL,
    note        TEXT NOT NULL
);

CREATE INDEX suppression_history_address ON suppression_history (address_key);

CREATE TABLE erased_suppressions (
    mark       TEXT COLLATE "C" NOT NULL,
    scope      TEXT COLLATE "C" NOT NULL,
    reason     TEXT COLLATE "C" NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (mark, scope, reason)
);

CREATE TABLE erased_addresses (
    mark     TEXT COLLATE "C" PRIMARY KEY,
    began_at DOUBLE PRECISION NOT NULL,
    ended_at DOUBLE PRECISION
);

CREATE TABLE imports (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      TEXT NOT NULL,
    began_at    DOUBLE PRECISION NOT NULL,
    finished_at DOUBLE PRECISION
);

CREATE INDEX imports_open ON imports (id) WHERE finished_at IS NULL;

CREATE TABLE account_list (
    address_key TEXT COLLATE "C" NOT NULL,
    address     TEXT NOT NULL,
    PRIMARY KEY (address_key, address)
);

CREATE TABLE account_list_known (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    until DOUBLE PRECISION NOT NULL
);

CREATE TABLE account_list_errands (
    address_key TEXT COLLATE "C" PRIMARY KEY,
    address     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    tries       INTEGER NOT NULL,
    due_at      DOUBLE PRECISION NOT NULL
);

CREATE INDEX account_list_errands_due ON account_list_errands (due_at);

CREATE TABLE identities (
    name       TEXT COLLATE "C" PRIMARY KEY,
    state      TEXT NOT NULL,
    since      DOUBLE PRECISION NOT NULL,
    dkim       TEXT NOT NULL,
    mail_from  TEXT NOT NULL,
    error      TEXT NOT NULL,
    dkim_hosts TEXT NOT NULL,
    looked_at  DOUBLE PRECISION NOT NULL
);

CREATE TABLE identities_known (
    at DOUBLE PRECISION NOT NULL
);

CREATE TABLE notifications (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          TEXT COLLATE "C" NOT NULL UNIQUE,
    topic       TEXT NOT NULL,
    received_at DOUBLE PRECISION NOT NULL,
    payload     BYTEA NOT NULL
);

CREATE TABLE events (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint     TEXT COLLATE "C" NOT NULL UNIQUE,
    type            TEXT NOT NULL,
    class           TEXT NOT NULL,
    at              DOUBLE PRECISION NOT NULL,
    received_at     DOUBLE PRECISION NOT NULL,
    recipient       TEXT NOT NULL,
    address_key     TEXT COLLATE "C" NOT NULL,
    message_id      TEXT COLLATE "C",
    number          INTEGER,
    credential      TEXT COLLATE "C" NOT NULL,
    ses_message_id  TEXT COLLATE "C" NOT NULL,
    detail          TEXT NOT NULL,
    document        TEXT NOT NULL,
    notification_id TEXT NOT NULL
);

CREATE INDEX events_message ON events (message_id, number) WHERE message_id IS NOT NULL;
CREATE INDEX events_credential ON events (credential, id) WHERE credential <> '';
CREATE INDEX events_address ON events (address_key, type, at);
CREATE INDEX events_amiss ON events (message_id, number, type, class) WHERE message_id IS NOT NULL
    AND (type = 'bounce' OR type = 'complaint' OR type = 'reject'
    OR type = 'rendering_failure' OR type = 'delivery_delay' OR type = 'subscription');
CREATE INDEX events_strange ON events (ses_message_id) WHERE message_id IS NULL;
CREATE INDEX events_strangers ON events (id) WHERE message_id IS NULL;

CREATE TABLE counters (
    hour          BIGINT NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    credential    TEXT COLLATE "C" NOT NULL,
    sender_domain TEXT COLLATE "C" NOT NULL,
    campaign      TEXT COLLATE "C" NOT NULL,
    writer        INTEGER NOT NULL,
    count         BIGINT NOT NULL,
    PRIMARY KEY (hour, name, credential, sender_domain, campaign, writer)
) WITH (fillfactor = 70);

CREATE TABLE quarantine (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          TEXT COLLATE "C" NOT NULL UNIQUE,
    queue       TEXT NOT NULL,
    sent_at     DOUBLE PRECISION NOT NULL,
    received_at DOUBLE PRECISION NOT NULL,
    reason      TEXT NOT NULL,
    body        BYTEA NOT NULL
);

-- What follows is only here: SQLite has one node, which needs none of it.

-- Relays that run on this database, each with the number under which it counts.
CREATE TABLE nodes (
    id         TEXT COLLATE "C" PRIMARY KEY,
    name       TEXT NOT NULL,
    roles      TEXT NOT NULL,
    release    TEXT NOT NULL,
    writer     INTEGER NOT NULL UNIQUE,
    started_at DOUBLE PRECISION NOT NULL,
    seen_at    DOUBLE PRECISION NOT NULL,
    hears      INTEGER NOT NULL  -- 1: what SES has published to it so far has come
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- The node that does the chores of all, in its one row.
CREATE TABLE leader (
    node  TEXT NOT NULL,
    until DOUBLE PRECISION NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- What the account may send, of all nodes together, in its one row: tokens and calls are taken from it.
CREATE TABLE allowance (
    rate   DOUBLE PRECISION NOT NULL,
    factor DOUBLE PRECISION NOT NULL,  -- below 1 after SES has throttled
    tokens DOUBLE PRECISION NOT NULL,
    at     DOUBLE PRECISION NOT NULL,
    quota  DOUBLE PRECISION NOT NULL,
    sent   DOUBLE PRECISION NOT NULL,  -- as SES said last
    used   DOUBLE PRECISION NOT NULL   -- and with the calls since
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- How often something that is limited has happened at each node, in periods: messages of a login, wrong passwords.
CREATE TABLE usage (
    kind       TEXT COLLATE "C" NOT NULL,
    key        TEXT COLLATE "C" NOT NULL,
    period     BIGINT NOT NULL,  -- when it begins
    node       TEXT COLLATE "C" NOT NULL,
    count      BIGINT NOT NULL,
    changed_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (kind, key, period, node)
) WITH (fillfactor = 70);

CREATE INDEX usage_changed ON usage (changed_at);

-- What SQLite has of its own, by the same names.
CREATE FUNCTION json_each(document TEXT) RETURNS TABLE (value TEXT) LANGUAGE sql IMMUTABLE STRICT ROWS 20
    AS $$ SELECT jsonb_array_elements_text(replace(document, '\u0000', '\ufffd')::jsonb) $$;  -- no text here has a NUL
CREATE FUNCTION instr(haystack TEXT, needle TEXT) RETURNS INTEGER LANGUAGE sql IMMUTABLE STRICT
    AS $$ SELECT position(needle IN haystack) $$;

CREATE TABLE tasks (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    credential TEXT COLLATE "C" NOT NULL,
    document   TEXT NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT NOT NULL DEFAULT '',
    created_at DOUBLE PRECISION NOT NULL,
    start_at   DOUBLE PRECISION NOT NULL,
    message_id TEXT COLLATE "C" NOT NULL DEFAULT '',
    last_key   TEXT COLLATE "C" NOT NULL DEFAULT '',
    last_id    BIGINT NOT NULL DEFAULT 0,
    reach      TEXT NOT NULL DEFAULT '{}',
    made       INTEGER NOT NULL DEFAULT 0,
    is_whole   INTEGER NOT NULL DEFAULT 0,
    ended_at   DOUBLE PRECISION
);

CREATE INDEX tasks_credential ON tasks (credential, id);
CREATE INDEX tasks_open ON tasks (id) WHERE ended_at IS NULL;
CREATE INDEX tasks_message ON tasks (message_id) WHERE message_id <> '';

-- Beside the tasks, for each step of one of these is a new version of its row.
CREATE TABLE task_texts (
    task  BIGINT PRIMARY KEY,
    html  TEXT NOT NULL,
    plain TEXT NOT NULL
);

CREATE TABLE task_groups (
    task     BIGINT NOT NULL,
    included INTEGER NOT NULL,
    group_id BIGINT NOT NULL,
    PRIMARY KEY (task, included, group_id)
);

CREATE TABLE task_contacts (
    task        BIGINT NOT NULL,
    included    INTEGER NOT NULL,
    address_key TEXT COLLATE "C" NOT NULL,
    contact_id  BIGINT NOT NULL,
    PRIMARY KEY (task, included, address_key, contact_id)
);

CREATE TABLE task_attachments (
    task       BIGINT NOT NULL,
    number     INTEGER NOT NULL,
    file_name  TEXT NOT NULL,
    content_id TEXT NOT NULL,
    data       BYTEA NOT NULL,
    PRIMARY KEY (task, number)
);

CREATE TABLE task_counts (
    task   BIGINT NOT NULL,
    name   TEXT COLLATE "C" NOT NULL,
    writer INTEGER NOT NULL,
    count  BIGINT NOT NULL,
    PRIMARY KEY (task, name, writer)
) WITH (fillfactor = 70);

CREATE TABLE templates (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    credential TEXT COLLATE "C" NOT NULL,
    user_id    TEXT COLLATE "C" NOT NULL,
    name       TEXT NOT NULL,
    document   TEXT NOT NULL 
);

CREATE INDEX templates_credential ON templates (credential, id);
CREATE UNIQUE INDEX templates_user_id ON templates (credential, user_id) WHERE user_id <> '';

CREATE TABLE contact_groups (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    credential  TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    description TEXT NOT NULL,
    created_at  DOUBLE PRECISION NOT NULL,
    fields      TEXT NOT NULL DEFAULT '[]'
);

CREATE INDEX contact_groups_credential ON contact_groups (credential, id);

CREATE TABLE contacts (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_id    BIGINT NOT NULL,
    email       TEXT NOT NULL,
    address_key TEXT COLLATE "C" NOT NULL,
    phone       TEXT COLLATE "C" NOT NULL,
    document    TEXT NOT NULL,
    import_id   TEXT COLLATE "C" NOT NULL 
);

CREATE INDEX contacts_group ON contacts (group_id, address_key, id);
CREATE INDEX contacts_address ON contacts (address_key) WHERE address_key <> '';
CREATE INDEX contacts_phone ON contacts (phone) WHERE phone <> '';
CREATE INDEX contacts_import ON contacts (import_id, id) WHERE import_id <> '';

CREATE TABLE contact_imports (
    id         TEXT COLLATE "C" PRIMARY KEY,
    credential TEXT COLLATE "C" NOT NULL,
    group_id   BIGINT NOT NULL,
    uploaded   INTEGER NOT NULL,
    processed  INTEGER NOT NULL,
    at         DOUBLE PRECISION NOT NULL
);

CREATE TABLE receipts (
    credential  TEXT COLLATE "C" NOT NULL,
    key         TEXT COLLATE "C" NOT NULL,
    fingerprint BYTEA NOT NULL,
    answer      TEXT NOT NULL,
    at          DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (credential, key)
);

CREATE INDEX receipts_at ON receipts (at);

CREATE TABLE operators (
    name          TEXT COLLATE "C" PRIMARY KEY,
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL,
    created_at    DOUBLE PRECISION NOT NULL,
    is_disabled   INTEGER NOT NULL
);

CREATE TABLE operator_sessions (
    key      BYTEA PRIMARY KEY,
    operator TEXT COLLATE "C" NOT NULL,
    began_at DOUBLE PRECISION NOT NULL,
    seen_at  DOUBLE PRECISION NOT NULL,
    peer     TEXT NOT NULL,
    agent    TEXT NOT NULL
);

CREATE TABLE audit (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       DOUBLE PRECISION NOT NULL,
    operator TEXT COLLATE "C" NOT NULL,
    peer     TEXT NOT NULL,
    action   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    detail   TEXT NOT NULL,
    outcome  TEXT NOT NULL
);

CREATE INDEX audit_operator ON audit (operator, id);

CREATE TABLE webhooks (
    name          TEXT COLLATE "C" PRIMARY KEY,
    document      TEXT NOT NULL,
    is_paused     INTEGER NOT NULL,
    failing_since DOUBLE PRECISION NOT NULL,
    disabled      TEXT NOT NULL
);

CREATE TABLE notices_read (
    fact BIGINT NOT NULL
);

CREATE TABLE notices (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook    TEXT COLLATE "C" NOT NULL,
    fact       BIGINT NOT NULL,
    message_id TEXT COLLATE "C" NOT NULL,
    number     INTEGER NOT NULL,
    made_at    DOUBLE PRECISION NOT NULL,
    due_at     DOUBLE PRECISION NOT NULL,
    failures   INTEGER NOT NULL
);

CREATE INDEX notices_due ON notices (webhook, due_at, id);
CREATE INDEX notices_order ON notices (webhook, message_id, number, id);

CREATE TABLE webhook_requests (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook TEXT COLLATE "C" NOT NULL,
    at      DOUBLE PRECISION NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    notices INTEGER NOT NULL,
    status  INTEGER NOT NULL,
    failure TEXT NOT NULL,
    request TEXT NOT NULL,
    answer  TEXT NOT NULL
);

CREATE INDEX webhook_requests_webhook ON webhook_requests (webhook, id);

CREATE TABLE alarms (
    kind       TEXT COLLATE "C" NOT NULL,
    subject    TEXT COLLATE "C" NOT NULL,
    node       TEXT COLLATE "C" NOT NULL,
    level      INTEGER NOT NULL,
    words      TEXT NOT NULL,
    began_at   DOUBLE PRECISION NOT NULL,
    seen_at    DOUBLE PRECISION NOT NULL,
    over_at    DOUBLE PRECISION NOT NULL,
    journal_at DOUBLE PRECISION NOT NULL,
    webhook_at DOUBLE PRECISION NOT NULL,
    mail_at    DOUBLE PRECISION NOT NULL,
    failure    TEXT NOT NULL,
    PRIMARY KEY (kind, subject, node)
);
