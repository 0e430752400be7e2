"""`relay store copy` between SQLite and PostgreSQL, in all directions: row for row, again and again, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from relay.assembly import copying
from relay.config import named_by_url
from relay.errors import ConfigError, StoreLocked, StoreUnavailable
from relay.settings import StoreConfig
from relay.store.copying import rows as copied_rows
from relay.store.copying.postgres import PostgresSide
from relay.store.copying.sqlite import SqliteSide
from relay.store.copying.tables import ALL, COPIED, OWN, Range, shared
from relay.store.lock import Lock
from relay.store.postgres.store import PostgresStore
from tests import postgres
from tests.store.copies import LARGE, ONE_ROW, change, column, copy, everything, last, made, path_of, put_large, sqlite_url
from tests.store.kit import enqueue, make_impatient

DIRECTIONS = ["sqlite-postgres", "postgres-postgres", "postgres-sqlite", "sqlite-sqlite"]
NODE = "INSERT INTO nodes VALUES ('id', 'mail-1', '', '', 1, 0, extract(epoch FROM now()) - ?, 0)"
_LIKE = """type, class, at, received_at, recipient, address_key, ses_message_id, detail, document, notification_id, message_id,
    number, credential"""
_FACT = {
    "sqlite": f"INSERT INTO events (id, fingerprint, {_LIKE}) SELECT ?, ?, {_LIKE} FROM events WHERE id = 1",
    "postgresql": f"""INSERT INTO events (id, fingerprint, {_LIKE}) OVERRIDING SYSTEM VALUE
        SELECT ?, ?, {_LIKE} FROM events WHERE id = 1""",
}
_NEXT = f"INSERT INTO events (fingerprint, {_LIKE}) SELECT 'next', {_LIKE} FROM events WHERE id = 1"
FIRST = "m0000000000000000000000007"  # the message of that number, as `made` calls it


@pytest.fixture(autouse=True)
def many_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copied_rows, "_ROWS", 7)
    monkeypatch.setattr(copied_rows, "_FEWER", {"bodies": 3})


@pytest.fixture
def filled(tmp_path: Path) -> str:
    """A database on SQLite with something in each table."""
    return made(tmp_path / "from" / "relay.db")


@pytest.fixture
def nowhere(server: tuple[str, str]) -> Iterator[str]:
    """A database on PostgreSQL without tables."""
    with postgres.database(server[0], "template1") as url:
        yield url


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path, server: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Where from and where to, by the direction."""
    direction = getattr(request, "param", DIRECTIONS[0])
    with ExitStack() as undo:
        source = made(tmp_path / "from" / "relay.db")
        if direction.startswith("postgres"):
            first = undo.enter_context(postgres.database(*server))
            assert copy(source, first).exit_code == 0
            source = first
        target = sqlite_url(tmp_path / "to" / "relay.db")
        if direction.endswith("postgres"):
            target = undo.enter_context(postgres.database(server[0], "template1"))
        yield source, target


def lock_of(url: str) -> Lock:
    return Lock(path_of(url).parent / "relay.lock")


# Everything is there.


def test_every_table_is_copied_or_known_to_be_of_one_database_alone(filled: str, own_url: str) -> None:
    with copying.source(StoreConfig(url=own_url)) as theirs, copying.source(named_by_url(StoreConfig(url=filled))) as ours:
        copied = shared(ours.tables(), theirs.tables())
        assert {table.name for table in copied} == ours.tables().keys() - {"relay_schema"}
        assert theirs.tables().keys() - ours.tables().keys() == OWN - {COPIED, "relay_schema"}
        assert {"messages", "deliveries", "bodies", "counters", "loads", "heartbeat"} <= ours.tables().keys()


@pytest.mark.parametrize("missing", ["ALTER TABLE messages ADD COLUMN later INTEGER", "CREATE TABLE later (id INTEGER)"])
def test_a_table_or_a_column_that_only_one_has_is_not_passed_over(filled: str, own_url: str, missing: str) -> None:
    change(filled, missing)
    refused = copy(filled, own_url)
    assert refused.exit_code == 2
    assert "do not have the same tables: " in refused.output
    assert column(own_url, "SELECT count(*) FROM messages") == [0]


@pytest.mark.parametrize("pair", DIRECTIONS, indirect=True)
def test_every_row_and_all_large_content_comes_over_and_the_second_time_nothing_is_copied(pair: tuple[str, str]) -> None:
    source, target = pair
    result = copy(source, target)
    assert result.exit_code == 0, result.output
    found = everything(source)
    assert everything(target) == found
    assert [content[-1] for _, content in found["large"]] == [7, 14]
    number = sum(len(rows) for name, rows in found.items() if name != "large")
    assert last(result) == f"whole: {number} rows in {len(found) - 1} tables are the same on both sides"
    assert "messages: 23 rows, 23 copied" in result.output
    assert "large content: 2 messages, 2 copied" in result.output
    again = copy(source, target)
    assert last(again) == last(result)
    assert {line.rpartition(", ")[2] for line in again.output.splitlines()[:-1]} == {"0 copied"}
    assert column(target, "SELECT count(*) FROM counters WHERE writer = 3") == [1]


def test_new_rows_get_numbers_behind_the_largest(pair: tuple[str, str]) -> None:
    source, target = pair
    assert copy(source, target).exit_code == 0
    for table, number in (("events", "id"), ("notifications", "number"), ("imports", "id"), ("holds", "id")):
        change(target, f"DELETE FROM {table} WHERE {number} < 23")
        with psycopg.connect(target) as connection:
            query = "SELECT nextval(pg_get_serial_sequence(%s, %s))"
            assert connection.execute(query, (table, number)).fetchone() == (24,)


@pytest.mark.parametrize("pair", DIRECTIONS, indirect=True)
def test_numbers_that_were_given_are_not_given_again_though_their_rows_are_gone(pair: tuple[str, str]) -> None:
    """Webhooks have read all facts up to a number: one with a smaller number would be told to nobody."""
    source, target = pair
    for number in (60, 70):
        change(source, _FACT[source.partition(":")[0]], number, f"print {number}")
        change(source, "DELETE FROM events WHERE id = ?", number)
    if not source.startswith("sqlite"):
        change(source, "SELECT setval('events_id_seq', 70)")
    assert copy(source, target).exit_code == 0
    assert copy(source, target).exit_code == 0
    change(target, _NEXT)
    assert column(target, "SELECT max(id) FROM events") == [71]


def test_numbers_of_an_empty_database_begin_at_1(tmp_path: Path, nowhere: str) -> None:
    assert copy(made(tmp_path / "from" / "relay.db", rows=0), nowhere).exit_code == 1  # its large messages have no row
    assert column(nowhere, "SELECT nextval(pg_get_serial_sequence('events', 'id'))") == [1]


# What differs is found.


BEHIND_THE_BACK = [
    "UPDATE messages SET subject = 'other' WHERE size = 11",
    "UPDATE deliveries SET due_at = 0.30000000000000004 WHERE number = 12",
    "UPDATE bodies SET content = (SELECT digest FROM messages WHERE size = 22) WHERE lasts = 1",
    "DELETE FROM events WHERE id = 20",
    "DELETE FROM suppressions",
    "INSERT INTO credentials (name, document, change) VALUES ('zzz', '{}', 1)",
    "UPDATE heartbeat SET at = 5",
]


@pytest.mark.parametrize("changed", BEHIND_THE_BACK)
@pytest.mark.parametrize("side", [0, 1], ids=["source", "target"])
def test_what_was_changed_behind_its_back_is_the_same_again(pair: tuple[str, str], side: int, changed: str) -> None:
    source, target = pair
    assert copy(source, target).exit_code == 0
    change(pair[side], changed)
    assert everything(source) != everything(target)
    result = copy(source, target, "--yes")
    assert result.exit_code == 0, result.output
    assert everything(source) == everything(target)
    copied = {line.partition(":")[0] for line in result.output.splitlines()[:-1] if not line.endswith(" 0 copied")}
    assert copied <= {next(word for word in changed.split() if word in everything(source))}


def test_rows_in_other_places_that_must_be_there_only_once_make_way(pair: tuple[str, str]) -> None:
    """Of a copy that was made before: the same fingerprint, and the same flow, by other numbers."""
    source, target = pair
    assert copy(source, target).exit_code == 0
    change(target, "UPDATE flows SET id = 1000 + id")
    change(target, "UPDATE events SET fingerprint = fingerprint || 'x'")
    change(target, f"UPDATE events SET fingerprint = '{FIRST}' WHERE id = 22")
    change(target, f"UPDATE notifications SET id = 'x' || number || '{FIRST}'")
    change(target, f"UPDATE notifications SET id = '{FIRST}' WHERE number = 1")
    change(source, "DELETE FROM notifications WHERE number = 1")
    assert copy(source, target).exit_code == 0
    assert everything(source) == everything(target)


# While relays run.


def test_while_a_relay_runs_nearly_all_is_copied_and_it_says_so(pair: tuple[str, str]) -> None:
    source, target = pair
    lock = lock_of(source)
    assert lock.take()
    result = copy(source, target)
    assert result.exit_code == 1
    assert last(result).startswith(f"a relay runs on {path_of(source)}: this is not all of it yet.")
    assert everything(source) == everything(target)
    lock.release()
    change(source, "UPDATE messages SET subject = 'later' WHERE size = 20")
    result = copy(source, target)
    assert (result.exit_code, "messages: 23 rows, 7 copied" in result.output) == (0, True)
    assert everything(source) == everything(target)


@pytest.mark.parametrize("pair", ["postgres-sqlite"], indirect=True)
def test_relays_that_were_seen_lately_run_on_a_postgres(pair: tuple[str, str]) -> None:
    source, target = pair
    change(source, NODE, 25)
    result = copy(source, target)
    assert result.exit_code == 1
    assert "a relay runs on postgresql://" in last(result)
    change(source, "UPDATE nodes SET seen_at = seen_at - 6")
    assert last(copy(source, target)).startswith("whole: ")


def test_a_target_that_a_relay_runs_on_is_refused(pair: tuple[str, str], tmp_path: Path) -> None:
    source, target = pair
    assert copy(source, target).exit_code == 0
    change(target, NODE, 25)
    refused = copy(source, target, "--yes")
    assert refused.exit_code == 2
    assert "TO: a relay runs on it, or did half a minute ago (mail-1): stop it first" in refused.output
    change(target, "UPDATE nodes SET seen_at = seen_at - 6")
    assert copy(source, target).exit_code == 0
    other = made(tmp_path / "other" / "relay.db")
    lock = lock_of(other)
    assert lock.take()
    refused = copy(source, other, "--yes")
    assert refused.exit_code == 2
    assert f"TO: a relay runs on {tmp_path / 'other'}: stop it first" in refused.output
    lock.release()


async def test_nobody_writes_to_the_databases_meanwhile(filled: str, own_url: str) -> None:
    store = await PostgresStore.open(own_url)
    await make_impatient(store)
    with copying.target(StoreConfig(url=own_url)):
        with pytest.raises(StoreLocked):
            await enqueue(store)
        with pytest.raises(ConfigError, match="TO: somebody else writes to it"), copying.target(StoreConfig(url=own_url)):
            pass
    with copying.source(StoreConfig(url=own_url)) as side:
        assert side.is_still
        with pytest.raises(StoreUnavailable):
            await enqueue(store)
    await enqueue(store)
    with copying.source(named_by_url(StoreConfig(url=filled))) as side:
        assert side.is_still
        assert not lock_of(filled).take()
    await store.close()


# What the target has of its own.


@pytest.fixture
def own(tmp_path: Path) -> str:
    """A database of somebody else: its messages are not ours."""
    url = made(tmp_path / "own" / "relay.db")
    change(url, "UPDATE messages SET id = 'own' || id WHERE size > 20")
    change(url, "UPDATE credentials SET name = 'own' || name WHERE change = 1")
    return url


def test_what_the_source_never_had_is_asked_for(filled: str, own: str) -> None:
    before = everything(own)
    asked = copy(filled, own, answer="n\n")
    assert asked.exit_code == 1
    assert "TO has what FROM never had: 3 rows of messages, 1 rows of credentials. It will be gone." in asked.output
    assert everything(own) == before
    assert copy(filled, own, answer="").exit_code == 1
    assert everything(own) == before
    assert copy(filled, own, answer="y\n").exit_code == 0
    assert everything(own) == everything(filled)


def test_whoever_says_yes_is_not_asked(filled: str, own: str) -> None:
    result = copy(filled, own, "--yes")
    assert (result.exit_code, "FROM never had" in result.output) == (0, False)
    assert everything(own) == everything(filled)


@pytest.mark.parametrize("pair", DIRECTIONS, indirect=True)
def test_what_was_let_go_between_two_copies_is_not_asked_for_and_what_came_to_the_target_is(
    pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = pair
    if source.startswith("sqlite:"):
        lock = lock_of(source)
        assert lock.take()
    else:
        change(source, NODE, 0)
    assert copy(source, target).exit_code == 1
    change(source, "DELETE FROM messages WHERE size = 9")
    change(source, "DELETE FROM suppressions WHERE import_id = 5")
    result = copy(source, target)
    assert (result.exit_code, "FROM never had" in result.output) == (1, False)
    assert everything(source) == everything(target)
    columns = ", ".join(name for name in sorted(_columns(source, "messages")) if name != "id")
    change(target, f"INSERT INTO messages (id, {columns}) SELECT 'é999', {columns} FROM messages WHERE size = 8")
    result = copy(source, target)
    assert "TO has what FROM never had: 1 rows of messages." in result.output
    assert column(target, "SELECT count(*) FROM messages WHERE id = 'é999'") == [1]


def _columns(url: str, table: str) -> tuple[str, ...]:
    with copying.source(named_by_url(StoreConfig(url=url))) as side:
        return side.tables()[table].columns


# Large content.


@pytest.mark.parametrize("pair", DIRECTIONS, indirect=True)
def test_large_content_of_the_target_that_is_not_right_is_mended(pair: tuple[str, str]) -> None:
    source, target = pair
    assert copy(source, target).exit_code == 0
    found = everything(source)["large"]
    damage(target, found[0][0])
    lose(target, found[1][0])
    result = copy(source, target)
    assert (result.exit_code, "large content: 2 messages, 2 copied" in result.output) == (0, True)
    assert everything(target)["large"] == found


@pytest.mark.parametrize("pair", DIRECTIONS, indirect=True)
def test_large_content_that_is_missing_or_damaged_is_told_each_time(pair: tuple[str, str]) -> None:
    source, target = pair
    (first, _), (second, content) = everything(source)["large"]
    lose(source, first)
    damage(source, second)
    for _ in range(2):
        result = copy(source, target)
        assert result.exit_code == 1
        assert f"the content of {first} is missing" in result.output
        assert f"the content of {second} is damaged" in result.output
        assert last(result).endswith("are the same on both sides, but for what is told above (2)")
        assert everything(target)["large"] == [(second, b"X" + content[1:])]


def test_a_target_that_has_what_the_source_has_lost_keeps_it(pair: tuple[str, str]) -> None:
    source, target = pair
    assert copy(source, target).exit_code == 0
    found = everything(target)["large"]
    lose(source, found[0][0])
    damage(source, found[1][0])
    assert copy(source, target).exit_code == 0
    assert everything(target)["large"] == found


def test_pieces_that_belong_to_no_message_go(pair: tuple[str, str]) -> None:
    source, target = pair
    assert copy(source, target).exit_code == 0
    change(target, "INSERT INTO chunks (message_id, number, content) VALUES ('stray', 0, '')")
    assert copy(source, target).exit_code == 0
    assert everything(target)["large"] == everything(source)["large"]


def lose(url: str, message_id: str) -> None:
    if url.startswith("sqlite:"):
        (path_of(url).parent / "spool" / f"{message_id}.eml").unlink()
    else:
        change(url, "DELETE FROM chunks WHERE message_id = ?", message_id)


def damage(url: str, message_id: str) -> None:
    if url.startswith("sqlite:"):
        (last_octet,) = (content[-1:] for found, content in everything(url)["large"] if found == message_id)
        put_large(path_of(url), message_id, b"X" + LARGE[1:] + last_octet)
    else:
        damaged = "UPDATE chunks SET content = overlay(content PLACING 'X' FROM 1) WHERE number = 0 AND message_id = ?"
        change(url, damaged, message_id)


# What PostgreSQL cannot keep.


def test_text_that_postgres_does_not_take_is_changed_and_told(pair: tuple[str, str]) -> None:
    source, target = pair
    change(source, "UPDATE logins SET helo = 'a' || char(0) || 'b' WHERE name = ?", FIRST)
    change(source, "UPDATE events SET detail = CAST(x'61ff62' AS TEXT), document = CAST(x'eda080' AS TEXT) WHERE id = 9")
    for _ in range(2):
        result = copy(source, target)
        assert result.exit_code == 0, result.output
        assert "2 rows have characters that TO does not take: U+FFFD stands in their place" in result.output
        assert last(result).startswith("whole: ")
    assert column(target, f"SELECT helo FROM logins WHERE name = '{FIRST}'") == ["a\ufffdb"]
    assert column(target, "SELECT detail || document FROM events WHERE id = 9") == ["a\ufffdb\ufffd\ufffd\ufffd"]


def test_rows_whose_key_postgres_does_not_take_are_left_out_and_told(pair: tuple[str, str]) -> None:
    source, target = pair
    keys = column(source, "SELECT address_key FROM suppressions ORDER BY address_key")
    for place in (6, 7, 22):  # the last one of a range, the first one, the last one of all
        change(source, "UPDATE suppressions SET address_key = address_key || char(0) WHERE address_key = ?", keys[place])
    change(source, "UPDATE identities SET name = name || char(0)")
    result = copy(source, target)
    assert result.exit_code == 1
    assert "suppressions: 20 rows, 20 copied" in result.output
    assert "identities: 0 rows, 0 copied" in result.output
    assert "identities: left out, as TO cannot have such a key: " in result.output
    assert "... and 6 more" in result.output
    left = set(keys) - {keys[6], keys[7], keys[22]}
    assert set(column(target, "SELECT address_key FROM suppressions")) == left
    assert column(target, "SELECT count(*) FROM identities") == [0]


# What it does not begin with.


def test_a_source_of_another_release_is_refused_and_not_changed(filled: str, own_url: str) -> None:
    change(filled, "PRAGMA user_version = 0")
    refused = copy(filled, own_url)
    assert refused.exit_code == 2
    assert "FROM: schema 0, this release needs 1: run `relay migrate` on it" in refused.output
    change(filled, "PRAGMA user_version = 99")
    change(filled, "INSERT INTO relay_schema VALUES (99, 99)")
    assert "written by a newer relay" in copy(filled, own_url).output
    change(own_url, "INSERT INTO relay_schema (version, works_with) VALUES (99, 99)")
    for words in ((own_url, filled), (filled, own_url)):
        assert "written by a newer relay" in copy(*words).output


def test_no_database_makes_none(tmp_path: Path, nowhere: str) -> None:
    refused = copy(sqlite_url(tmp_path / "no" / "relay.db"), nowhere)
    assert (refused.exit_code, "FROM: there is no database" in refused.output) == (2, True)
    assert list(tmp_path.iterdir()) == []
    refused = copy(nowhere, sqlite_url(tmp_path / "to" / "relay.db"))
    assert (refused.exit_code, "FROM: schema 0" in refused.output) == (2, True)
    assert column(nowhere, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [0]


@pytest.mark.parametrize("words", [("mysql://u:secret@x/y", "sqlite:/x"), ("sqlite:/x", "postgres:secret@x")])
def test_what_is_no_database_is_refused_and_not_told(words: tuple[str, str]) -> None:
    refused = copy(*words)
    assert (refused.exit_code, "secret" in refused.output) == (2, False)
    assert "a database is like sqlite:/var/lib/relay/relay.db or postgresql://" in refused.output


def test_a_server_that_cannot_be_reached_is_said_without_its_password(filled: str) -> None:
    away = "postgresql://relay:secret@127.0.0.1:1/relay"
    for words in ((filled, away), (away, filled)):
        refused = copy(*words)
        assert (refused.exit_code, "secret" in refused.output) == (2, False)
        assert "127.0.0.1" in refused.output


def test_a_damaged_source_is_refused(filled: str, own_url: str) -> None:
    path = path_of(filled)
    path.with_name("relay.open").touch()
    refused = copy(filled, own_url)
    assert refused.exit_code == 2
    assert "relay.db-wal is gone" in refused.output


def test_one_database_is_not_copied_to_itself(filled: str) -> None:
    assert "FROM and TO are the same" in copy(filled, filled).output


# Each range is found by an index, however long the table is.


def test_ranges_are_found_by_the_key_in_postgres(pair: tuple[str, str]) -> None:
    source, target = pair
    assert copy(source, target).exit_code == 0
    with psycopg.connect(target, autocommit=True) as connection, copying.source(StoreConfig(url=target)) as side:
        for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan"):
            connection.execute(f"SET {setting} = off".encode())
        assert isinstance(side, PostgresSide)
        for table in (table for table in side.tables().values() if side._keys[table.name]):
            row = (*(f"{number}" for number in range(len(table.key) - 1)), "1")
            where, values = side._condition(table, Range(row, (*row[:-1], "2")))
            query = f"EXPLAIN SELECT * FROM {table.name} {where} ORDER BY {', '.join(side._key(table))} LIMIT 9"
            plan = "\n".join(line for (line,) in connection.execute(query.encode(), values).fetchall())
            assert "Index Cond: (" in plan, plan
            assert "->  Sort" not in plan or table.name in ("account_list", "logins"), plan  # few of one key
            assert "ROW(" not in plan, plan


def test_ranges_are_found_by_the_key_in_sqlite(filled: str) -> None:
    asked: list[str] = []
    with copying.source(named_by_url(StoreConfig(url=filled))) as side:
        assert isinstance(side, SqliteSide)
        side._db.set_trace_callback(asked.append)
        tables = [table for table in side.tables().values() if table.name not in ONE_ROW]
        for table in tables:
            asked.clear()
            rows = side.rows(table, ALL, 9)
            side.rows(table, Range(after=table.key_of(rows[0])), 9)
            plan = " ".join(row[3] for row in side.execute(f"EXPLAIN QUERY PLAN {asked[1]}"))
            edges = [f"({','.join(table.key)})>("] if len(table.key) > 1 else [f"({table.key[0]}>?", "(rowid>?"]
            assert any(edge in plan for edge in edges), (asked[1], plan)
            assert "TEMP" not in plan, (table, plan)
    assert len(tables) > 15
