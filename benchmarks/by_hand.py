"""What one would write without modelwire: read a record, hash the bytes, load the model, use it."""

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import flights
from modelwire.loading.onnx import onnxruntime
from modelwire_log.contract import Log, Message, Place
from modelwire_log.open import open_log
from modelwire_schemas.artifact import CHUNK_BYTES
from modelwire_schemas.release import ChunkSpan, ReleasePublished

RELEASES, CHUNKS = "modelwire.hand.releases", "modelwire.hand.chunks"
"""Named so that the log keeps them as durably as a release."""

PIECE = 8 * 1024 * 1024
AT_ONCE = 8


def message(body: ReleasePublished) -> Message:
    """Return the record that tells consumers of a model: where it is, and its hashes."""
    artifact = body.artifact
    told = {
        "version": body.version,
        "mapped": artifact.form == "mapped",
        "folder": artifact.uri.removeprefix("file://"),
        "files": [(file.name, file.sha256) for file in artifact.files],
        "chunks": {span.file: (span.first, span.last) for span in artifact.chunks},
    }
    return Message(b"\n".join([json.dumps(told).encode(), *artifact.inline]))


def chunked(log: Log, body: ReleasePublished) -> ReleasePublished:
    """Append a release's files as chunks of bytes; return it with their places."""
    folder = Path(body.artifact.uri.removeprefix("file://"))
    spans: list[ChunkSpan] = []
    for file in body.artifact.files:
        data = (folder / file.name).read_bytes()
        pieces = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
        places = [log.append(CHUNKS, Message(piece)).offset for piece in pieces]
        spans.append(ChunkSpan(file.name, 0, places[0], places[-1]))
    return replace(body, artifact=replace(body.artifact, uri="", chunks=tuple(spans)))


def serve() -> None:
    """Follow the releases, and say which version answers, and since when."""
    log, place, after = open_log(sys.argv[1]), Place(RELEASES), -1
    home = Path(sys.argv[2]) / f"hand-{sys.argv[3]}"
    home.mkdir()
    row = {"features": flights.matrix(1)}
    while True:
        log.wait(place, after, 60)
        for record in log.read(place, after):
            after = record.offset
            head, _, content = record.value.partition(b"\n")
            told = json.loads(head)
            model = _loaded(_fetched(log, told, content, home), mapped=told["mapped"])
            for _ in range(3):
                model.run(["late"], row)
            print(told["version"], time.monotonic_ns(), flush=True)


def _fetched(log: Log, told: dict[str, Any], content: bytes, home: Path) -> Path:
    folder = Path(told["folder"]) if told["folder"] else home / told["version"]
    folder.mkdir(exist_ok=True)
    for name, sha256 in told["files"]:
        if told["folder"]:
            found = _hash_of(folder / name)
        elif name in told["chunks"]:
            found = _write(folder / name, _read(log, *told["chunks"][name]))
        else:
            found = _write(folder / name, iter([content]))
        if found != sha256:
            raise SystemExit(f"{name} of {told['version']} has other bytes")
    return folder


def _read(log: Log, first: int, last: int) -> Iterator[bytes]:
    after = first - 1
    while after < last:
        for record in log.read(Place(CHUNKS), after, min(AT_ONCE, last - after)):
            yield record.value
            after = record.offset


def _write(path: Path, pieces: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def _hash_of(path: Path) -> str:
    digest, buffer = hashlib.sha256(), bytearray(PIECE)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
    return digest.hexdigest()


def _loaded(folder: Path, *, mapped: bool) -> Any:  # noqa: ANN401 - the library ships no types
    settings = onnxruntime().SessionOptions()
    settings.log_severity_level = 4
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    if mapped:
        settings.add_session_config_entry("session.disable_prepacking", "1")
    return onnxruntime().InferenceSession(str(folder / "model.onnx"), settings)
