"""The way to the database: it is read directly, and changed through the relay that runs, if one does."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relay.admin import Admin
from relay.assembly import database
from relay.bounces import DEFAULT_RULES, BounceRules
from relay.cli.loop import run
from relay.cli.terminal import Failure
from relay.config import load
from relay.credential import Credential
from relay.erasure import NO_MARKS, Marks
from relay.ports import operators
from relay.settings import Config, StoreConfig
from relay.store.lock import Lock
from relay.store.sql.store import SqlStore

if TYPE_CHECKING:
    from relay.control.client import ControlClient


def on_config(step: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs a verb; its first argument is the settings, or those of the sandbox whose folder it is (`--dir`)."""

    @click.option("--dir", "folder", type=click.Path(path_type=Path), help="Look into a sandbox's folder instead.")
    @click.pass_obj
    @run
    @wraps(step)
    async def verb(file: Path | None, folder: Path | None, **options: Any) -> None:
        await step(_sandbox_config(folder) if folder else load(file, os.environ), **options)

    return verb


def _sandbox_config(folder: Path) -> Config:
    from relay import playground  # the whole relay: most verbs need nothing of it

    playground.use_sandbox_keys()  # whoever looks into a sandbox does not ask the real AWS
    return playground.sandbox_config(folder)


def on_store(step: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs a verb that needs no more of the settings than where the store is."""

    @wraps(step)
    async def verb(config: Config, **options: Any) -> None:
        await step(config.store, **options)

    return on_config(verb)


@asynccontextmanager
async def reading(where: StoreConfig, marks: Marks = NO_MARKS) -> AsyncIterator[SqlStore]:
    """The database itself, whether a relay runs or not. Erased addresses are known by `marks`, here and below."""
    store = await database.opened_to_read(where, marks=marks)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def changing(
    where: StoreConfig, rules: BounceRules = DEFAULT_RULES, marks: Marks = NO_MARKS
) -> AsyncIterator[operators.Admin]:
    """The relay that runs, through its socket and by its own rules; or the database itself, if others may write to it."""
    async with owning(where, marks) as store:
        yield _admin(store, rules) if store else control(where)


def _admin(store: SqlStore, rules: BounceRules) -> Admin:
    return Admin(
        suppressions=store.suppressions,
        imports=store.imports,
        credentials=store.credentials,
        access_keys=store.access_keys,
        desk=store.desk,
        feedback=store.feedback,
        operators=store.operators,
        webhooks=store.webhooks,
        alarms=store.alarms,
        rules=rules,
        clock=time.time,
    )


def control(where: StoreConfig) -> ControlClient:
    """The socket of the relay that runs."""
    from relay.control.client import ControlClient  # aiohttp, which nobody needs where no relay runs

    return ControlClient(where.control)


@asynccontextmanager
async def owning(where: StoreConfig, marks: Marks = NO_MARKS) -> AsyncIterator[SqlStore | None]:
    """The database, to be written to; None while a relay runs on SQLite, for it alone may."""
    if where.is_postgres:
        store = await database.opened(where, marks=marks)
        try:
            yield store
        finally:
            await store.close()
        return
    where.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = Lock(where.lock)
    if not lock.take():
        yield None
        return
    store = await database.opened(where, marks=marks)
    try:
        yield store
    finally:
        await store.close()
        lock.release()


@contextmanager
def nobody_there(where: StoreConfig) -> Iterator[None]:
    """For as long as no relay runs; what the disk or the database refuses becomes a Failure."""
    if not where.path.parent.exists():
        raise Failure(f"{where.path.parent}: there is no such folder")
    lock = Lock(where.lock)
    try:
        if not lock.take():
            raise Failure(f"a relay runs on {where.path.parent}: stop it first")
        yield
    except (OSError, sqlite3.Error) as error:
        raise Failure(str(error)) from error
    finally:
        lock.release()


async def find_credential(where: StoreConfig, name: str) -> Credential:
    """Raises Failure where there is none of that name."""
    async with reading(where) as store:
        found = await store.credentials.get(name)
    if found is None:
        raise Failure(f"no credential {name}")
    return found


async def put_credential(where: StoreConfig, changed: Credential) -> None:
    """Added, or in place of the one of that name."""
    async with changing(where) as admin:
        await admin.put_credential(changed)
