"""The sandbox: AWS in miniature on loopback, the whole relay against it, and the demo's traffic through its real doors."""

from __future__ import annotations

import os
import time
from base64 import b64encode
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from relay.app import App
from relay.assembly import database
from relay.config_rules import check
from relay.control.client import ControlClient
from relay.credential import Credential, Kind, OnSuppressed, Recipients, Scope
from relay.errors import ConfigError
from relay.operators import Operator, OperatorRole
from relay.sandbox.cloud import ACCESS_KEYS, Cloud
from relay.sandbox.demo import Demo, Login, Surroundings
from relay.sandbox.sns import Topic
from relay.security.certificates import make_server_pair, make_signing_pair
from relay.security.passwords import hash_password
from relay.settings import (
    ApiConfig,
    CallbacksConfig,
    Config,
    FeedbackConfig,
    PrivateConfig,
    SecretsConfig,
    SesConfig,
    SmtpConfig,
    StoreConfig,
)

SUBMISSION = 2587
SUBMISSIONS = 2465
CALLBACKS = 8025
CLOUD = 8026
PRIVATE = 8027
API = 8028

TOPIC = "arn:aws:sns:us-east-1:123456789012:relay-events"

APPLICATION = Login(name="demo", password="demo-password", sender="shop@example.com")  # noqa: S106 - printed, loopback only
PERSON = Login(name="anna", password="anna-password", sender="anna@example.com")  # noqa: S106

OPERATOR = Login(name="demo", password="demo-password", sender="")  # noqa: S106

_LINK_KEY = f"1:{b64encode(b'a key that everybody knows, for links').decode()}"

_CREDENTIALS = (
    (APPLICATION, Kind.APPLICATION, "@example.com", Recipients.ONE, OnSuppressed.DROP),
    (PERSON, Kind.PERSON, PERSON.sender, Recipients.SPLIT, OnSuppressed.REJECT),
)


def sandbox_config(folder: Path) -> Config:
    """The relay's settings in the sandbox: everything on loopback, everything kept in `folder`."""
    cloud = f"http://127.0.0.1:{CLOUD}"
    config = Config(
        store=StoreConfig(path=folder / "relay.db"),
        smtp=SmtpConfig(
            submission=f"127.0.0.1:{SUBMISSION}",
            submissions=f"127.0.0.1:{SUBMISSIONS}",
            certificate=folder / "smtp.pem",
            key=folder / "smtp.key",
        ),
        ses=SesConfig(configuration_set="sandbox", endpoint=cloud),
        feedback=FeedbackConfig(topics=(TOPIC,), sns_endpoint=cloud, pinned_certificate=str(folder / "sns.pem")),
        callbacks=CallbacksConfig(listen=f"127.0.0.1:{CALLBACKS}", public_url=f"http://127.0.0.1:{CALLBACKS}"),
        secrets=SecretsConfig(keys=(_LINK_KEY,)),
        api=ApiConfig(listen=f"127.0.0.1:{API}"),
        private=PrivateConfig(listen=f"127.0.0.1:{PRIVATE}"),
        file="(sandbox)",
    )
    check(config)
    return config


class Playground:
    """The sandbox from `start` to `stop`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._config = sandbox_config(folder)
        self._parts = AsyncExitStack()
        self.app = App(self._config)

    async def start(self) -> None:
        """Makes certificates and demo credentials where they are missing. Raises ConfigError."""
        now = time.time()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        smtp, sns_key = self._config.smtp, self._folder / "sns.key"
        make_server_pair(key_file=smtp.key, certificate_file=smtp.certificate, name="localhost", now=now)
        make_signing_pair(key_file=sns_key, certificate_file=self._folder / "sns.pem", name="sns", now=now)
        use_sandbox_keys()
        log = self._parts.enter_context((self._folder / "delivered.jsonl").open("a", encoding="utf-8"))
        cloud = Cloud(log=log)
        cloud.topic = Topic(arn=TOPIC, key_file=sns_key, endpoint=f"http://127.0.0.1:{CALLBACKS}/sns")
        self._parts.push_async_callback(cloud.stop)
        try:
            await cloud.start(CLOUD)
        except OSError as error:
            why = f"127.0.0.1:{CLOUD} is taken, perhaps by another sandbox: {error.strerror}"
            raise ConfigError("(sandbox)", "-", why) from error
        await cloud.topic.start()
        self._parts.push_async_callback(self.app.stop)
        await self.app.start()
        await self._add_credentials()
        await self._add_operator()
        await cloud.topic.subscribe()

    async def stop(self) -> None:
        await self._parts.aclose()

    async def _add_credentials(self) -> None:
        control = ControlClient(self._config.store.control)
        for login, kind, senders, recipients, on_suppressed in _CREDENTIALS:
            await control.put_credential(
                Credential(
                    name=login.name,
                    kind=kind,
                    password_hashes=(hash_password(login.password),),
                    senders=(senders,),
                    recipients=recipients,
                    on_suppressed=on_suppressed,
                    scopes=frozenset(Scope),
                )
            )

    async def _add_operator(self) -> None:
        operator = Operator(
            name=OPERATOR.name,
            password_hash=hash_password(OPERATOR.password),
            role=OperatorRole.ADMIN,
            created_at=time.time(),
        )
        await ControlClient(self._config.store.control).add_operator(operator)


async def demo(folder: Path, stack: AsyncExitStack) -> Demo:
    """The demo against a running sandbox. What it opens is closed by `stack`. Raises ConfigError where none has run."""
    store = await database.opened_to_read(sandbox_config(folder).store)
    stack.push_async_callback(store.close)
    http = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{CLOUD}"))

    async def raw(ses_message_id: str) -> bytes:
        async with http.get(f"/sandbox/raw/{ses_message_id}") as answer:
            return await answer.read()

    return Demo(
        Surroundings(
            host="127.0.0.1",
            port=SUBMISSION,
            application=APPLICATION,
            person=PERSON,
            max_size=SmtpConfig().max_size,
            life=store.messages.show,
            raw=raw,
        )
    )


def use_sandbox_keys() -> None:
    """The sandbox's own access key, and no profile or token of the surroundings beside it."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_PROFILE"):
        os.environ.pop(name, None)
    for key, secret in ACCESS_KEYS.items():
        os.environ.update(AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
