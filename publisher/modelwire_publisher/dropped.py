"""Which files of a watched folder are to be released now: a decision, made from what was seen."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

SUFFIX = ".onnx"
CONTRACT = "contract.yaml"

Stamp: TypeAlias = tuple[int, ...]
"""What changes when a file, or the contract beside it, is written anew."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file `FOLDER/<model>/<version>.onnx`; `settled`: no write was the last thing done to it.

    `modified` is the time of its last write, s since 1970.
    """

    path: Path
    model: str
    version: str
    contract: Path | None
    stamp: Stamp
    modified: float
    settled: bool


@dataclass(slots=True)
class Memory:
    """What is known of a file: its stamp, since when (s), and what became of it."""

    stamp: Stamp
    since: float
    done: bool = False
    again: float = 0.0
    told: str = ""


def find(folder: Path) -> Iterator[Dropped]:
    """Yield the model files that lie in the folder's folders; hidden ones are on their way."""
    for path in sorted(folder.glob(f"*/*{SUFFIX}")):
        if path.name.startswith(".") or path.parent.name.startswith("."):
            continue
        contract = path.parent / CONTRACT
        try:
            found = path.stat()
            beside = contract.stat() if contract.exists() else None
        except OSError:
            continue  # it went away, or may not be looked at yet
        stamp: Stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
        if beside is not None:
            stamp = (*stamp, beside.st_size, beside.st_mtime_ns)
        yield Dropped(
            path=path,
            model=path.parent.name,
            version=path.name.removesuffix(SUFFIX),
            contract=contract if beside is not None else None,
            stamp=stamp,
            modified=found.st_mtime,
            settled=found.st_ctime_ns > found.st_mtime_ns,
        )


def ready(
    dropped: Dropped, known: Mapping[Path, Memory], now: float, wall: float, settle: float
) -> bool:
    """Tell whether a file should be released now; what is known of it is of its present stamp.

    It is whole when it was renamed into place, or when nobody wrote it for `settle` seconds.
    """
    memory = known[dropped.path]
    if memory.done or now < memory.again:
        return False
    quiet = now - memory.since >= settle
    return quiet or dropped.settled or wall - dropped.modified >= settle
