"""Functions of the tests in a Python of their own: started, heard, told, frozen, killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(slots=True)
class Running:
    """A process, and the lines that it says."""

    process: subprocess.Popen[str]

    def hear(self) -> str:
        """Return its next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def hear_error(self) -> str:
        """Return its next line on stderr; it must not have ended."""
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert line, "it has ended"
        return line.strip()

    def tell(self, line: str = "") -> None:
        """Give it a line to read."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def end(self, timeout: float = 30.0) -> tuple[int, str, str]:
        """Wait for its end; return exit code, what it still said, and its errors."""
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out, err


@contextmanager
def running(*command: str, **environment: str) -> Generator[Running]:
    """Run a command; it is killed at the end, if it still runs."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    try:
        yield Running(process)
    finally:
        process.kill()
        process.communicate()


def python(what: Callable[..., object], *arguments: object) -> tuple[str, ...]:
    """Return the command that calls a function of a module with texts."""
    module, name = what.__module__, what.__name__
    program = f"import sys; from {module} import {name}; {name}(*sys.argv[1:])"
    return (sys.executable, "-c", program, *map(str, arguments))


def modelwire(*words: object) -> tuple[str, ...]:
    """Return the command line of a verb."""
    return (sys.executable, "-m", "modelwire_router", *map(str, words))


def say(*words: object) -> None:
    """Say a line to the test."""
    print(*words, flush=True)  # noqa: T201 - it is what the test hears
