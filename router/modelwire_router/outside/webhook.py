"""Webhooks: what is posted to them, a metric's value, and whether a gate agrees."""

from typing import Any

import orjson

from modelwire_router.outside.address import address
from modelwire_router.outside.calling import Reply, call
from modelwire_router.outside.signing import HEADER, signature
from modelwire_router.outside.words import Matter, Question
from modelwire_router.rollout.plan import Hook, Webhook
from modelwire_schemas.errors import Rejected, Unavailable

CLIENT_ERROR = 400


def value(question: Question, source: Webhook, *, timeout: float, secret: bytes, now: int) -> float:
    """Return the number in `{"value": number}`.

    Raises Rejected `E_METRIC` for any other answer, `E_URL`, and what `call` raises.
    """
    asked = body("metric", question, {"name": question.name})
    reply = post(source.url, asked, timeout=timeout, secret=secret, now=now)
    if not reply.good:
        raise _no_value(reply.told)
    try:
        answer: Any = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        raise _no_value("the answer is no JSON") from None
    match answer:
        case {"value": bool()}:
            pass
        case {"value": int() | float() as number}:  # orjson reads no NaN and no infinity
            return float(number)
        case _:
            pass
    raise _no_value("the answer holds no value")


def agrees(question: Question, hook: Hook, *, secret: bytes, now: int) -> bool:
    """Return whether a gate agrees: 2xx does, 4xx and 5xx do not yet.

    Raises Unavailable `E_GATE` for any other answer, Rejected `E_URL`, and what `call` raises.
    """
    asked = body(hook.kind, question, {"name": question.name})
    reply = post(hook.url, asked, timeout=hook.timeout / 1000, secret=secret, now=now)
    if not reply.good and reply.status < CLIENT_ERROR:
        raise Unavailable("E_GATE", reply.told, expected="2xx to agree, 4xx or 5xx: not yet")
    return reply.good


def body(kind: str, matter: Matter, more: dict[str, Any]) -> bytes:
    """Return the JSON that a webhook gets: what is wanted, of which rollout."""
    of = {
        "route": matter.route,
        "model": matter.model,
        "rollout": matter.rollout,
        "stable": matter.stable,
        "candidate": matter.candidate,
        "step": matter.step,
    }
    return orjson.dumps({"type": kind, **of, **more})


def post(url: str, content: bytes, *, timeout: float, secret: bytes, now: int) -> Reply:
    """Send JSON, signed where there is a secret; raises what `address` and `call` raise."""
    headers = {"Content-Type": "application/json"}
    if secret:
        headers[HEADER] = signature(secret, content, now)
    return call("POST", address(url), timeout=timeout, body=content, headers=headers)


def _no_value(what: str) -> Rejected:
    return Rejected("E_METRIC", what, expected='{"value": a finite number}')
