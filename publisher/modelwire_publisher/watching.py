"""Releasing what is dropped into a folder, once it is whole, and once only."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from modelwire_publisher.dropped import Dropped, Memory, find, ready
from modelwire_publisher.means import Means
from modelwire_publisher.order import Order, Watched
from modelwire_publisher.progress import Stop
from modelwire_publisher.publishing import release
from modelwire_schemas.errors import ModelwireError, NotFound, Rejected, TimedOut, Unavailable

LOOK_MS = 500
"""How often the folder is looked at when nothing is heard of it."""

AGAIN = 5.0
"""Seconds until what failed for want of a log or a disk is tried again."""


def watching(
    folder: Path,
    template: Order,
    means: Means,
    stop: Stop,
    settle: float,
    again: float = AGAIN,
) -> Iterator[Watched]:
    """Yield what becomes of the folder's files; see `modelwire_publisher.watch`."""
    if not folder.is_dir():
        raise NotFound(
            "E_NO_FILE", "there is no such folder", where=str(folder), todo="make it first"
        )
    known: dict[Path, Memory] = {}
    for _ in _changes(folder, stop, settle):
        dropped = list(find(folder))
        for gone in known.keys() - {one.path for one in dropped}:
            del known[gone]
        for one in dropped:
            memory = _remember(known, one)
            if not stop.is_set() and ready(one, known, time.monotonic(), time.time(), settle):
                result = _try(one, memory, template, means, again)
                if result is not None:
                    yield result


def _changes(folder: Path, stop: Stop, settle: float) -> Iterator[object]:
    """Yield at once, on every change, and now and then without one."""
    try:
        from watchfiles import watch
    except ImportError:
        raise Rejected(
            "E_REQUIREMENT",
            "watching a folder needs the package watchfiles",
            todo="pip install 'modelwire[files]'",
        ) from None
    pause = max(20, min(LOOK_MS, int(settle * 500)))
    yield None
    yield from watch(
        folder,
        watch_filter=None,
        debounce=50,
        step=10,
        stop_event=stop,
        rust_timeout=pause,
        yield_on_timeout=True,
    )


def _remember(known: dict[Path, Memory], dropped: Dropped) -> Memory:
    memory = known.get(dropped.path)
    if memory is None or memory.stamp != dropped.stamp:
        memory = known[dropped.path] = Memory(dropped.stamp, time.monotonic())
    return memory


def _try(
    dropped: Dropped, memory: Memory, template: Order, means: Means, again: float
) -> Watched | None:
    """Release a file; return what is worth telling: a release, or a fault that is new."""
    order = replace(
        template,
        file=dropped.path,
        model=dropped.model,
        version=dropped.version,
        contract=dropped.contract or template.contract,
    )
    try:
        released = release(order, means)
    except (Unavailable, TimedOut) as error:
        memory.again = time.monotonic() + (0.0 if error.code == "E_CHANGED" else again)
        news = error.code not in ("E_CHANGED", memory.told)
        memory.told = error.code
        return _watched(dropped, error=error) if news else None
    except ModelwireError as error:
        memory.done = True
        return _watched(dropped, error=error)
    memory.done = True
    return None if released.already else replace(_watched(dropped), release=released)


def _watched(dropped: Dropped, error: ModelwireError | None = None) -> Watched:
    return Watched(dropped.path, dropped.model, dropped.version, error=error)
