"""The cache has an artifact whole and verified, or not at all, whatever happens to its process."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from modelwire.loading import marks, wire
from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire_schemas.errors import Corrupt, Rejected, Unavailable
from modelwire_schemas.release import Artifact
from tests.consumer_sdk.loading.making import artifact, release


def put(cache: Cache, content: bytes) -> Artifact:
    made = artifact({"model.onnx": content})
    write(cache, made, {"model.onnx": content})
    return made


def write(cache: Cache, made: Artifact, files: Mapping[str, bytes]) -> None:
    with cache.reserve(made) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)


def everything(cache: Cache) -> set[str]:
    return {path.name for path in cache.folder.rglob("*") if path.is_file()}


def test_an_artifact_is_found_by_its_digest_alone(cache: Cache) -> None:
    made = put(cache, b"weights")
    folder = cache.path(made.digest) or Path()
    assert folder == cache.folder / "artifacts" / made.digest
    assert (folder / "model.onnx").read_bytes() == b"weights"
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]
    assert (folder / "model.onnx").stat().st_mode & 0o777 == 0o444


def test_an_unknown_digest_is_not_there(cache: Cache) -> None:
    assert cache.path("0" * 64) is None


@pytest.mark.parametrize("digest", ["", "../../etc", "A" * 64, "0" * 63 + "\0"])
def test_only_a_digest_becomes_a_path(cache: Cache, digest: str) -> None:
    with pytest.raises(Rejected, match="E_DIGEST"):
        cache.path(digest)


def write_and_fail(cache: Cache, made: Artifact) -> None:
    with cache.reserve(made) as folder:
        (folder / "model.onnx").write_bytes(b"wei")
        raise ZeroDivisionError


def test_an_error_while_writing_leaves_nothing(cache: Cache) -> None:
    made = artifact({"model.onnx": b"weights"})
    with pytest.raises(ZeroDivisionError):
        write_and_fail(cache, made)
    assert cache.path(made.digest) is None
    assert everything(cache) == set()


def test_files_beside_the_manifest_are_refused(cache: Cache) -> None:
    two = artifact({"model.onnx": b"weights", "other": b""})
    one = replace(two, files=two.files[:1])
    with pytest.raises(Corrupt, match="other files"):
        write(cache, one, {"model.onnx": b"weights", "other": b""})
    assert cache.path(one.digest) is None


def test_a_writer_killed_at_any_step_leaves_nothing_that_counts(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    made = artifact({"model.onnx": b"weights"})
    target = tmp_path / "artifacts" / made.digest
    # What a kill between the rename and the mark leaves behind.
    target.mkdir(parents=True)
    (target / "model.onnx").write_bytes(b"wei")
    assert cache.path(made.digest) is None
    put(cache, b"weights")
    found = cache.path(made.digest)
    assert found is not None
    assert (found / "model.onnx").read_bytes() == b"weights"


KILLED_WHILE_FETCHING = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from tests.consumer_sdk.loading.making import artifact, release
source = Path(sys.argv[2])
made = replace(artifact({"model.onnx": source.read_bytes()}), inline=(), uri=source.as_uri())
def kill(done, total):
    if done >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
fetch(release(made), None, "artifacts", Cache(Path(sys.argv[1])), kill)
"""


@pytest.mark.parametrize("done", [1, 20_000_000])
def test_a_fetch_that_was_killed_is_done_again(cache: Cache, tmp_path: Path, done: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(20_000_000))
    command = [
        sys.executable,
        "-c",
        KILLED_WHILE_FETCHING,
        str(cache.folder),
        str(source),
        str(done),
    ]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    made = replace(artifact({"model.onnx": bytes(20_000_000)}), inline=(), uri=source.as_uri())
    assert cache.path(made.digest) is None
    assert (fetch(release(made), None, "artifacts", cache) / "model.onnx").exists()


def test_a_file_that_was_only_copied_is_verified_again_and_counts(tmp_path: Path) -> None:
    made = put(Cache(tmp_path / "one"), b"weights")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    other = Cache(tmp_path / "two")
    assert other.path(made.digest) is not None
    mark = (tmp_path / "two" / "marks" / f"{made.digest}.json").read_bytes()
    assert mark != (tmp_path / "one" / "marks" / f"{made.digest}.json").read_bytes()


@pytest.mark.parametrize("place", range(7))
def test_a_file_changed_by_hand_does_not_count(cache: Cache, place: int) -> None:
    made = put(cache, b"weights")
    file = cache.folder / "artifacts" / made.digest / "model.onnx"
    before = file.stat()
    damaged = bytearray(b"weights")
    damaged[place] ^= 1
    file.write_bytes(damaged)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cache.path(made.digest) is None


def test_a_mark_of_an_earlier_run_of_the_machine_is_looked_into(cache: Cache) -> None:
    made = put(cache, b"weights")
    path = cache.folder / "marks" / f"{made.digest}.json"
    mark = marks.read(path)
    assert mark is not None
    path.write_bytes(wire.pack(replace(mark, boot="another")))
    assert cache.path(made.digest) is not None
    assert marks.read(path) == mark
    # What a file may hold that was not on the disk when the machine died.
    file = cache.folder / "artifacts" / made.digest / "model.onnx"
    file.write_bytes(bytes(7))
    stamps = (marks.stamp(file),)
    path.write_bytes(wire.pack(replace(mark, boot="another", stamps=stamps)))
    assert cache.path(made.digest) is None


def test_a_mark_vouches_for_its_own_digest_only(cache: Cache) -> None:
    good, bad = put(cache, b"weights"), artifact({"model.onnx": b"others!"})
    target = cache.folder / "artifacts" / bad.digest
    shutil.copytree(cache.folder / "artifacts" / good.digest, target)
    marks = cache.folder / "marks"
    shutil.copy(marks / f"{good.digest}.json", marks / f"{bad.digest}.json")
    assert cache.path(bad.digest) is None


@pytest.mark.parametrize("mark", [b"", b"{}", b"[1]", b"\xff", b'{"format": 1}'])
def test_a_damaged_mark_is_no_mark(cache: Cache, mark: bytes) -> None:
    made = put(cache, b"weights")
    (cache.folder / "marks" / f"{made.digest}.json").write_bytes(mark)
    assert cache.path(made.digest) is None


def test_what_cannot_fit_is_refused_before_anything_is_written(cache: Cache) -> None:
    made = artifact({"model.onnx": b"weights"})
    huge = replace(made, files=(replace(made.files[0], size=2**60),))
    with pytest.raises(Unavailable, match="E_NO_SPACE: 1,152,921,504,606,846,976 bytes"):
        cache.reserve(huge).__enter__()
    assert everything(cache) == set()


def test_the_longest_unused_goes_first_and_what_is_pinned_stays(cache: Cache) -> None:
    made = [put(cache, bytes([number]) * 100) for number in range(5)]
    for age, one in enumerate(made):
        os.utime(cache.folder / "marks" / f"{one.digest}.json", (1000 + age, 1000 + age))
    pinned = {made[0].digest}
    with contextlib.closing(cache.hold(made[2].digest)):
        listed = Cache(cache.folder).ls(pinned)
        assert [entry.digest for entry in listed] == [one.digest for one in made]
        assert [entry.pinned for entry in listed] == [True, False, True, False, False]
        assert listed[0].size == 100
        assert listed[0].last_used == 1_000_000
        removed = Cache(cache.folder).prune(150, pinned)
    assert [entry.digest for entry in removed] == [made[1].digest, made[3].digest]
    left = [cache.path(one.digest) is not None for one in made]
    assert left == [True, False, True, False, True]


def test_what_is_asked_for_counts_as_used(cache: Cache) -> None:
    made = put(cache, b"weights")
    os.utime(cache.folder / "marks" / f"{made.digest}.json", (1000, 1000))
    cache.path(made.digest)
    assert cache.ls()[0].last_used > 1_000_000_000_000


def test_pruning_sweeps_up_what_crashed_writers_left(cache: Cache) -> None:
    made = put(cache, b"weights")
    artifacts = cache.folder / "artifacts"
    old, young = artifacts / f".{made.digest}.old", artifacts / f".{made.digest}.young"
    old.mkdir()
    young.mkdir()
    os.utime(old, (1000, 1000))
    assert cache.prune(2**40) == []
    assert (old.exists(), young.exists()) == (False, True)
    assert cache.path(made.digest) is not None


def test_a_folder_that_cannot_be_made_costs_a_warning_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file" / "cache")
    made = put(cache, b"weights")
    assert cache.path(made.digest) is not None
    assert cache.states.save("prod", b"state")
    assert cache.states.load("prod") == b"state"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "cannot be written" in caplog.text


READS_ONLY = """
import os, sys
from pathlib import Path
from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire_schemas.errors import Unavailable
if os.getuid() == 0:
    os.setuid(65534)
os.environ["TMPDIR"] = sys.argv[3]
cache = Cache(Path(sys.argv[1]))
print(cache.path(sys.argv[2]) is not None, cache.states.load("prod"))
with cache.journal.loading(sys.argv[2]):
    pass
"""


def test_what_lies_in_a_read_only_folder_is_used(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder, "cache"))
        made = put(cache, b"weights")
        cache.states.save("prod", b"state")
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        said = subprocess.run(
            [sys.executable, "-c", READS_ONLY, str(cache.folder), made.digest, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout == "True b'state'\n"
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o700)


FULL_DISK = """
import sys
from pathlib import Path
from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire_schemas.errors import ModelwireError
from tests.consumer_sdk.loading.making import artifact, release

cache = Cache(Path(sys.argv[1]))
fits = artifact({"model.onnx": b"fits" * 1000})
fetch(release(fits), None, "artifacts", cache)
(Path(sys.argv[1]) / "filler").write_bytes(bytes(700_000))
for size in (2_000_000, 300_000):
    made = artifact({"model.onnx": bytes(size)})
    try:
        with cache.reserve(made) as folder:
            (Path(sys.argv[1]) / "other").write_bytes(bytes(100_000))
            (folder / "model.onnx").write_bytes(bytes(size))
    except ModelwireError as error:
        print(error.code)
    (Path(sys.argv[1]) / "other").unlink(missing_ok=True)
(Path(sys.argv[1]) / "filler").unlink()
fetch(release(made), None, "artifacts", cache)
print(cache.path(made.digest) is not None, cache.path(fits.digest) is not None)
print(len(list((Path(sys.argv[1]) / "artifacts").iterdir())))
"""


def test_a_full_disk_refuses_and_heals(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    script = f'mount -t tmpfs -o size=1m none "$1" && exec "{sys.executable}" -c "$2" "$1"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    said = subprocess.run(
        [*command, str(tmp_path / "disk"), FULL_DISK], capture_output=True, text=True, check=False
    )
    assert said.stderr == ""
    assert said.stdout.split() == ["E_NO_SPACE", "E_NO_SPACE", "True", "True", "2"]


ONE_OF_MANY = """
import sys
from pathlib import Path
from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire.loading.probe import Prober, probe_once
from modelwire.loading.verdicts import ProbeRequest
from tests.consumer_sdk.loading.making import artifact, release
from modelwire.loading.onnx import TINY

cache, prober = Cache(Path(sys.argv[1])), Prober()
prober.start()
made = artifact({"model.onnx": TINY})
pieces = []
sys.stdin.readline()
folder = fetch(release(made), None, "artifacts", cache, lambda done, total: pieces.append(done))
found = probe_once(cache, prober, ProbeRequest(folder, made))
prober.close()
print(bool(pieces), found.ok, found.milliseconds)
"""


def test_one_process_of_a_host_fetches_and_probes_for_all(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ONE_OF_MANY, str(tmp_path)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0].split() for process in started]
    assert sorted(words[0] for words in said) == ["False", "False", "False", "True"]
    assert [words[1] for words in said] == ["True"] * 4
    assert len({words[2] for words in said}) == 1
