"""The processes of the demo: feeders, scorers of one group, a controller, a join of labels."""

import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from modelwire_router.demo.files import flights
from modelwire_schemas.errors import ModelwireError

EVENTS = "flights.events"
OUTPUTS = "flights.scores"
GRAVEYARD = f"{OUTPUTS}.dead-letters"
PAIRS = f"{OUTPUTS}.shadow"
LANDINGS = "flights.landings"
STREAMS = (EVENTS, OUTPUTS, GRAVEYARD, PAIRS, LANDINGS)
ROUTE = "flights-late"
GROUP = "delays"
NAMESPACE = "demo"
PARTITIONS = 4
SCORERS = ("scorer-1", "scorer-2")
FEEDERS = ("feeder", "landings")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays: the log, a folder of its own, events a second, how many of them."""

    url: str
    folder: Path
    rate: int | None
    events: int | None

    @contextmanager
    def running(self, name: str, *words: str) -> Generator[subprocess.Popen[bytes]]:
        """Run a verb of the command line in a process of its own; what it says goes to a file."""
        command = [sys.executable, "-m", "modelwire_router", "--log", self.url]
        command += ["--namespace", NAMESPACE, *words]
        environment = {**os.environ, "MODELWIRE_CACHE": str(self.folder / "cache")}
        with (self.folder / f"{name}.log").open("wb") as said:
            process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)  # noqa: S603
        try:
            yield process
        finally:
            stop([process])

    def scorer(self, name: str) -> Sequence[str]:
        """Return the words that start a scorer."""
        words = ["score", "--route", ROUTE, "--in", EVENTS, "--out", OUTPUTS]
        return [*words, "--group", GROUP, "--application", name]

    def feeder(self, stream: str, rate: int) -> Sequence[str]:
        """Return the words that start a feeder: of events, or of landings, which bring labels."""
        words = ["feed", stream, str(flights()), "--rate", str(self.rate or rate)]
        words += ["--key-field", "tailnum", "--partitions", str(PARTITIONS)]
        return words if self.events is None else [*words, "--limit", str(self.events)]

    def labels(self) -> Sequence[str]:
        """Return the words that start the join of landings with predictions."""
        words = ["join-labels", "--route", ROUTE, "--outputs", OUTPUTS, "--labels", LANDINGS]
        words += ["--label-field", "arr_delay", "--at-least", "15", "--label-id", "flight_id"]
        return [*words, "--events", EVENTS, "--event-id", "flight_id", "--span", "1"]

    def sample(self, count: int = 2000) -> Path:
        """Write the first events as a sample for the publisher: contracts are held against it."""
        import gzip

        target = self.folder / "sample.csv"
        with gzip.open(flights(), "rt", encoding="utf-8") as source:
            target.write_text("".join(islice(source, count + 1)), encoding="utf-8")
        return target

    def said(self, name: str) -> str:
        """Return the last line that a process said."""
        lines = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "nothing"


def stop(processes: Sequence[subprocess.Popen[bytes]], timeout: float = 15.0) -> None:
    """Let processes drain and end; kill those that do not."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def check_alive(stage: Stage, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """Raise ModelwireError `E_DEMO` when a process of the demo has ended by itself."""
    for name, process in processes.items():
        code = process.poll()
        if code is not None and (code != 0 or name not in FEEDERS):
            raise ModelwireError(
                "E_DEMO", f"{name} ended with exit code {code}: {stage.said(name)}"
            )
