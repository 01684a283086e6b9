"""A scorer as in a container: no root, a read-only disk, 512 MiB of memory, one core.

The box is made of namespaces: everything is mounted read-only but the folders of the log and of
the cache, the user is nobody and has no rights, RLIMIT_AS bounds the memory, one core is lent.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelwire.control.commands import By, submit
from modelwire.control.reading import fold_log
from modelwire_log.contract import Log, Message
from modelwire_log.open import open_log
from modelwire_log.whole import size
from modelwire_publisher import publish
from modelwire_router.changes import flip, split
from modelwire_router.demo.bomb import bomb_release
from modelwire_router.demo.files import flights, model
from modelwire_router.feed import read_events
from modelwire_router.fleet import newest_reports
from modelwire_schemas.control import Body
from tests.models import hostile
from tests.processes import modelwire, running
from tests.waiting import eventually

pytestmark = pytest.mark.system

ROUTE, IN, OUT = "flights-late", "events", "scores"
MEMORY = 512 * 1024 * 1024
BOX = """
set -e
for folder in "$1" "$2"; do mount --bind "$folder" "$folder"; done
mount -o remount,bind,ro /
for place in /tmp /var/tmp /dev/shm; do
    if mountpoint -q $place; then mount -o remount,bind,ro $place; fi
done
shift 2
exec unshare --user --map-user=65534 --map-group=65534 \
    taskset -c "$CORE" prlimit --as="$MEMORY" "$@"
"""


class Host:
    """A log and a cache, and what runs beside the box."""

    def __init__(self, folder: Path) -> None:
        self.folders = [folder / "log", folder / "cache"]
        for made in self.folders:
            made.mkdir()
        self.url = f"sqlite:///{folder}/log/flights.db"
        self.log: Log = open_log(self.url)
        self.log.create(IN, 4)
        self._flights = read_events(flights(), key_field="tailnum")

    def boxed(self, *command: str) -> tuple[str, ...]:
        """Return the command that runs another one in the box."""
        inside = ["unshare", "--map-root-user", "--mount", "sh", "-c", BOX, "sh"]
        return (*inside, *map(str, self.folders), *command)

    def send(self, body: Body) -> None:
        submit(self.log, "default", body, By("host")).verdict.check()

    def land(self, count: int) -> None:
        batch = [Message(f.value, f.key) for f, _ in zip(self._flights, range(count), strict=False)]
        self.log.append_batch(IN, batch)

    def size(self, stream: str) -> int:
        return size(self.log, stream)

    def codes(self) -> dict[str, str]:
        """Return version → NACK code, by what the box reports."""
        reports = [report for report, _ in newest_reports(self.log, "default")]
        return {v.version: v.code for report in reports for v in report.versions if v.code}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    made.log.close()


ENVIRONMENT = {"MEMORY": str(MEMORY), "CORE": str(min(os.sched_getaffinity(0)))}

LOOK = f"""
import os, resource
from pathlib import Path
for place in ("/x", "/tmp/x", str(Path.cwd() / "x"), str(Path.home() / "x")):
    try:
        Path(place).touch()
    except OSError:
        continue
    raise SystemExit(place + " can be written")
assert os.getuid() == os.geteuid() == 65534
assert len(os.sched_getaffinity(0)) == 1
assert resource.getrlimit(resource.RLIMIT_AS) == ({MEMORY}, {MEMORY})
"""


def test_the_box_is_one(host: Host) -> None:
    with running(*host.boxed(sys.executable, "-c", LOOK), **ENVIRONMENT) as process:
        code, _, errors = process.end()
    assert code == 0, errors


def test_the_demos_scorer_serves_in_a_box_and_survives_what_it_probes(host: Host) -> None:
    for version in ("1", "2"):
        publish(model(f"v{version}"), model=ROUTE, version=version, log=host.log)
    host.send(flip(fold_log(host.log, "default"), ROUTE, "1"))
    host.land(1000)
    words = ["--log", host.url, "score", "--route", ROUTE, "--in", IN, "--out", OUT]
    command = modelwire(*words, "--cache", host.folders[1])
    with running(*host.boxed(*command), **ENVIRONMENT) as scorer:
        eventually(lambda: host.size(OUT) == 1000, within=30)
        contract = fold_log(host.log, "default").releases[ROUTE]["1"].contract
        greedy = host.folders[0].parent / "greedy.onnx"
        greedy.write_bytes(hostile.memory(64))
        host.send(bomb_release(model("bomb"), ROUTE, "6", contract))
        host.send(bomb_release(greedy, ROUTE, "7", contract))
        shares = {"1": "50", "2": "50", "6": "0", "7": "0"}
        host.send(split(fold_log(host.log, "default"), ROUTE, shares))
        eventually(lambda: len(host.codes()) == 2, within=40, what="both to be refused")
        assert host.codes()["6"] == "E_PROBE_CRASH"
        assert host.codes()["7"] in {"E_PROBE_MEMORY", "E_CONTRACT", "E_PROBE_CRASH"}
        host.land(1000)
        eventually(lambda: host.size(OUT) == 2000, within=30)
        assert scorer.process.poll() is None
        scorer.send(signal.SIGTERM)
        code, out, errors = scorer.end()
    assert (code, out) == (0, "2000 events: 2000 outputs, 0 dead\n"), errors
    assert "Traceback" not in errors
    assert "using a temporary" not in errors
