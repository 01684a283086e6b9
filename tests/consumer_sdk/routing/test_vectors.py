"""The committed vectors hold: here, in a batch, by another murmur3, and in any process."""

import hashlib
import json
import os
import subprocess
import sys
from typing import cast

import pytest

from modelwire.routing.assign import CompiledDocument
from modelwire.routing.batch import assign_batch
from modelwire.routing.checks import check_document
from modelwire.routing.hashing import bucket
from modelwire.routing.keys import key_bytes
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import BUCKETS
from tests.consumer_sdk.routing.json_form import Json, to_document, to_key
from tests.consumer_sdk.routing.murmur import murmur3
from tests.consumer_sdk.routing.vectors import FILE, build, written

VECTORS = cast("Json", json.loads(FILE.read_text(encoding="utf-8")))


def test_the_code_gives_what_is_committed() -> None:
    assert written(build()) == FILE.read_text(encoding="utf-8"), (
        "meaning has changed; if that is meant, write the vectors anew: "
        "python -m tests.consumer_sdk.routing.vectors"
    )


@pytest.mark.parametrize("vector", VECTORS["buckets"], ids=lambda vector: str(vector["key"])[:30])
def test_another_murmur3_gives_the_same_bucket(vector: Json) -> None:
    data = bytes.fromhex(vector["bytes"])
    assert key_bytes(to_key(vector["key"])) == data
    hashed = murmur3(vector["salt"].encode() + b"|" + data)
    assert hashed == vector["hash"]
    assert hashed * BUCKETS >> 32 == vector["bucket"] == bucket(vector["salt"], data)


@pytest.mark.parametrize("name", VECTORS["documents"])
def test_a_batch_gives_the_same_answers(name: str) -> None:
    document = to_document(VECTORS["documents"][name])
    check_document(document)
    asked = [vector for vector in VECTORS["assignments"] if vector["document"] == name]
    found = assign_batch(
        CompiledDocument(document, VECTORS["revision"]),
        [to_key(vector["key"]) for vector in asked],
        [vector["attributes"] for vector in asked],
        [_as_bytes(vector["headers"]) for vector in asked],
        [vector["coordinates"] and tuple(vector["coordinates"]) for vector in asked],
    )
    assert asked
    for row, vector in enumerate(asked):
        if "error" in vector:
            with pytest.raises(Rejected, match=f"^{vector['error']}: "):
                found[row]
        else:
            assert found[row]._asdict() == vector["answer"]


@pytest.mark.parametrize("seed", ["0", "1", "4294967295"])
def test_a_process_with_other_hashes_gives_the_same_answers(seed: str) -> None:
    code = (
        "import hashlib; from tests.consumer_sdk.routing.vectors import build, written; "
        "print(hashlib.sha256(written(build()).encode()).hexdigest())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Pacific/Apia", "LC_ALL": "C"},
        cwd=FILE.parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == hashlib.sha256(FILE.read_bytes()).hexdigest()


def _as_bytes(headers: dict[str, str]) -> dict[str, bytes]:
    return {name: value.encode() for name, value in headers.items()}
