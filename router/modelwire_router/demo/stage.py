"""The processes of the demo: a feeder, and scorers of one group."""

import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelwire_schemas.errors import ModelwireError

EVENTS = "flights.events"
OUTPUTS = "flights.scores"
GRAVEYARD = f"{OUTPUTS}.dead-letters"
ROUTE = "flights-late"
GROUP = "delays"
NAMESPACE = "demo"
PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays: the log, a folder of its own, events a second, how many of them."""

    url: str
    folder: Path
    rate: int
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

    def feeder(self, file: Path) -> Sequence[str]:
        """Return the words that start the feeder."""
        words = ["feed", EVENTS, str(file), "--rate", str(self.rate), "--key-field", "tailnum"]
        words += ["--partitions", str(PARTITIONS)]
        return words if self.events is None else [*words, "--limit", str(self.events)]

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
        if code is not None and (code != 0 or name != "feeder"):
            raise ModelwireError(
                "E_DEMO", f"{name} ended with exit code {code}: {stage.said(name)}"
            )
