"""Postfix as an instance of its own: STARTTLS and a login, every message synced into its queue, one a second delivered.

Tuned as its manual has it: no DNS, no limits on clients, processes enough, no rewriting, no log. Accepted mail is scheduled and
sent at one a second, as in the relay.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.load import Target
from tests.bench.processes import LOGIN, NotHereError, Running, finished, free_port, process

_HOSTNAME = "bench.example"
_DAEMONS = Path("/usr/lib/postfix/sbin")

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
myhostname = {hostname}
mydestination =
alias_maps =
local_recipient_maps =
inet_protocols = ipv4
default_process_limit = 150
max_use = 10000
in_flow_delay = 0
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
local_header_rewrite_clients =
receive_override_options = no_header_body_checks, no_address_mappings
smtpd_recipient_restrictions =
"""
_HOLDS_BACK = """\
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {folder}/smtp.pem
smtpd_tls_key_file = {folder}/smtp.key
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = {folder}/sasl
smtpd_relay_restrictions = permit_sasl_authenticated, reject
default_transport = discard
discard_destination_rate_delay = 1s
"""
# To one host over kept connections, as many as it is given mail by at one time.
_RELAYS = """\
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
relayhost = [127.0.0.1]:{relayhost}
smtp_tls_security_level = none
smtp_connection_cache_destinations = 127.0.0.1
smtp_connection_cache_time_limit = 10s
default_destination_concurrency_limit = 50
initial_destination_concurrency = 50
disable_dns_lookups = yes
"""
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
tlsmgr unix - - n 1000? 1 tlsmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
discard unix - - n - - discard
smtp unix - - n - - smtp
scache unix - - n - 1 scache
"""
_SASL = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {folder}/sasldb
mech_list: PLAIN
"""


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    """Certificate and key are in `folder`, which Postfix's own user must be able to enter."""
    port = free_port()
    _prepare(folder, _MAIN + _HOLDS_BACK, port=port)
    (folder / "sasl").mkdir()  # Debian's Postfix looks nowhere else for SASL's settings
    (folder / "sasl" / "smtpd.conf").write_text(_SASL.format(folder=folder))
    name, password = LOGIN
    await finished("saslpasswd2", "-p", "-c", "-f", folder / "sasldb", "-u", _HOSTNAME, name, octets=password.encode())
    shutil.chown(folder / "sasldb", "postfix")
    async with _started(folder, port) as process_id:
        yield Running(process_id=process_id, doors={"starttls": Target(port=port, starttls=True, login=LOGIN)})


@asynccontextmanager
async def relaying(folder: Path, relayhost: int) -> AsyncIterator[Running]:
    """Without TLS and login, to that port of this machine."""
    port = free_port()
    _prepare(folder, _MAIN + _RELAYS, port=port, relayhost=relayhost)
    async with _started(folder, port) as process_id:
        yield Running(process_id=process_id, doors={"plain": Target(port=port, starttls=False, login=None, tls=False)})


def _prepare(folder: Path, main: str, **words: int) -> None:
    """Its own user must be able to enter `folder`."""
    _check_here()
    for name in ("queue", "data"):
        (folder / name).mkdir()
    for name, text in (("main.cf", main), ("master.cf", _MASTER)):
        (folder / name).write_text(text.format(folder=folder, hostname=_HOSTNAME, **words))
    shutil.chown(folder / "data", "postfix")


@asynccontextmanager
async def _started(folder: Path, port: int) -> AsyncIterator[int]:
    """Its master. Not `postfix start`: so it stays our child, and takes its daemons with it when it ends."""
    await finished("postfix", "-c", folder, "check")
    async with process(_DAEMONS / "master", "-c", folder, port=port, log=folder / "log") as started:
        yield started.pid


def _check_here() -> None:
    if os.geteuid():
        raise NotHereError("needs root")
    if missing := [name for name in ("postfix", "saslpasswd2") if not shutil.which(name)]:
        raise NotHereError(f"no {missing[0]}")
