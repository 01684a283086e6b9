"""What a process pays before it works: `import modelwire`, and verbs that only read."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter_ns

from benchmarks.bed import NAMESPACE, ROUTE, made
from benchmarks.measure import Figure, of
from benchmarks.predict import NUMERIC

ROUNDS = 11
IMPORT_GOAL, VERB_GOAL = 100, 150
COMMAND = str(Path(sys.executable).with_name("modelwire"))
READS = (
    ("status", ROUTE),
    ("fleet",),
    ("history", ROUTE),
    ("explain", ROUTE, "--key", "N14228"),
    ("releases",),
    ("show", "four", "1"),
    ("read", f"modelwire.{NAMESPACE}.control", "--last", "1"),
    ("cache", "ls"),
    ("--version",),
)


def figures() -> list[Figure]:
    """Start processes in turns, Python alone among them; figures are ms beyond that one."""
    with made() as bed:
        bed.publish(NUMERIC, "1", model="four")
        bed.flip("1", route=ROUTE, model="four")
        environment = {
            **os.environ,
            "MODELWIRE_LOG": bed.url,
            "MODELWIRE_NAMESPACE": NAMESPACE,
            "MODELWIRE_CACHE": str(bed.folder / "cache"),
            "PYTHONPYCACHEPREFIX": str(bed.folder / "compiled"),  # as an installer leaves it
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with bed.connect() as models:
            models.route(ROUTE).wait_until_ready()
            commands = [[sys.executable, "-c", "pass"], [sys.executable, "-c", "import modelwire"]]
            commands += [[COMMAND, *words] for words in READS]
            found = _in_turns(commands, environment)
    bare = found[0]
    beyond = [[b - a for a, b in zip(bare, other, strict=True)] for other in found[1:]]
    return [
        of("import modelwire, beyond Python's own start", "ms", beyond[0], IMPORT_GOAL),
        *(
            of(f"modelwire {words[0]}, beyond Python's own start", "ms", spans, VERB_GOAL)
            for words, spans in zip(READS, beyond[1:], strict=True)
        ),
        of("  Python's own start", "ms", bare),
    ]


def _in_turns(commands: Sequence[Sequence[str]], environment: dict[str, str]) -> list[list[float]]:
    found: list[list[float]] = [[] for _ in commands]
    for number in range(ROUNDS + 1):
        for command, spans in zip(commands, found, strict=True):
            started = perf_counter_ns()
            subprocess.run(command, env=environment, capture_output=True, check=True)
            if number:  # the first round fills the caches
                spans.append((perf_counter_ns() - started) / 1e6)
    return found
