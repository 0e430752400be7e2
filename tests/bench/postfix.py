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
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {folder}/smtp.pem
smtpd_tls_key_file = {folder}/smtp.key
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = {folder}/sasl
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
default_transport = discard
discard_destination_rate_delay = 1s
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
    _check_here()
    port = free_port()
    words = {"folder": folder, "port": port, "hostname": _HOSTNAME}
    for name in ("queue", "data", "sasl"):  # Debian's Postfix looks nowhere else for SASL's settings
        (folder / name).mkdir()
    for name, text in (("main.cf", _MAIN), ("master.cf", _MASTER), ("sasl/smtpd.conf", _SASL)):
        (folder / name).write_text(text.format(**words))
    shutil.chown(folder / "data", "postfix")
    name, password = LOGIN
    await finished("saslpasswd2", "-p", "-c", "-f", folder / "sasldb", "-u", _HOSTNAME, name, octets=password.encode())
    shutil.chown(folder / "sasldb", "postfix")
    await finished("postfix", "-c", folder, "check")
    # Not `postfix start`: the master stays our child in the foreground, and takes its daemons with it when it ends.
    async with process(_DAEMONS / "master", "-c", folder, port=port, log=folder / "log") as started:
        yield Running(process_id=started.pid, doors={"starttls": Target(port=port, starttls=True, login=LOGIN)})


def _check_here() -> None:
    if os.geteuid():
        raise NotHereError("needs root")
    if missing := [name for name in ("postfix", "saslpasswd2") if not shutil.which(name)]:
        raise NotHereError(f"no {missing[0]}")
