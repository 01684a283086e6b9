"""What every store of artifacts promises, over all of them."""

import os
import resource
import signal
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire_log.contract import Place
from modelwire_log.memory.log import MemoryLog
from modelwire_publisher.artifact import Staged, stage
from modelwire_publisher.progress import silent
from modelwire_publisher.store.choose import choose, named
from modelwire_publisher.store.chunks import Chunks
from modelwire_publisher.store.contract import Store
from modelwire_publisher.store.folder import Folder
from modelwire_publisher.store.inline import Inline
from modelwire_publisher.store.objects import Objects
from modelwire_schemas.artifact import INLINE_BYTES
from modelwire_schemas.errors import Corrupt, ModelwireError, Rejected, Unavailable
from modelwire_schemas.release import Artifact, Contract, ReleasePublished
from tests.models.good import mlp, save_sized

KINDS = ("inline", "chunks", "folder", "objects")
SHARED = ("folder", "objects")
STREAM = "modelwire.default.artifacts"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    started = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    yield f"http://{host}:{port}"
    started.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """A bucket of one's own on a real S3-compatible server."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    name = f"models-{uuid.uuid4().hex}"
    urllib.request.urlopen(urllib.request.Request(f"{server}/{name}", method="PUT")).close()  # noqa: S310
    return S3Store(name)


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    log.create(STREAM, 3)
    return log


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, log: MemoryLog, tmp_path: Path, bucket: S3Store) -> Store:
    return of_kind(request.param, log, tmp_path, bucket)


@pytest.fixture(params=SHARED)
def shared(
    request: pytest.FixtureRequest, log: MemoryLog, tmp_path: Path, bucket: S3Store
) -> Store:
    """A store that others write, too."""
    return of_kind(request.param, log, tmp_path, bucket)


def of_kind(kind: str, log: MemoryLog, folder: Path, bucket: S3Store) -> Store:
    stores: dict[str, Store] = {
        "inline": Inline(),
        "chunks": Chunks(log, "default", 10.0),
        "folder": Folder.at(str(folder / "a store")),
        "objects": Objects.at(f"s3://{bucket.config.get('bucket')}/late/", 10.0),
    }
    return stores[kind]


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    """A graph and a file of weights: 5 MB, so several chunks."""
    return stage_sized(tmp_path / "work")


def stage_sized(work: Path) -> Staged:
    work.mkdir()
    path = save_sized(work / "given.onnx", 9)
    return stage(path, work, format=None, keep_form=False, progress=silent)


def stage_small(work: Path) -> Staged:
    work.mkdir()
    (work / "given.onnx").write_bytes(mlp())
    return stage(work / "given.onnx", work, format=None, keep_form=False, progress=silent)


def told(count: int) -> None:
    assert count > 0


def fetched(artifact: Artifact, log: MemoryLog, folder: Path) -> Path:
    release = ReleasePublished("m", "1", artifact, Contract((), (), ()))
    return fetch(release, log, STREAM, Cache(folder))


def test_consumers_fetch_what_was_kept(store: Store, log: MemoryLog, tmp_path: Path) -> None:
    small = isinstance(store, Inline)
    staged = (stage_small if small else stage_sized)(tmp_path / "work")
    kept = store.keep(staged, told)
    folder = fetched(kept, log, tmp_path / "cache")
    for file in staged.artifact.files:
        assert (folder / file.name).read_bytes() == (staged.folder / file.name).read_bytes()


def test_every_byte_is_told(store: Store, tmp_path: Path) -> None:
    staged = (stage_small if isinstance(store, Inline) else stage_sized)(tmp_path / "work")
    counted: list[int] = []
    store.keep(staged, counted.append)
    assert sum(counted) == staged.artifact.size


def test_a_plan_writes_nothing_and_is_as_large_as_what_comes(
    store: Store, log: MemoryLog, bucket: S3Store, staged: Staged, tmp_path: Path
) -> None:
    planned = store.plan(staged)
    assert log.end(Place(STREAM)) == -1
    assert list(bucket.list().collect()) == []
    assert not (tmp_path / "a store").exists()
    assert (planned.digest, planned.files) == (staged.artifact.digest, staged.artifact.files)
    kept = store.keep(staged, told)
    assert len(planned.chunks) == len(kept.chunks)
    assert planned.uri == kept.uri


def test_what_is_kept_twice_is_kept_once(
    shared: Store, staged: Staged, log: MemoryLog, tmp_path: Path
) -> None:
    first = shared.keep(staged, told)
    assert shared.keep(staged, told) == first
    assert fetched(first, log, tmp_path / "cache").is_dir()


def test_what_somebody_else_wrote_there_is_not_written_over(
    shared: Store, staged: Staged, bucket: S3Store, tmp_path: Path
) -> None:
    name = f"{staged.artifact.digest}/model.weights"
    if isinstance(shared, Folder):
        path = tmp_path / "a store" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"mine")
    else:
        bucket.put(f"late/{name}", b"mine")
    with pytest.raises(Corrupt, match="E_DIGEST: the store has other bytes there already"):
        shared.keep(staged, told)
    if isinstance(shared, Folder):
        assert (tmp_path / "a store" / name).read_bytes() == b"mine"
    else:
        assert bytes(bucket.get(f"late/{name}").bytes()) == b"mine"


# -- each in its own way


def test_small_artifacts_go_into_the_record_and_others_onto_the_log() -> None:
    log = MemoryLog()
    assert isinstance(choose(None, INLINE_BYTES, log, "default", 1.0), Inline)
    assert isinstance(choose(None, INLINE_BYTES + 1, log, "default", 1.0), Chunks)


@pytest.mark.parametrize("uri", ["s3://bucket/prefix", "gs://bucket", "az://account/box/prefix"])
def test_buckets_are_stores(uri: str) -> None:
    assert isinstance(named(uri, 1.0), Objects)


@pytest.mark.parametrize(
    "uri", ["ftp://host/x", "https://host/x", "s3:", "s3://user:word@bucket", "file://host/x"]
)
def test_what_is_no_store_is_refused(uri: str) -> None:
    with pytest.raises(Rejected, match="E_URI"):
        named(uri, 1.0)


def test_a_file_lies_in_one_partition_in_order(log: MemoryLog, staged: Staged) -> None:
    spans = Chunks(log, "default", 10.0).keep(staged, told).chunks
    counts = [len(log.read(Place(STREAM, partition), -1)) for partition in range(3)]
    assert sum(counts) == sum(span.last - span.first + 1 for span in spans)
    assert all(log.read(Place(STREAM, span.partition), span.first - 1, 1) for span in spans)


def test_a_folder_is_sealed_and_holds_nothing_half_written(staged: Staged, tmp_path: Path) -> None:
    kept = Folder(tmp_path / "store").keep(staged, told)
    home = tmp_path / "store" / staged.artifact.digest
    assert kept.uri == f"file://{home}/"
    assert [path.stat().st_mode & 0o777 for path in home.iterdir()] == [0o444, 0o444]
    assert [path.name for path in (tmp_path / "store").iterdir()] == [staged.artifact.digest]


def test_what_a_dead_publisher_left_is_swept_after_an_hour(staged: Staged, tmp_path: Path) -> None:
    old, young = (tmp_path / f".{digit * 64}.{digit * 32}" for digit in "ab")
    for draft in (old, young):
        draft.mkdir()
    (tmp_path / ".hidden").mkdir()
    for path in (old, tmp_path / ".hidden"):
        os.utime(path, (0, 0))
    Folder(tmp_path).keep(staged, told)
    assert not old.exists()
    assert young.exists()
    assert (tmp_path / ".hidden").exists()


def test_a_full_disk_is_told_and_leaves_nothing(staged: Staged, tmp_path: Path) -> None:
    """A limit on the sizes of files stands for the disk's end."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(Unavailable, match="E_NO_SPACE"):
            Folder(tmp_path / "store").keep(staged, told)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list((tmp_path / "store").iterdir()) == []


def test_a_folder_without_rights_is_told(staged: Staged, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("no folder", encoding="ascii")
    with pytest.raises(ModelwireError, match="E_STORE: the store cannot be written"):
        Folder(tmp_path / "store").keep(staged, told)


def test_a_folder_that_nobody_could_fetch_from_is_refused(staged: Staged, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="E_URI"):
        Folder(tmp_path / "100%25").plan(staged)


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_told(staged: Staged) -> None:
    with pytest.raises(ModelwireError, match="E_NOT_FOUND: there is no such bucket"):
        Objects.at("s3://nobody", 10.0).keep(staged, told)


def test_a_store_that_is_away_is_told(
    bucket: S3Store, staged: Staged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    away = Objects.at(f"s3://{bucket.config.get('bucket')}", 1.0)
    with pytest.raises(ModelwireError, match="E_UNAVAILABLE"):
        away.keep(staged, told)
