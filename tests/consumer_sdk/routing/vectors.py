"""What `tests/vectors/assign.json` says: questions written here, answers by the code.

`python -m tests.consumer_sdk.routing.vectors` writes the file anew. A difference in it is a change
of meaning: every consumer in every language, and every replay, would have to follow.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from modelwire.routing.assign import CompiledDocument
from modelwire.routing.hashing import bucket, digest, salted
from modelwire.routing.keys import key_bytes
from modelwire.routing.ranges import reweigh
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import Variant
from tests.consumer_sdk.routing.json_form import Json, from_variants, to_document, to_key
from tests.consumer_sdk.routing.vector_questions import (
    CHAINS,
    DOCUMENTS,
    KEYS,
    SALTS,
    questions,
)

FILE = Path(__file__).parents[2] / "vectors" / "assign.json"

ABOUT = (
    "bucket = murmur3_x86_32(utf8(salt) + '|' + key bytes, seed 0) * 10000 >> 32. A key is text "
    "(its UTF-8), hex (the bytes) or an integer (its decimal digits). Headers are text here; as "
    "bytes they are its UTF-8. A range [start, end) leaves out its end. `error` stands where there "
    "is no answer."
)


def _answer(question: Json) -> Json:
    compiled = CompiledDocument(to_document(DOCUMENTS[question["document"]]), 5)
    place = question["coordinates"]
    try:
        found = compiled.assign(
            to_key(question["key"]),
            question["attributes"],
            question["headers"],
            place and tuple(place),
        )
    except Rejected as error:
        return {**question, "error": error.code}
    answer = {**found._asdict(), "reason": str(found.reason)}
    return {**question, "answer": {name: answer[name] for name in sorted(answer)}}


def _bucket(salt: str, form: Json) -> Json:
    data = key_bytes(to_key(form))
    return {
        "salt": salt,
        "key": form,
        "bytes": data.hex(),
        "hash": digest(salted(salt) + data),
        "bucket": bucket(salt, data),
    }


def _changes() -> Iterator[Json]:
    for chain in CHAINS:
        sides: tuple[Variant, ...] = ()
        for weights in chain:
            before, sides = sides, reweigh(sides, weights)
            yield {
                "before": from_variants(before),
                "weights": [list(weight) for weight in weights],
                "after": from_variants(sides),
            }


def build() -> Json:
    """Return what the file says when the code is right."""
    return {
        "about": ABOUT,
        "buckets": [_bucket(salt, key) for salt in SALTS for key in KEYS],
        "documents": DOCUMENTS,
        "revision": 5,
        "assignments": [_answer(question) for question in questions()],
        "changes of weights": list(_changes()),
    }


def written(vectors: Json) -> str:
    """Return the text of the file: JSON, one vector a line."""
    parts = ",\n".join(f'"{name}": {_lines(value)}' for name, value in vectors.items())
    return f"{{\n{parts}\n}}\n"


def _lines(value: object) -> str:
    if isinstance(value, list):
        items = cast("list[object]", value)
        return "[\n" + ",\n".join(f"  {json.dumps(item)}" for item in items) + "\n]"
    if isinstance(value, dict):
        named = cast("Json", value).items()
        return "{\n" + ",\n".join(f'  "{k}": {json.dumps(item)}' for k, item in named) + "\n}"
    return json.dumps(value)


if __name__ == "__main__":
    FILE.write_text(written(build()), encoding="utf-8")
