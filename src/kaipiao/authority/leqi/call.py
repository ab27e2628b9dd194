"""One call of a service: envelope out, envelope back, and what the answer means, layer by layer."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from kaipiao.authority.channel import Answer, Missed, Outcome
from kaipiao.authority.endpoints import Endpoints
from kaipiao.authority.leqi import envelope, reading
from kaipiao.authority.leqi.reading import Data
from kaipiao.authority.leqi.services import Service
from kaipiao.authority.leqi.settings import LeqiSettings
from kaipiao.authority.outcomes import Verdict, Where, classify, of_failure, outcomes
from kaipiao.authority.problems import HTTP, INCONSISTENT, OUTER, UNREADABLE, Problem
from kaipiao.authority.transport import CAUSES, Reply, Transport

log = logging.getLogger(__name__)
T = TypeVar("T")

_SOFT_FIELDS = ("code", "Code", "errcode", "errorCode", "CodeMsg", "returncode")
NO_CONNECTION_FREE = "queue.timeout"  # ours: another endpoint has the same pool
_LONGEST_PAUSE = 3600.0  # seconds; a longer Retry-After is asked again after that


class Caller:
    """Calls services through a transport, as one unit under one key."""

    def __init__(self, settings: LeqiSettings, transport: Transport, endpoints: Endpoints) -> None:
        self._settings = settings
        self._transport = transport
        self._endpoints = endpoints

    async def call(
        self, service: Service, payload: object, wire_id: str = "", only: Sequence[str] | None = None
    ) -> Answer[Data]:
        """OK with the decrypted object, whose return code is in `code`; else the verdict on what came instead. `only`: the
        endpoints to try, whoever watches them."""
        body = envelope.sealed(self._settings.key, payload)
        reply = await self._post(service, body, only or self._endpoints.usable() or self._endpoints.names[:1])
        answer = read(self._settings.key, service, reply)
        log.debug("%s %s: %s %s", service.code, wire_id, answer.outcome, answer.code)
        return answer

    async def _post(self, service: Service, body: bytes, endpoints: Sequence[str]) -> Reply:
        """One request at one endpoint. The next of the register is tried only when not one byte of it left this machine:
        after that the answer is what it is, and sending again is not for a channel to decide (R3)."""
        missed: list[Missed] = []
        for endpoint in endpoints:
            url = f"{self._endpoints.url(endpoint).rstrip('/')}/{service.ability}/{service.code}"
            reply = await self._transport.post(url, envelope.headers(self._settings, service), body)
            if reply.failure is None or not reply.failure.surely_not_sent or reply.failure.cause == NO_CONNECTION_FREE:
                break
            missed.append(Missed(endpoint, reply.failure.cause))
        earlier = tuple(m for m in missed if m.endpoint != endpoint)
        return replace(reply, timeline=replace(reply.timeline, endpoint=endpoint, missed=earlier))


def inconsistent(answer: Answer[Data], service: Service) -> Answer[Data]:
    """The same answer, not believed: it was decrypted, says 00 and does not hold what it must."""
    outcome = Outcome.AMBIGUOUS if service.writes else Outcome.RETRY
    return contradiction(outcome, answer)


def contradiction(outcome: Outcome, answer: Answer[Data]) -> Answer[T]:
    return Answer(outcome, None, INCONSISTENT.code, INCONSISTENT.text.both, None, answer.timeline)


def read(key: bytes, service: Service, reply: Reply) -> Answer[Data]:
    """What a reply means. Never raises for what is in it."""
    if reply.failure is not None:
        cause = reply.failure.cause
        verdict = of_failure(reply.failure, writes=service.writes)
        return _answer(verdict, reply, cause, CAUSES[cause].proves.both)
    body = envelope.unpacked(reply.body)
    if reply.status != 200:
        return _refused_by_http(service, reply, body)
    outer = reading.parse(body)
    if not isinstance(outer, dict) or ("body" not in outer and "httpStatusCode" not in outer):
        return _no_envelope(service, reply, body, outer)
    status = reading.code(outer.get("httpStatusCode", "200"))
    if status != "200":
        verdict = classify(Where.OUTER, service.code, status, _words(body), writes=service.writes)
        return _told(verdict, reply, OUTER.filled(status))
    return _inner(key, service, reply, reading.as_object(outer.get("body")))


def _refused_by_http(service: Service, reply: Reply, body: bytes) -> Answer[Data]:
    verdict = classify(Where.HTTP, service.code, str(reply.status), _words(body), writes=service.writes)
    return _told(verdict, reply, HTTP.filled(reply.status))


def _no_envelope(service: Service, reply: Reply, body: bytes, outer: object) -> Answer[Data]:
    """A page or a portal's JSON inside HTTP 200: perhaps a lost session, else nothing that proves anything."""
    fields = outer if isinstance(outer, dict) else {}
    codes = [reading.code(fields[name]) for name in _SOFT_FIELDS if name in fields]
    for found in codes:
        known = outcomes().of_code(Where.SOFT, service.code, found, writes=service.writes)
        if known is not None:
            return _answer(known, reply, found)
    verdict = classify(Where.BODY, service.code, UNREADABLE.code, _words(body), writes=service.writes)
    return _told(verdict, reply, UNREADABLE)


def _inner(key: bytes, service: Service, reply: Reply, inner: Data) -> Answer[Data]:
    response = reading.as_object(inner.get("Response", inner.get("response")))
    error = response.get("Error", response.get("error"))
    if error is not None:
        fields = reading.as_object(error)
        code = reading.code(fields.get("Code", fields.get("code")))
        message = reading.text(fields.get("Message", fields.get("message")))
        return _answer(classify(Where.ERROR, service.code, code, message, writes=service.writes), reply, code, message)
    data = envelope.opened(key, response.get("Data", response.get("data")))
    if data is None:
        verdict = classify(Where.BODY, service.code, UNREADABLE.code, "", writes=service.writes)
        return _told(verdict, reply, UNREADABLE)
    code, message = reading.code(data.get("returncode")), reading.text(data.get("returnmsg"))
    verdict = classify(Where.RETURN, service.code, code, message, writes=service.writes)
    return _answer(verdict, reply, code, message, data if verdict.outcome is Outcome.OK else None)


def _told(verdict: Verdict, reply: Reply, problem: Problem) -> Answer[Data]:
    return _answer(verdict, reply, problem.code, problem.text.both)


def _answer(
    verdict: Verdict, reply: Reply, code: str, message: str | None = None, value: Data | None = None
) -> Answer[Data]:
    return Answer(
        outcome=verdict.outcome,
        value=value,
        code=code or None,
        message=message or None,
        retry_after=_pause(reply, verdict),
        timeline=reply.timeline,
    )


def _pause(reply: Reply, verdict: Verdict) -> float | None:
    """The far side's Retry-After in seconds (dates are not used: clocks differ), else the table's."""
    said = reply.headers.get("retry-after", "").strip()
    if verdict.outcome is not Outcome.OK and re.fullmatch(r"[0-9]{1,9}", said, re.ASCII):
        return min(float(said), _LONGEST_PAUSE)
    return verdict.retry_after


def _words(body: bytes) -> str:
    return body[:65536].decode("utf-8", "replace")
