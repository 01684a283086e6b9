"""The questions of `tests/vectors/assign.json`: keys, documents, events and wishes for weights."""

from collections.abc import Iterator

from modelwire.routing.ranges import Weight
from tests.consumer_sdk.routing.json_form import Json

YES, NO = True, False

SALTS = ("late-2026-11", "", "Zürich")
KEYS: tuple[Json, ...] = (
    {"text": "N14228"},
    {"text": ""},
    {"text": "a"},
    {"text": "ab"},
    {"text": "abc"},
    {"text": "abcd"},
    {"text": "Zürich"},
    {"text": "東京"},
    {"text": "\U0001f6eb"},
    {"text": "e\u0301"},
    {"text": "with|bar"},
    {"text": "with\u0000nul"},
    {"text": "x" * 300},
    {"hex": ""},
    {"hex": "00ff"},
    {"hex": "4e3134323238"},
    {"integer": 0},
    {"integer": 42},
    {"integer": -1},
    {"integer": 9223372036854775807},
    {"integer": -9223372036854775808},
)

CANARY = [
    {"name": "canary", "version": "8", "buckets": [[0, 1000]]},
    {"name": "stable", "version": "7", "buckets": [[1000, 10000]]},
]
EIGHT = [{"name": "canary", "version": "8", "buckets": [[0, 10000]]}]
SEVEN = [{"name": "stable", "version": "7", "buckets": [[0, 10000]]}]
SALTED = {"by": "key", "salt": "late-2026-11"}


def _document(*rules: Json, **others: object) -> Json:
    return {"route": "flights-late", "model": "late", "rules": list(rules), **others}


def _when(field: str, op: str, *values: object) -> Json:
    clause = {"field": field, "op": op, "values": list(values)}
    return _document(
        {"name": "matched", "match": clause, "variants": EIGHT},
        {"name": "rest", "variants": SEVEN},
    )


GOLD = {"field": "tier", "op": "In", "values": ["gold"]}
LATE = {"field": "delay", "op": "Gt", "values": [15]}
DOCUMENTS: dict[str, Json] = {
    "sole": _document({"name": "everyone", "variants": SEVEN}),
    "two rules": _document(
        {"name": "gold", "match": GOLD, "variants": EIGHT},
        {"name": "everyone", "split": SALTED, "variants": CANARY},
    ),
    "by field": _document(
        {"name": "everyone", "split": {**SALTED, "field": "tail"}, "variants": CANARY}
    ),
    "by event": _document(
        {"name": "everyone", "split": {**SALTED, "by": "event"}, "variants": CANARY}
    ),
    "by partition": _document(
        {
            "name": "everyone",
            "split": {"by": "partition"},
            "variants": [
                {"name": "next", "version": "8", "partitions": [["flights", 0], ["flights", 1]]},
                {"name": "stable", "version": "7", "partitions": []},
            ],
        }
    ),
    "scattered": _document(
        {
            "name": "everyone",
            "split": SALTED,
            "variants": [
                {"name": "a", "version": "7", "buckets": [[0, 2500], [7500, 10000]]},
                {"name": "b", "version": "8", "buckets": [[2500, 7500]]},
            ],
        }
    ),
    "forced": _document(
        {"name": "everyone", "split": SALTED, "variants": CANARY},
        force_header="x-version",
        keep_warm=["6"],
    ),
    "in": _when("tier", "In", "gold", "staff"),
    "not in": _when("tier", "NotIn", "gold", "staff"),
    "in numbers": _when("delay", "In", 15, 2.5),
    "in bools": _when("on", "In", YES),
    "prefix": _when("tail", "Prefix", "N1"),
    "exists": _when("tail", "Exists"),
    "does not exist": _when("tail", "DoesNotExist"),
    "greater": _when("delay", "Gt", 15),
    "less": _when("delay", "Lt", 15),
    "greater or equal": _when("delay", "Ge", 15),
    "less or equal": _when("delay", "Le", 15),
    "header": _when("header.tier", "In", "gold"),
    "header number": _when("header.delay", "Ge", 15),
    "header bool": _when("header.on", "In", YES),
    "tree": _document(
        {
            "name": "matched",
            "match": {"all": [{"any": [GOLD, LATE]}, {"not": {"field": "off", "op": "Exists"}}]},
            "variants": EIGHT,
        },
        {"name": "rest", "variants": SEVEN},
    ),
}

PLACE: list[object] = ["flights", 1, 1042]
PLACES: list[list[object] | None] = [
    ["flights", 0, 7],
    ["flights", 1, 7],
    ["flights", 2, 7],
    ["other", 0, 7],
    None,
]
TAILS: list[object] = ["N14228", "", 42, None, YES, 1.5, ["N14228"]]
ORDERS = ("greater", "less", "greater or equal", "less or equal")
NUMBERS = ("15", "15.0", "1.5e1", "14", "-15", " 15", "+15", "015", "1_5", "0x10", "NaN", "")
HEADERS = (
    ("header", "tier", ("gold", "free", "")),
    ("header number", "delay", NUMBERS),
    ("header bool", "on", ("true", "false", "True", "1", "")),
)


def _ask(
    document: str,
    *,
    key: Json | None = None,
    attributes: Json | None = None,
    headers: Json | None = None,
    coordinates: list[object] | None = None,
) -> Json:
    return {
        "document": document,
        "key": key,
        "attributes": attributes or {},
        "headers": headers or {},
        "coordinates": coordinates,
    }


def questions() -> Iterator[Json]:
    """Yield every question, without its answer."""
    yield from _splits()
    yield from _conditions()
    yield from _headers()


def _splits() -> Iterator[Json]:
    yield _ask("sole")
    yield _ask("sole", key={"text": "N14228"})
    yield _ask("two rules", key={"text": "N14228"}, attributes={"tier": "gold"})
    yield _ask("two rules", attributes={"tier": "gold"})
    planes: list[Json] = [{"text": f"plane-{number}"} for number in range(12)]
    yield from (_ask("two rules", key=plane, attributes={"tier": "free"}) for plane in planes)
    spellings: list[Json] = [{"text": "42"}, {"hex": "3432"}, {"integer": 42}]
    yield from (_ask("two rules", key=key) for key in spellings)
    yield _ask("two rules", coordinates=PLACE)
    yield _ask("two rules")
    for tail in TAILS:
        yield _ask("by field", key={"text": "x"}, attributes={"tail": tail}, coordinates=PLACE)
    yield _ask("by field", key={"text": "x"}, coordinates=PLACE)
    yield _ask("by field", key={"text": "x"})
    yield _ask("by event", key={"text": "x"}, coordinates=PLACE)
    yield _ask("by event", key={"text": "x"})
    yield from (_ask("by partition", coordinates=place) for place in PLACES)
    yield from (_ask("scattered", key={"integer": number}) for number in range(6))


def _conditions() -> Iterator[Json]:
    yield from _about("tier", ("in", "not in"), ("gold", "staff", "free", "", 5, None))
    yield from _about("delay", ("in numbers",), (15, 15.0, 2.5, 2, YES, "15", None))
    yield from _about("on", ("in bools",), (YES, NO, 1, "true", None))
    yield from _about("tail", ("prefix",), ("N1", "N14228", "n1", "", 1, None))
    yield from _about("tail", ("exists", "does not exist"), ("", 0, NO, None))
    yield from _about("delay", ORDERS, (14, 14.999, 15, 15.0, 16, -16, YES, "16", None))
    yield _ask("tree", attributes={"tier": "gold"})
    yield _ask("tree", attributes={"delay": 20})
    yield _ask("tree", attributes={"delay": 20, "off": 1})
    yield _ask("tree", attributes={"tier": "free", "delay": 10})


def _headers() -> Iterator[Json]:
    for version in ("6", "8", "5", ""):
        yield _ask("forced", key={"text": "N14228"}, headers={"x-version": version})
    for document, name, values in HEADERS:
        yield _ask(document)
        yield from (_ask(document, headers={name: value}) for value in values)


def _about(field: str, documents: tuple[str, ...], values: tuple[object, ...]) -> Iterator[Json]:
    for document in documents:
        yield _ask(document)
        for value in values:
            yield _ask(document, attributes={field: value})


CHAINS: tuple[tuple[tuple[Weight, ...], ...], ...] = (
    (
        (("stable", "7", 10000),),
        (("canary", "8", 1000), ("stable", "7", 9000)),
        (("canary", "8", 5000), ("stable", "7", 5000)),
        (("canary", "8", 1000), ("stable", "7", 9000)),
        (("canary", "8", 0), ("stable", "7", 10000)),
        (("canary", "8", 1000), ("stable", "7", 9000)),
        (("canary", "8", 10000), ("stable", "7", 0)),
        (("stable", "8", 10000),),
    ),
    (
        (("a", "1", 3333), ("b", "2", 3333), ("c", "3", 3334)),
        (("a", "1", 2000), ("b", "2", 5000), ("c", "3", 3000)),
        (("c", "3", 5000), ("a", "1", 4000), ("b", "2", 1000)),
        (("c", "4", 5000), ("a", "1", 4000), ("b", "2", 1000)),
        (("one", "1", 4000), ("two", "2", 1000), ("four", "4", 5000)),
        (("a", "2", 6000), ("b", "1", 3000), ("d", "5", 1000)),
    ),
)
