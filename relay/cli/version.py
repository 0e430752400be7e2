"""`relay version`: what runs here, for a report and before an upgrade."""

from __future__ import annotations

import platform
import sqlite3
import ssl
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import click

from relay import __version__
from relay.assembly import database
from relay.cli.access import on_store
from relay.cli.terminal import line
from relay.errors import ConfigError
from relay.settings import StoreConfig

# What mail goes through. The last three are extras.
_PACKAGES = ("aiosmtpd", "aiohttp", "boto3", "cryptography", "uvloop", "blake3", "psycopg")


@click.command("version")
@on_store
async def version_verb(where: StoreConfig) -> None:
    """The release, the schema of its tables and of those that are there, and what it runs on."""
    for name, said in (("relay", __version__), ("schema", _schema(where)), *_beneath()):
        line(f"{name:<13} {said}")


def _schema(where: StoreConfig) -> str:
    try:
        found, needed = database.schema(where)
    except ConfigError as error:
        return f"unknown: {error}"
    if not found:
        return f"{needed}; there is no database yet"
    return f"{needed}, and the database has it" if found == needed else f"{needed}; the database has {found}"


def _beneath() -> Iterator[tuple[str, str]]:
    yield "Python", platform.python_version()
    yield "SQLite", sqlite3.sqlite_version
    yield "OpenSSL", ssl.OPENSSL_VERSION.removeprefix("OpenSSL ")
    for package in _PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, "not installed"
    yield "system", platform.platform()
