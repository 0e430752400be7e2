"""One function per fact of a message's life -> one structured log line. Importable by all, imports nothing of ours.

Every line carries the message's identifier, so that searching for it tells the story. No content and no secret is ever
written; addresses, of mail and of clients, only where the configuration says so. What libraries log comes as lines of the same
form.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from contextlib import suppress
from functools import lru_cache
from typing import TextIO

INFO, WARNING, ERROR = "info", "warning", "error"

_stream: TextIO | None = None
_addresses = True
_clients = True
_whose: dict[str, object] = {}
_BEFORE = r"[^\s<>,;:\"'()\[\]{}/?=&]"  # looked through once, from its beginning
_ADDRESS = re.compile(rf"(?<!{_BEFORE}){_BEFORE}+(?:@|%40)[^\s<>,;:\"')\]}}/?&]+")


def open_journal(
    *, stream: TextIO = sys.stderr, addresses: bool = True, clients: bool = True, node: str = "", worker: int = 0
) -> None:
    """Sends the journal to `stream`, without addresses of mail or of clients if not told otherwise; other libraries' warnings
    come as lines of the same form. Where there are several nodes or workers each line says whose it is.
    """
    global _stream, _addresses, _clients, _whose
    _stream, _addresses, _clients = stream, addresses, clients
    _whose = {**({"node": node} if node else {}), **({"worker": worker} if worker else {})}
    root = logging.getLogger()
    root.handlers[:] = [_Others()]
    root.setLevel(logging.WARNING)
    # aiosmtpd prints whole mail bodies on DEBUG, botocore prints keys: neither may ever be turned on.
    logging.getLogger("mail").setLevel(logging.ERROR)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # each of its tries to connect; we say it once
    sys.unraisablehook = _unraisable


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    """What an interpreter or library could tell nobody, as an SNI that OpenSSL hands over and Python cannot decode."""
    _write(
        "library", WARNING, logger="python", text=f"{found.err_msg or 'exception ignored'}: {found.exc_value!r}", exception=""
    )


class _Others(logging.Handler):
    """What libraries log, the same once a second: without descriptors asyncio says so a hundred times for each connection."""

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._told: set[tuple[str, ...]] = set()  # in that second

    def emit(self, record: logging.LogRecord) -> None:
        exception = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        text = record.getMessage()
        if self._is_new(int(record.created), text, exception):
            _write("library", record.levelname.lower(), logger=record.name, text=text, exception=exception)

    def _is_new(self, second: int, *what: str) -> bool:
        if second != self._second:
            self._second = second
            self._told.clear()
        is_new = what not in self._told
        self._told.add(what)
        return is_new


def _write(event: str, level: str = INFO, **facts: object) -> None:
    """One line. json escapes control characters and all that is not ASCII, so that no fact can forge or hide a line."""
    if _stream is None:
        return
    now = time.time()
    at = f"{_second(int(now))}.{int(now % 1 * 1000):03d}Z"
    with suppress(OSError):  # a log file on a full disk, a reader that is gone: neither may stop mail
        _stream.write(json.dumps({"at": at, "level": level, "event": event, **_whose, **_wanted(facts)}) + "\n")
        _stream.flush()


@lru_cache(maxsize=4)
def _second(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))


def _wanted(facts: dict[str, object]) -> dict[str, object]:
    """Without what is not to be told, wherever it stands: names of logins and errors of others have addresses in them too."""
    if not _clients and "peer" in facts:
        facts["peer"] = "-"
    return facts if _addresses else {name: _free(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}


def _free(text: str) -> str:
    """Text of others, without the addresses in it where they are not wanted."""
    return text if _addresses else _ADDRESS.sub("-", text)


def _free_of(text: str, address: str) -> str:
    """The same of what is said about one: servers name the part before the @ alone as well."""
    local = re.escape(address.rpartition("@")[0])
    return text if _addresses else re.sub(rf"(?<!\w){local}(?!\w)" if local else "$^", "-", _free(text), flags=re.IGNORECASE)


def _shown(address: str) -> str:
    return address if _addresses else "-"


def _about(id: str) -> dict[str, str]:
    """Nothing for what is about no message."""
    return {"id": id} if id else {}


def started(*, what: str, where: str) -> None:
    """A listener is open."""
    _write("started", what=what, where=where)


def stopped(*, what: str) -> None:
    """It ended in good order."""
    _write("stopped", what=what)


def checked_after_crash(*, seconds: float, is_done: bool) -> None:
    """The last relay did not stop in good order, and its database was looked at; not all of it where time was short."""
    _write("checked_after_crash", WARNING, seconds=round(seconds, 3), is_done=is_done)


def in_playpen(*, recipient: str) -> None:
    """No message goes where its sender meant it to."""
    _write("in_playpen", WARNING, recipient=_shown(recipient))


def connection_failed(*, peer: str, why: str) -> None:
    """A connection ended before anybody could speak on it: too many, no TLS, no PROXY header."""
    _write("connection_failed", peer=peer, why=why)


def first_operator(*, link: str) -> None:
    """Nobody may use the console yet: who opens this link may."""
    _write("first_operator", link=link)


def certificate_loaded(*, section: str, name: str, ends: float) -> None:
    """It is served from now on, until it ends."""
    _write("certificate_loaded", section=section, name=name, ends=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends)))


def certificate_refused(*, why: str) -> None:
    """New files cannot be used; the old ones are served on: alarm."""
    _write("certificate_refused", ERROR, why=why)


def login_refused(*, name: str, peer: str, why: str) -> None:
    """The true reason; the client gets one answer for all."""
    _write("login_refused", WARNING, name=name, peer=peer, why=why)


def passwords_guessed(*, name: str, peer: str, by: str) -> None:
    """Too many wrong passwords of one address, or for one name: alarm."""
    _write("passwords_guessed", ERROR, name=name, peer=peer, by=by)


def quota_used_up(*, credential: str, time: str) -> None:
    """It may send no more this minute, or this day: alarm."""
    _write("quota_used_up", ERROR, credential=credential, time=time)


def refused(
    *, peer: str, credential: str, reply: str, sender: str = "", recipients: tuple[str, ...] = (), id: str = ""
) -> None:
    """A message, or a step towards one, was answered 4xx or 5xx. From DATA on it has an `id`, which nobody else was told."""
    _write(
        "refused",
        **_about(id),
        peer=peer,
        credential=credential,
        reply=_free(reply),
        sender=_shown(sender),
        recipients=[_shown(r) for r in recipients],
    )


def accepted(*, id: str, credential: str, peer: str, sender: str, recipients: tuple[str, ...], size: int) -> None:
    """The message is on disk; the 250 goes out next."""
    _write(
        "accepted",
        id=id,
        credential=credential,
        peer=peer,
        sender=_shown(sender),
        recipients=[_shown(r) for r in recipients],
        size=size,
    )


def links_left_alone(*, id: str, seal: str) -> None:
    """What is signed or encrypted keeps its macros, and gets no footer."""
    _write("links_left_alone", WARNING, id=id, seal=seal)


def observed(*, id: str, rule: str, reply: str) -> None:
    """A rule that is only observed would have refused an accepted message with this reply."""
    _write("observed", WARNING, id=id, rule=rule, reply=_free(reply))


def door_closed(*, why: str) -> None:
    """Until `door_opened` no message is taken, and clients get 452: alarm."""
    _write("door_closed", ERROR, why=why)


def door_opened() -> None:
    """There is room again."""
    _write("door_opened")


def accepted_client_gone(*, id: str, peer: str) -> None:
    """The client left between its last octet and our 250: it may send the same again."""
    _write("accepted_client_gone", WARNING, id=id, peer=peer)


def ended(*, id: str, recipient: str, state: str, reason: str) -> None:
    """A delivery ended without a call: suppressed, ignored, expired or cancelled."""
    _write(state, id=id, recipient=_shown(recipient), reason=reason)


def settled(*, id: str, attempt: int, state: str, reason: str, ses_message_id: str, seconds: float) -> None:
    """A call of SES came back, or did not."""
    level = INFO if state == "sent" else WARNING
    _write(
        state if state != "queued" else "retry",
        level,
        id=id,
        attempt=attempt,
        reason=_free(reason),
        ses_message_id=ses_message_id,
        seconds=round(seconds, 3),
    )


def task(*, id: int, credential: str, state: str, reason: str = "") -> None:
    """A mailing has moved on."""
    _write("task", WARNING if reason else INFO, task=id, credential=credential, state=state, reason=_free(reason))


def held(*, scope: str, subject: str, reason: str, seconds: float) -> None:
    """Nothing of this scope is sent for so long."""
    _write("held", ERROR, scope=scope, subject=subject, reason=reason, seconds=seconds)


def held_by_operator(*, scope: str, subject: str, reason: str) -> None:
    """Nothing of this scope is sent until it is lifted."""
    _write("held", scope=scope, subject=subject, reason=reason)


def interrupted(*, id: str, attempt: int) -> None:
    """The process died, or the lease ran out, with the call open."""
    _write("in_doubt", WARNING, id=id, attempt=attempt)


def sent_again(*, id: str, attempt: int, tries: tuple[int, ...], listening: bool) -> None:
    """No event settled the doubt: the message is sent once more. SES may have it of any of these tries; hardly, if it was
    `listening` (events of other messages came).
    """
    _write("possible_duplicate", WARNING, id=id, attempt=attempt, tries=list(tries), listening=listening)


def retried_in_doubt(*, id: str, attempt: int, tries: tuple[int, ...]) -> None:
    """The operator wants it sent once more, though SES may have it of any of these tries."""
    _write("possible_duplicate", WARNING, id=id, attempt=attempt, tries=list(tries), by="operator")


def resent(*, id: str, after: str, recipient: str, state: str) -> None:
    """The operator wants the message sent to the recipient of a delivery that is over once more."""
    _write("resent", id=id, after=after, recipient=_shown(recipient), state=state)


def sent_twice(*, id: str, attempt: int, ses_message_id: str) -> None:
    """SES took two calls for one delivery: this one was in doubt, and another was made."""
    _write("duplicate", ERROR, id=id, attempt=attempt, ses_message_id=ses_message_id)


def doubts_wait() -> None:
    """Deliveries stay in doubt, for no events come that could settle it: alarm."""
    _write("doubts_wait", ERROR)


def forgotten(**counts: int) -> None:
    """What was old enough is gone; how much of each."""
    _write("forgotten", INFO, **counts)


def lanes_open(*, lanes: tuple[str, ...]) -> None:
    """What the account's quota of the day leaves is for these lanes only; for none of them, it is used up."""
    _write("lanes_open", WARNING, lanes=list(lanes))


def leads(*, name: str, leads: bool) -> None:
    """This node begins to do the chores of all nodes, or ends it."""
    _write("leads", name=name, leads=leads)


def node_vanished(*, name: str) -> None:
    """It gave no sign of life any more, and had not said that it stops."""
    _write("node_vanished", WARNING, name=name)


def clock_jumped(*, seconds: float) -> None:
    """The wall clock was set; the waits of the queue keep their length."""
    _write("clock_jumped", ERROR, seconds=round(seconds, 1))


def queue_changed(*, cause: str, deliveries: int) -> None:
    """An operator has changed open deliveries; what was cancelled is told one by one as well."""
    _write("queue_changed", cause=cause, deliveries=deliveries)


def lifted(*, scope: str, subject: str, holder: str) -> None:
    """The operator has lifted a hold, of SES or of an operator."""
    _write("lifted", scope=scope, subject=subject, holder=holder)


def event(*, type: str, id: str, recipient: str, found: str, crm: str, detail: str, ses_message_id: str) -> None:
    """SES reported a fact, of our class `found`; `crm` is CiviCRM's word for a bounce. `id` is empty for a message that is not
    ours.
    """
    classes = {name: word for name, word in (("class", found), ("crm_category", crm)) if word}
    _write(
        type, id=id, recipient=_shown(recipient), **classes, detail=_free_of(detail, recipient), ses_message_id=ses_message_id
    )


def unsubscribed(*, id: str, address: str, scope: str, by: str) -> None:
    """A reader wants no more mail of that scope, and said so on the page, by one click or by mail. `id` is the delivery whose
    link it was, as long as that is known.
    """
    _write("unsubscribed", **_about(id), address=_shown(address), scope=scope, by=by)


def subscribed_again(*, id: str, address: str, scope: str) -> None:
    """A reader takes that back."""
    _write("subscribed_again", **_about(id), address=_shown(address), scope=scope)


def suppressed(*, address: str, reason: str, source: str, id: str = "") -> None:
    """An address was put on the suppression list, for what became of a delivery or otherwise."""
    _write("suppression_added", **_about(id), address=_shown(address), reason=reason, source=source)


def replayed(*, added: int, changed: int, suppressed: int, released: int) -> None:
    """All facts from SES were gone over once more."""
    _write("feedback_replayed", added=added, changed=changed, suppressed=suppressed, released=released)


def list_imported(*, source: str, **counts: int) -> None:
    """All of a list is on the suppression list now."""
    _write("suppressions_imported", INFO, source=_free(source), **counts)


def list_synced(*, listed: int, added: int, queued: int) -> None:
    """Ours and SES's own were compared."""
    _write("suppressions_synced", INFO, listed=listed, added=added, queued=queued)


def list_errand_done(*, address: str, reason: str) -> None:
    """An address was put on SES's own list for a reason, or deleted there for none."""
    _write("suppression_at_ses", INFO, address=_shown(address), reason=reason)


def released(*, address: str) -> None:
    """An address was taken off the suppression list."""
    _write("suppression_removed", address=_shown(address))


def erased(*, mark: str, by: str, cancelled: int, rows: int) -> None:
    """All that was kept of an address is gone; what it is known by now is no address."""
    _write("address_erased", mark=mark, by=by, cancelled=cancelled, rows=rows)


def credential_changed(*, name: str, disabled: bool) -> None:
    """A login was added or changed."""
    _write("credential_changed", name=name, disabled=disabled)


def access_key_changed(*, id: str, what: str) -> None:
    """An access key of ours was added, disabled, enabled or removed."""
    _write("access_key_changed", id=id, what=what)


def feedback_refused(*, peer: str, why: str) -> None:
    """A post to the webhook was not taken."""
    _write("feedback_refused", WARNING, peer=peer, why=why)


def topic_confirmed(*, topic: str) -> None:
    """SNS will post from now on."""
    _write("topic_confirmed", topic=topic)


def topic_unsubscribed(*, topic: str) -> None:
    """SNS will post no more: alarm."""
    _write("topic_unsubscribed", ERROR, topic=topic)


def queue_unreadable(*, queue: str, why: str) -> None:
    """Nothing is heard from a queue of events until it can be read again: alarm."""
    _write("feedback_queue_unreadable", ERROR, queue=queue, why=why)


def queue_readable(*, queue: str) -> None:
    """It can be read again."""
    _write("feedback_queue_readable", queue=queue)


def quarantined(*, queue: str, id: str, why: str) -> None:
    """A message of a queue could not be used; it is kept, and may be tried again: alarm."""
    _write("feedback_quarantined", ERROR, queue=queue, id=id, why=why)


def dead_letters(*, queue: str, count: int) -> None:
    """About so many messages were given up by the queue: alarm, unless there are none any more."""
    _write("feedback_dead_letters", ERROR if count else INFO, queue=queue, count=count)


def redriven(*, what: str, taken: int, put_aside: int) -> None:
    """The operator had what was given up taken up once more."""
    _write("feedback_redriven", what=what, taken=taken, put_aside=put_aside)


def webhook_changed(*, webhook: str, what: str) -> None:
    """An operator has put, paused, resumed or removed one."""
    _write("webhook_changed", webhook=webhook, what=what)


def notices_again(*, webhook: str, count: int) -> None:
    """A receiver is told some facts once more."""
    _write("notices_again", webhook=webhook, count=count)


def webhook_fails(*, webhook: str, why: str) -> None:
    """A receiver took what it was told before, and now it does not."""
    _write("webhook_fails", WARNING, webhook=webhook, why=_free(why))


def webhook_works(*, webhook: str) -> None:
    """It takes it again."""
    _write("webhook_works", webhook=webhook)


def webhook_disabled(*, webhook: str, why: str) -> None:
    """A receiver is told nothing any more until somebody resumes it."""
    _write("webhook_disabled", ERROR, webhook=webhook, why=_free(why))


def notices_dropped(*, webhook: str, count: int, why: str) -> None:
    """A receiver will not hear of some facts."""
    _write("notices_dropped", ERROR, webhook=webhook, count=count, why=why)


def account(*, rate: float, quota: float, sent: float) -> None:
    """What GetAccount says: recipients a second, recipients in 24 hours, and how many of those are used."""
    _write("account", rate=rate, quota=quota, sent=sent)


def account_standing(*, enforcement: str, sends: bool, is_well: bool) -> None:
    """SES has changed what it thinks of the account, or lets it do. What is not well: alarm."""
    _write("account_standing", INFO if is_well else ERROR, enforcement=enforcement, sends=sends)


def reputation(
    *, scope: str, name: str, measure: str, standing: str, is_worse: bool, rate: float, count: int, sent: int, hours: int
) -> None:
    """Bounces or complaints have reached a level at which SES acts, or left it. What gets worse: alarm."""
    how_much = {"rate": round(rate, 6), "count": count, "sent": sent, "hours": hours}
    _write("reputation", ERROR if is_worse else INFO, scope=scope, name=name, measure=measure, standing=standing, **how_much)


def paused(*, scope: str, subject: str, reason: str) -> None:
    """The relay holds mail until an operator resumes it: alarm."""
    _write("paused", ERROR, scope=scope, subject=subject, reason=reason)


def feedback_silent(*, sent: int, since: float) -> None:
    """So much was sent since anything was heard of SES: alarm."""
    _write("feedback_silent", ERROR, sent=sent, since=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since)))


def feedback_heard() -> None:
    """Events come again."""
    _write("feedback_heard")


def clock_differs(*, seconds: float) -> None:
    """AWS refused signatures for their time: from now on they bear its own, so far ahead of ours. Ours needs mending: alarm."""
    _write("clock_differs", ERROR, seconds=round(seconds))


def identities_synced(**counts: int) -> None:
    """What SES has verified is known anew; identities by state."""
    _write("identities_synced", INFO, **counts)


def identity_changed(*, name: str, was: str, state: str) -> None:
    """An address or domain at SES changed its state; empty where it is not there. One that is lost: alarm."""
    _write("identity_changed", ERROR if was == "verified" else INFO, name=_free(name), was=was, state=state)


def alarm(*, kind: str, subject: str, node: str, text: str, is_critical: bool) -> None:
    """Something stands that no other line tells, and wants somebody to look: alarm."""
    _write("alarm", ERROR if is_critical else WARNING, alarm=kind, subject=subject, of=node, text=_free(text))


def alarm_over(*, kind: str, subject: str, node: str) -> None:
    """It is over."""
    _write("alarm_over", alarm=kind, subject=subject, of=node)


def alarms_untold(*, way: str, why: str) -> None:
    """Who is to be told of alarms cannot be; it is tried again."""
    _write("alarms_untold", ERROR, by=way, why=_free(why))


def trouble(what: str, error: BaseException | None = None, *, id: str = "") -> None:
    """Something outside does not work; we go on and try again. With the `id` of the message that it is about."""
    _write("trouble", ERROR, **_about(id), what=what, error=repr(error) if error else "")


def bug(what: str, *, id: str = "") -> None:
    """An exception nobody foresaw, whole. Call it from the handler."""
    _write("bug", ERROR, **_about(id), what=what, exception=traceback.format_exc())
