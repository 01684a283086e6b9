"""Files come in by value or by reference, and only the released bytes count."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire.loading.pace import Pace, Patience
from modelwire.loading.uris import parse
from modelwire_log.contract import Log, Place
from modelwire_log.envelope import seal
from modelwire_log.memory.log import MemoryLog
from modelwire_schemas.artifact import ArtifactChunk
from modelwire_schemas.errors import ModelwireError, Rejected, TimedOut
from modelwire_schemas.release import Artifact, ChunkSpan
from tests.consumer_sdk.loading.making import artifact, release

STREAM = "modelwire.prod.artifacts"
WEIGHTS = os.urandom(20_000_000)
"""More than two pieces of the hash that follows the writer."""


def by_uri(content: bytes, uri: str) -> Artifact:
    return replace(artifact({"model.onnx": content}), inline=(), uri=uri)


def in_chunks(log: Log, content: bytes, size: int = 100_000) -> Artifact:
    """Write `content` to the log with another publisher's chunks between."""
    made = artifact({"model.onnx": content})
    count = -(-len(content) // size)
    offsets: list[int] = []
    for index in range(count):
        piece = content[index * size : (index + 1) * size]
        ours = ArtifactChunk(made.files[0].sha256, index, count, piece)
        others = ArtifactChunk("f" * 64, index, count, b"another publisher's")
        log.append(STREAM, seal(others, source="/test"))
        offsets += [log.append(STREAM, seal(ours, source="/test")).offset]
        log.append(STREAM, seal(others, source="/test"))
    span = ChunkSpan("model.onnx", 0, offsets[0], offsets[-1])
    return replace(made, inline=(), chunks=(span,))


def refused(made: Artifact, cache: Cache, log: Log | None = None) -> ModelwireError:
    """Return why the artifact is not taken, once nothing of it is left behind."""
    with pytest.raises(ModelwireError) as caught:
        fetch(release(made), log, STREAM, cache, pause=lambda seconds: None)
    assert [path for path in (cache.folder / "artifacts").glob("*") if path.name[0] != "."] == []
    assert list((cache.folder / "artifacts").glob(".*")) == []
    return caught.value


def test_files_by_value_are_stored_and_read_once(cache: Cache) -> None:
    made = artifact({"model.onnx": b"graph", "model.onnx.data": b"weights"}, form="mapped")
    folder = fetch(release(made), None, STREAM, cache)
    assert (folder / "model.onnx").read_bytes() == b"graph"
    assert (folder / "model.onnx.data").read_bytes() == b"weights"
    empty = replace(made, inline=())
    assert fetch(release(empty), None, STREAM, cache) == folder


def test_chunks_are_put_together_in_order(cache: Cache) -> None:
    with MemoryLog() as log:
        made = in_chunks(log, WEIGHTS, 900_000)
        seen: list[tuple[int, int]] = []

        def progress(done: int, total: int) -> None:
            seen.append((done, total))

        folder = fetch(release(made), log, STREAM, cache, progress)
    assert (folder / "model.onnx").read_bytes() == WEIGHTS
    assert seen[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_chunk_that_was_written_twice_counts_once(cache: Cache) -> None:
    content = bytes(range(200))
    made = artifact({"model.onnx": content})
    with MemoryLog() as log:
        for index in (0, 0, 1, 0, 1):
            piece = content[index * 100 : (index + 1) * 100]
            chunk = ArtifactChunk(made.files[0].sha256, index, 2, piece)
            log.append(STREAM, seal(chunk, source="/test"))
        chunked = replace(made, inline=(), chunks=(ChunkSpan("model.onnx", 0, 0, 4),))
        folder = fetch(release(chunked), log, STREAM, cache)
    assert (folder / "model.onnx").read_bytes() == content


@pytest.mark.parametrize("again", [2, 3, 5])
def test_chunks_that_were_published_again_are_found_where_they_are_now(
    cache: Cache, again: int
) -> None:
    """Kafka's compaction takes the older records of a key; `again` of 5 chunks were rewritten."""
    content = bytes(range(250))
    made = artifact({"model.onnx": content})
    with MemoryLog() as log:
        for index in (*range(5), *range(again)):
            piece = content[index * 50 : (index + 1) * 50]
            chunk = ArtifactChunk(made.files[0].sha256, index, 5, piece)
            log.append(STREAM, seal(chunk, source="/test"))
        log.delete(Place(STREAM), 0, again - 1)
        chunked = replace(made, inline=(), chunks=(ChunkSpan("model.onnx", 0, 0, 4),))
        folder = fetch(release(chunked), log, STREAM, cache)
    assert (folder / "model.onnx").read_bytes() == content


def test_chunks_that_are_gone_are_not_found(cache: Cache) -> None:
    with MemoryLog() as log:
        made = in_chunks(log, WEIGHTS[:500_000])
        span = replace(made.chunks[0], first=made.chunks[0].first + 1)
        assert refused(replace(made, chunks=(span,)), cache, log).code == "E_NOT_FOUND"
        assert refused(replace(made, chunks=()), cache, log).code == "E_NOT_FOUND"
        log.delete(Place(STREAM), made.chunks[0].last, made.chunks[0].last)
        assert refused(made, cache, log).code == "E_NOT_FOUND"


def test_a_log_that_is_away_is_asked_again(cache: Cache) -> None:
    pauses: list[float] = []
    with MemoryLog() as log:
        made = in_chunks(log, b"weights")
        log.away = True

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            log.away = len(pauses) < 3

        folder = fetch(release(made), log, STREAM, cache, pause=pause)
    assert (folder / "model.onnx").read_bytes() == b"weights"
    assert len(pauses) == 3
    assert 0.5 <= pauses[0] <= 1 <= pauses[1] <= 2 <= pauses[2] <= 4


def test_a_log_that_stays_away_ends_the_fetch(cache: Cache) -> None:
    with MemoryLog() as log:
        made = in_chunks(log, b"weights")
        log.away = True
        assert refused(made, cache, log).code == "E_LOG_UNAVAILABLE"


def test_a_file_is_copied(cache: Cache, tmp_path: Path) -> None:
    source = tmp_path / "Größe 1.onnx"
    source.write_bytes(WEIGHTS)
    folder = fetch(release(by_uri(WEIGHTS, source.as_uri())), None, STREAM, cache)
    source.write_bytes(b"changed")
    assert (folder / "model.onnx").read_bytes() == WEIGHTS
    assert (folder / "model.onnx").stat().st_ino != source.stat().st_ino


def test_a_folder_holds_all_files(cache: Cache, tmp_path: Path) -> None:
    files = {"model.onnx": b"graph", "model.onnx.data": b"weights"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    made = replace(artifact(files), inline=(), uri=tmp_path.as_uri() + "/")
    folder = fetch(release(made), None, STREAM, cache)
    assert (folder / "model.onnx.data").read_bytes() == b"weights"
    two = replace(artifact({"a": b"", "b": b""}), inline=(), uri=tmp_path.as_uri())
    assert refused(two, Cache(tmp_path / "other")).code == "E_URI"


def longer(data: bytes) -> bytes:
    return data + b"x"


def much_longer(data: bytes) -> bytes:
    return data * 3


def shorter(data: bytes) -> bytes:
    return data[:-1]


def another_first_bit(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def another_last_bit(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("size", [1, 20_000_000])
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (longer, "E_SIZE"),
        (much_longer, "E_SIZE"),
        (shorter, "E_SIZE"),
        (another_first_bit, "E_DIGEST"),
        (another_last_bit, "E_DIGEST"),
    ],
)
def test_other_bytes_than_the_released_are_refused(
    cache: Cache, tmp_path: Path, size: int, change: Callable[[bytes], bytes], code: str
) -> None:
    data = WEIGHTS[:size]
    source = tmp_path / "model.onnx"
    source.write_bytes(change(data))
    assert refused(by_uri(data, source.as_uri()), cache).code == code
    inline = replace(artifact({"model.onnx": data}), inline=(change(data),))
    assert refused(inline, cache).code == code


def test_a_manifest_with_another_digest_is_refused(cache: Cache) -> None:
    made = replace(artifact({"model.onnx": b"weights"}), digest="0" * 64)
    with pytest.raises(ModelwireError, match="E_DIGEST"):
        fetch(release(made), None, STREAM, cache)
    other_form = replace(artifact({"model.onnx": b"weights"}), form="mapped")
    with pytest.raises(ModelwireError, match="E_DIGEST"):
        fetch(release(other_form), None, STREAM, cache)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "a\0b", "/etc/passwd", "a\\b"])
def test_a_file_name_that_leads_elsewhere_is_refused(cache: Cache, name: str) -> None:
    with pytest.raises(Rejected, match="E_NAME"):
        fetch(release(artifact({name: b"weights"})), None, STREAM, cache)


def test_two_files_of_one_name_are_refused(cache: Cache) -> None:
    made = artifact({"model.onnx": b"weights"})
    twice = replace(made, files=made.files * 2)
    with pytest.raises(Rejected, match="E_NAME"):
        fetch(release(twice), None, STREAM, cache)


def test_only_regular_files_are_read(cache: Cache, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, code in [
        (tmp_path / "pipe", "E_URI"),
        (tmp_path, "E_URI"),
        (Path("/dev/zero"), "E_URI"),
        (tmp_path / "missing", "E_NOT_FOUND"),
        (tmp_path / "pipe" / "x", "E_UNAVAILABLE"),
    ]:
        assert refused(by_uri(b"weights", path.as_uri()), cache).code == code


@pytest.mark.parametrize(
    "uri",
    [
        "http://169.254.169.254/latest",
        "ftp://host/x",
        "/etc/passwd",
        "",
        "file:relative",
        "file://other-host/etc/passwd",
        "s3://bucket/../../x",
        "s3://bucket/a/%2e%2e/x",
        "s3://bucket/a/%252e%252e%252fx",
        "s3://bucket/a%5cb",
        "https://host\\@evil/x",
        "https://user:secret@host/x",
        "https://host/x?token=1",
        "https://host/x#y",
        "https://host:port/x",
        "https:///x",
        "s3:///x",
        "s3://bucket/x%00y",
        "s3://bucket/x\ny",
        "s3://bucket/x y",
        "gs://bucket/./x",
        "https://[::1/x",
    ],
)
def test_an_address_that_may_mean_something_else_is_not_followed(uri: str) -> None:
    with pytest.raises(Rejected, match=r"^E_URI: "):
        parse(uri)


@pytest.mark.parametrize(
    "uri",
    ["file:///a/b.onnx", "https://host:8443/a.onnx", "s3://bucket/a/b", "gs://b/c", "az://c/d"],
)
def test_a_plain_address_is_followed(uri: str) -> None:
    assert parse(uri).uri == uri


def test_a_source_may_pause_but_not_crawl() -> None:
    now = 0.0
    pace = Pace(Patience(), 10_000_000, "there", clock=lambda: now)
    pace.got(400_000)
    now = 29.9
    pace.got(0)
    now = 31.0
    pace.got(0)
    pace.got(200_000)
    now = 61.5
    with pytest.raises(
        TimedOut, match="E_SLOW: 200,000 bytes came in 30 s, there; expected 10,000"
    ):
        pace.got(0)


def test_a_source_may_not_take_for_ever_at_a_good_pace() -> None:
    now = 0.0
    pace = Pace(Patience(base=60), 10_000_000, "there", clock=lambda: now)
    while now < 70:
        now += 1
        pace.got(1_000_000)
    now += 1
    with pytest.raises(TimedOut, match="E_SLOW: it takes longer"):
        pace.got(1_000_000)
