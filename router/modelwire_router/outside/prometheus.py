"""One number from a Prometheus server, by an instant query."""

import math
import re
from typing import Any
from urllib.parse import urlencode

import orjson

from modelwire_router.outside.address import address
from modelwire_router.outside.calling import Reply, call
from modelwire_router.outside.words import Question
from modelwire_router.rollout.plan import Prometheus
from modelwire_schemas.errors import Rejected

PLACE = re.compile(r"\{\{\s*(candidate|stable|route|model)\s*\}\}")
QUOTES = re.compile(r"[\\\"'`\n]")


def value(question: Question, source: Prometheus, *, timeout: float) -> float:
    """Return the one finite sample that the query gives now.

    Raises Rejected `E_METRIC` for any other answer, `E_URL`, and what `call` raises.
    """
    query = urlencode({"query": written(source.query, question)})
    reply = call("GET", address(source.address, "/api/v1/query", query), timeout=timeout)
    return _number(_sample(_data(reply)))


def written(query: str, question: Question) -> str:
    """Return the query with its places filled in; nothing filled in ends a quoted string."""
    return PLACE.sub(lambda place: _escaped(getattr(question, place[1])), query)


def _escaped(text: str) -> str:
    return QUOTES.sub(lambda quote: f"\\x{ord(quote[0]):02x}", text)


def _data(reply: Reply) -> dict[str, Any]:
    try:
        answer: Any = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        answer = None
    match answer:
        case {"status": "success", "data": {"resultType": str()}} if reply.good:
            data: dict[str, Any] = answer["data"]
            return data
        case {"status": "error", "error": str(error)}:
            raise _not_one(f"Prometheus refuses the query: {error[:200]}")
        case _ if reply.good:
            raise _not_one("the answer is none of Prometheus")
        case _:
            raise _not_one(reply.told)


def _sample(data: dict[str, Any]) -> object:
    match data:
        case {"resultType": "scalar", "result": [_, sample]}:
            return sample
        case {"resultType": "vector", "result": [{"value": [_, sample]}]}:
            return sample
        case {"resultType": "vector", "result": []}:
            raise _not_one("the query gives no series")
        case {"resultType": "vector", "result": [_, _, *_] as series}:
            raise _not_one(f"the query gives {len(series)} series")
        case _:
            raise _not_one(f"the query gives a {data['resultType'][:20]}")


def _number(sample: object) -> float:
    try:
        number = float(sample) if isinstance(sample, str) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _not_one(f"the query gives {str(sample)[:20]}")
    return number


def _not_one(what: str) -> Rejected:
    return Rejected("E_METRIC", what, expected="one finite sample")
