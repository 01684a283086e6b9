"""A terminal for tests: verbs are run as a person would, and what they say is kept."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelwire.control.reading import control_place
from modelwire_log.open import open_log
from modelwire_log.whole import size
from modelwire_router.cli.main import run
from modelwire_router.demo.files import model


@dataclass(frozen=True, slots=True)
class Said:
    """What a verb came to."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Any]:
        """The JSON objects on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


class Desk:
    """A log of one's own and a command line that knows it."""

    def __init__(self, folder: Path, url: str = "", namespace: str = "default") -> None:
        self.folder = folder
        self.namespace = namespace
        self.url = url or f"sqlite:///{folder}/flights.db"

    def __call__(self, *words: object, log: str | None = None) -> Said:
        """Run a verb."""
        out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            url = self.url if log is None else log
            code = run(["--log", url, "--namespace", self.namespace, *map(str, words)])
        out.flush()
        text = out.buffer.getvalue().decode()
        said = Said(code, text, err.getvalue())
        assert "Traceback" not in said.out + said.err
        assert "E_INTERNAL" not in said.err
        return said

    def data(self, *words: object) -> list[Any]:
        """Run a verb that must succeed; return its JSON objects."""
        said = self("--json", *words)
        assert said.code == 0, said.err
        return said.rows

    def ok(self, *words: object) -> Said:
        """Run a verb that must succeed."""
        said = self(*words)
        assert said.code == 0, said.err
        return said

    def publish(self, *versions: str, name: str = "flights-late") -> None:
        """Release the example's versions: 1 is v1, 2 is v2, all others v1."""
        for version in versions:
            file = model("v2" if version == "2" else "v1")
            self.ok("publish", name, file, "--version", version)

    def end(self) -> int:
        """Return the end of the control log."""
        with open_log(self.url, make=False) as log:
            return log.end(control_place(self.namespace))

    def size(self, stream: str) -> int:
        """Return how many records a stream has."""
        with open_log(self.url, make=False) as log:
            return size(log, stream)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file into the folder."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path
