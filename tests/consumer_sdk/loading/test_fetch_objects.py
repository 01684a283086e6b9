"""Files from an object store: a real S3-compatible server, and what it refuses."""

import http.client
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire.loading.pace import Patience
from modelwire_schemas.errors import ModelwireError
from tests.consumer_sdk.loading.making import artifact, release

WEIGHTS = bytes(range(256)) * 80_000
"""20 MB: several parts of the stream."""


def put(client: http.client.HTTPConnection, path: str, content: bytes) -> None:
    client.request("PUT", path, content)
    answer = client.getresponse()
    answer.read()
    assert answer.status == http.client.OK


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    started = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    url = f"http://{host}:{port}"
    with closing(http.client.HTTPConnection(host, port)) as client:
        put(client, "/models", b"")
        put(client, "/models/late/7/model.onnx", b"graph")
        put(client, "/models/late/7/model.onnx.data", WEIGHTS)
    yield url
    started.stop()


@pytest.fixture
def store(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return server


def why_not(uri: str, folder: Path, content: bytes = b"graph") -> str:
    made = replace(artifact({"model.onnx": content}), inline=(), uri=uri)
    pauses: list[float] = []
    with pytest.raises(ModelwireError) as caught:
        fetch(
            release(made),
            None,
            "artifacts",
            Cache(folder),
            patience=Patience(attempts=2, window=1, base=2),
            pause=pauses.append,
        )
    assert list((folder / "artifacts").iterdir()) == []
    assert len(pauses) == (caught.value.code == "E_UNAVAILABLE")
    return caught.value.code


@pytest.mark.usefixtures("store")
def test_all_files_of_a_folder_come_from_a_bucket(tmp_path: Path) -> None:
    files = {"model.onnx": b"graph", "model.onnx.data": WEIGHTS}
    made = replace(artifact(files, form="mapped"), inline=(), uri="s3://models/late/7/")
    folder = fetch(release(made), None, "artifacts", Cache(tmp_path))
    assert (folder / "model.onnx.data").read_bytes() == WEIGHTS


@pytest.mark.usefixtures("store")
def test_one_file_is_named_by_its_key(tmp_path: Path) -> None:
    uri = "s3://models/late/7/model.onnx"
    made = replace(artifact({"model.onnx": b"graph"}), inline=(), uri=uri)
    assert (fetch(release(made), None, "a", Cache(tmp_path)) / "model.onnx").exists()


@pytest.mark.usefixtures("store")
def test_what_the_store_does_not_have_is_told(tmp_path: Path) -> None:
    assert why_not("s3://models/late/8/model.onnx", tmp_path) == "E_NOT_FOUND"
    assert why_not("s3://others/late/7/model.onnx", tmp_path) == "E_NOT_FOUND"


@pytest.mark.usefixtures("store")
def test_other_bytes_than_the_released_are_refused(tmp_path: Path) -> None:
    uri = "s3://models/late/7/model.onnx"
    assert why_not(uri, tmp_path, b"grapx") == "E_DIGEST"
    assert why_not(uri, tmp_path, b"graph!") == "E_SIZE"
    assert why_not(uri, tmp_path, b"gra") == "E_SIZE"


def test_a_store_that_is_away_is_unavailable(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert why_not("s3://models/late/7/model.onnx", tmp_path) == "E_UNAVAILABLE"
