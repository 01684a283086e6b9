"""What one more loaded version takes from the machine."""

import os
from pathlib import Path

from benchmarks import flights
from benchmarks.bed import ROUTE, Family, made
from benchmarks.measure import Figure, of

MEGABYTES, VERSIONS = 100, 5


def figures() -> list[Figure]:
    """Open one route after the other, each with a version of its own."""
    private: list[float] = []
    peaks: list[float] = []
    with made() as bed:
        family = Family(bed, MEGABYTES)
        bed.release([family.make(str(number)) for number in range(1, VERSIONS)])
        size = family.first.artifact.size
        bed.prober.close()
        for number in range(VERSIONS):
            bed.flip(str(number), route=f"route-{number}", model=ROUTE)
        with bed.connect() as models:
            row = flights.matrix(1)
            for number in range(VERSIONS):
                before, resident = _private(), _reset_peak()
                route = models.route(f"route-{number}")
                route.wait_until_ready(60)
                route.predict(row)
                if number:  # the first one brings onnxruntime along
                    private.append((_private() - before) / 1e6)
                    peaks.append((_status("VmHWM") - resident) / size)
    most = 10 + 0.05 * size / 1e6
    return [
        of("private memory of one more version of 100 MB", "MB", private, most),
        of("peak while loading, over its weights", "x", peaks, 1.1),
    ]


def _private() -> int:
    """Return the bytes that only this process has and the system cannot drop.

    Pages of a file that is not on the disk yet are none of them: they are the system's.
    """
    text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    fields = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return sum(int(fields[name].split()[0]) * 1024 for name in ("Anonymous", "Swap"))


def _reset_peak() -> int:
    """Let the peak begin anew; return what is resident now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"no {field} for process {os.getpid()}")
