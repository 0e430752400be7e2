"""The first login of mail programs, and the first operator of the console: made where there is none, or none of that name."""

from __future__ import annotations

import secrets
import time

from relay.cli.access import changing, owning, reading
from relay.cli.loop import run
from relay.cli.terminal import Failure, line
from relay.cli.wishes import Said
from relay.credential import DEFAULTS, Credential, Kind
from relay.operators import NAME, Operator, OperatorRole, new_password
from relay.security.passwords import hash_password
from relay.settings import Config, StoreConfig

_OCTETS = 18


@run
async def admit(config: Config, said: Said) -> str:
    """Both of them; their passwords are shown this once. The name of a login. Raises Failure, ConfigError, StoreUnavailable."""
    where = config.store
    async with owning(where):
        pass  # it is made where there is none
    async with reading(where) as store:
        logins = [each.name for each in await store.credentials.all()]
        operators = [each.name for each in await store.operators.all()]
    login = _known("login", logins, said.login) or await _add_login(where, said, config.smtp.hostname)
    if not _known("operator", operators, said.operator):
        await _add_operator(where, said.first_operator())
    return login


def _known(what: str, names: list[str], wanted: str) -> str:
    """Who is there already: him who is wanted, or anybody."""
    found = [name for name in names if wanted in ("", name)]
    if found:
        line(f"{what} {found[0]}: is there")
    return found[0] if found else ""


async def _add_login(where: StoreConfig, said: Said, hostname: str) -> str:
    name, senders = said.first_login(hostname)
    password = secrets.token_urlsafe(_OCTETS)
    recipients, on_suppressed = DEFAULTS[Kind.APPLICATION]
    made = Credential(
        name=name,
        kind=Kind.APPLICATION,
        password_hashes=(hash_password(password),),
        senders=senders,
        recipients=recipients,
        on_suppressed=on_suppressed,
    )
    async with changing(where) as admin:
        await admin.put_credential(made)
    line(f"login {name}: may send as {', '.join(senders)}, with the password {password}")
    return name


async def _add_operator(where: StoreConfig, name: str) -> None:
    if not NAME.fullmatch(name):
        raise Failure(f"{name}: a name has letters, digits and . _ @ - in it, and 64 of them at most")
    password = new_password(secrets.token_bytes)
    made = Operator(name=name, password_hash=hash_password(password), role=OperatorRole.ADMIN, created_at=time.time())
    async with changing(where) as admin:
        await admin.add_operator(made)
    line(f"operator {name}: may come into the console as {made.role}, with the password {password}")
