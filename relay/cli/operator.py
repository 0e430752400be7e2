"""The verbs of operators of the console."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace

import click
from rich.table import Table

from relay.cli.access import changing, on_store, reading
from relay.cli.terminal import Failure, show, when
from relay.operators import NAME, Operator, OperatorRole, new_password
from relay.security.passwords import hash_password
from relay.settings import StoreConfig

_NOBODY_LEFT = "nobody would be left who may admit others"
_role = click.Choice([role.value for role in OperatorRole])


@click.group()
def operator() -> None:
    """Who may use the console."""


@operator.command("add")
@click.argument("name")
@click.option("--role", type=_role, default=OperatorRole.VIEWER.value, show_default=True, help="What for.")
@on_store
async def operator_add(where: StoreConfig, *, name: str, role: str) -> None:
    """Admit somebody; the password is shown this once."""
    if not NAME.fullmatch(name):
        raise Failure("a name has letters, digits and . _ @ - in it, and 64 of them at most")
    password = new_password(secrets.token_bytes)
    made = Operator(name=name, password_hash=hash_password(password), role=OperatorRole(role), created_at=time.time())
    async with changing(where) as admin:
        if not await admin.add_operator(made):
            raise Failure(f"there is an operator {name} already")
    click.echo(f"{name} may come in as {role} with the password {password}")


@operator.command("list")
@on_store
async def operator_list(where: StoreConfig) -> None:
    """Who there is."""
    table = Table("name", "role", "since", "", box=None)
    async with reading(where) as store:
        for each in await store.operators.all():
            table.add_row(each.name, each.role, when(each.created_at), "disabled" if each.is_disabled else "")
    show(table)


@operator.command("role")
@click.argument("name")
@click.argument("role", type=_role)
@on_store
async def operator_role(where: StoreConfig, *, name: str, role: str) -> None:
    """Change what somebody may do."""
    await _change(where, replace(await _find(where, name), role=OperatorRole(role)))
    click.echo(f"{name} is {role}")


@operator.command("password")
@click.argument("name")
@on_store
async def operator_password(where: StoreConfig, *, name: str) -> None:
    """Give somebody a new password, which is shown this once; his sessions end, and he may come in again if he was disabled."""
    password = new_password(secrets.token_bytes)
    found = await _find(where, name)
    await _change(where, replace(found, password_hash=hash_password(password), is_disabled=False))
    click.echo(f"{name} may come in with the password {password}")


@operator.command("remove")
@click.argument("name")
@on_store
async def operator_remove(where: StoreConfig, *, name: str) -> None:
    """Admit somebody no more."""
    await _find(where, name)
    async with changing(where) as admin:
        if not await admin.remove_operator(name):
            raise Failure(_NOBODY_LEFT)
    click.echo(f"{name} is removed")


async def _find(where: StoreConfig, name: str) -> Operator:
    async with reading(where) as store:
        found = await store.operators.get(name)
    if found is None:
        raise Failure(f"there is no operator {name}")
    return found


async def _change(where: StoreConfig, operator: Operator) -> None:
    async with changing(where) as admin:
        if not await admin.change_operator(operator):
            raise Failure(_NOBODY_LEFT)
