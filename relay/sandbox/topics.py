"""The query API of SNS in miniature: topics with their attributes, subscriptions, and the confirmation of one.

Only the topic that the sandbox really publishes to (sandbox/sns.py) posts anything.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from aiohttp import web

from relay.sandbox.events import ACCOUNT
from relay.sandbox.sns import Topic

Form = dict[str, str]
_PENDING, _DELETED = "PendingConfirmation", "Deleted"


@dataclass(slots=True)
class Subscription:
    """`arn` tells its number; `is_confirmed` once the endpoint has shown that it is ours. What `is_deleted` is listed still."""

    arn: str
    topic: str
    protocol: str
    endpoint: str
    is_confirmed: bool
    attributes: Form = field(default_factory=dict)
    is_deleted: bool = False

    @property
    def listed_as(self) -> str:
        """What stands in a list as its ARN."""
        if self.is_deleted:
            return _DELETED
        return self.arn if self.is_confirmed else _PENDING


class QueryError(Exception):
    """An answer other than 200."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class TopicBook:
    """`attributes` by ARN. `live` gives the topic that posts, as soon as there is one.

    `late` is how often SES is refused though a policy lets it, as one that was just made may not hold yet.
    """

    def __init__(self, live: Callable[[], Topic | None]) -> None:
        self.attributes: dict[str, Form] = {}
        self.subscriptions: list[Subscription] = []
        self.late = 0
        self._live = live
        self._posts: set[asyncio.Task[None]] = set()

    def lets_publish(self, arn: str, configuration_set: str) -> bool:
        """Whether SES may publish there for a configuration set. A topic that nobody made here lets it, for other tests."""
        if arn not in self.attributes:
            return True
        if self.late:
            self.late -= 1
            return False
        source = f"arn:aws:ses:{arn.split(':')[3]}:{ACCOUNT}:configuration-set/{configuration_set}"
        meant = {"AWS:SourceAccount": ACCOUNT, "AWS:SourceArn": source}
        statements = json.loads(self.attributes[arn].get("Policy") or "{}").get("Statement", [])
        return any(_allows(statement, arn, meant) for statement in statements)

    def answer(self, form: Form) -> web.Response:
        """To one request."""
        action = form.get("Action", "")
        try:
            if action not in _ACTIONS:
                raise QueryError("InvalidAction", "The action is not one of the sandbox's.")
            result = _ACTIONS[action](self, form)
        except QueryError as error:
            return refused(error.code, str(error), error.status)
        return answered(action, result, "http://sns.amazonaws.com/doc/2010-03-31/")

    async def stop(self) -> None:
        for post in self._posts:
            post.cancel()
        await asyncio.gather(*self._posts, return_exceptions=True)

    def _create(self, form: Form) -> str:
        arn = f"arn:aws:sns:us-east-1:{ACCOUNT}:{form['Name']}"
        self.attributes.setdefault(arn, {"TopicArn": arn, "Owner": ACCOUNT})
        return f"<TopicArn>{arn}</TopicArn>"

    def _attributes(self, form: Form) -> str:
        return _entries(self._found(form["TopicArn"]))

    def _set(self, form: Form) -> str:
        self._found(form["TopicArn"])[form["AttributeName"]] = form["AttributeValue"]
        return ""

    def _found(self, arn: str) -> Form:
        if arn not in self.attributes:
            raise QueryError("NotFound", "Topic does not exist", 404)
        return self.attributes[arn]

    def _subscribe(self, form: Form) -> str:
        """One that is there already is the same one; while it is not confirmed it is asked again."""
        topic, protocol, endpoint = form["TopicArn"], form["Protocol"], form["Endpoint"]
        self._found(topic)
        alike = [each for each in self.subscriptions if (each.topic, each.endpoint) == (topic, endpoint)]
        there = [each for each in alike if not each.is_deleted]
        if not there:
            arn = f"{topic}:{len(self.subscriptions) + 1}"
            there = [Subscription(arn, topic, protocol, endpoint, is_confirmed=protocol == "sqs")]
            self.subscriptions += there
        there[0].attributes.update(_attributes_of(form))
        live = self._live()
        if live and live.arn == topic and not there[0].is_confirmed:
            live.endpoint = endpoint
            post = asyncio.create_task(live.subscribe())
            self._posts.add(post)
            post.add_done_callback(self._posts.discard)
        return f"<SubscriptionArn>{there[0].arn}</SubscriptionArn>"

    def _confirm(self, form: Form) -> str:
        live = self._live()
        if live is None or form.get("TopicArn") != live.arn:
            raise QueryError("NotFound", "Topic does not exist", 404)
        if not live.confirm(form.get("Token", "")):
            raise QueryError("InvalidParameter", "Invalid token")
        for each in self.subscriptions:
            each.is_confirmed = each.is_confirmed or each.topic == live.arn
        return f"<SubscriptionArn>{live.arn}:1</SubscriptionArn>"

    def _list(self, form: Form) -> str:
        self._found(form["TopicArn"])
        members = (
            f"<member><SubscriptionArn>{each.listed_as}</SubscriptionArn>"
            f"<Protocol>{each.protocol}</Protocol><Endpoint>{escape(_masked(each.endpoint))}</Endpoint>"
            f"<TopicArn>{each.topic}</TopicArn><Owner>{ACCOUNT}</Owner></member>"
            for each in self.subscriptions
            if each.topic == form["TopicArn"]
        )
        return f"<Subscriptions>{''.join(members)}</Subscriptions>"

    def _subscription(self, form: Form) -> Subscription:
        for each in self.subscriptions:
            if each.arn == form["SubscriptionArn"] and not each.is_deleted:
                return each
        raise QueryError("NotFound", "Subscription does not exist", 404)

    def _subscription_attributes(self, form: Form) -> str:
        return _entries({"RawMessageDelivery": "false", **self._subscription(form).attributes})

    def _set_subscription(self, form: Form) -> str:
        self._subscription(form).attributes[form["AttributeName"]] = form["AttributeValue"]
        return ""


_ACTIONS: dict[str, Callable[[TopicBook, Form], str]] = {
    "CreateTopic": TopicBook._create,
    "GetTopicAttributes": TopicBook._attributes,
    "SetTopicAttributes": TopicBook._set,
    "Subscribe": TopicBook._subscribe,
    "ConfirmSubscription": TopicBook._confirm,
    "ListSubscriptionsByTopic": TopicBook._list,
    "GetSubscriptionAttributes": TopicBook._subscription_attributes,
    "SetSubscriptionAttributes": TopicBook._set_subscription,
}


def _allows(statement: dict[str, object], arn: str, source: Form) -> bool:
    condition = statement.get("Condition") or {}
    meant = {"StringEquals": source}
    return (statement.get("Principal"), statement.get("Action"), statement.get("Resource"), condition) == (
        {"Service": "ses.amazonaws.com"},
        "sns:Publish",
        arn,
        meant,
    )


def _attributes_of(form: Form) -> Form:
    """Attributes.entry.1.key and Attributes.entry.1.value, and so on."""
    keys = sorted(name for name in form if name.startswith("Attributes.entry.") and name.endswith(".key"))
    return {form[name]: form[name.removesuffix("key") + "value"] for name in keys}


def _masked(endpoint: str) -> str:
    """SNS shows no password."""
    return re.sub(r"(://[^/:@]*:)[^/@]*@", r"\1****@", endpoint)


def _entries(attributes: Form) -> str:
    entries = (f"<entry><key>{key}</key><value>{escape(value)}</value></entry>" for key, value in attributes.items())
    return f"<Attributes>{''.join(entries)}</Attributes>"


def answered(action: str, result: str, namespace: str) -> web.Response:
    """The query protocol's answer."""
    text = (
        f'<{action}Response xmlns="{namespace}"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>sandbox</RequestId></ResponseMetadata></{action}Response>"
    )
    return web.Response(content_type="text/xml", text=text)


def refused(code: str, message: str, status: int = 400) -> web.Response:
    """The query protocol's error."""
    error = f"<Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message>"
    return web.Response(status=status, content_type="text/xml", text=f"<ErrorResponse><Error>{error}</Error></ErrorResponse>")
