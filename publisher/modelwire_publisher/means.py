"""What a release is made with: a log, a probe, a room to work in."""

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelwire.loading.files import full_disk_told
from modelwire.loading.probe import Prober
from modelwire_log.contract import Log
from modelwire_log.open import open_log
from modelwire_publisher.progress import Progress
from modelwire_schemas.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Means:
    """The log, the probe, how long to wait for the log (s), and who is told."""

    log: Log
    namespace: str
    prober: Prober
    timeout: float
    progress: Progress


@contextmanager
def opened(log: str | Log, kafka: Mapping[str, str] | None = None) -> Generator[Log]:
    """Give the log at a URL and close it, or the log that is open already and leave it so."""
    if not isinstance(log, str):
        yield log
        return
    with open_log(log, kafka=kafka) as own:
        yield own


@contextmanager
def workroom() -> Generator[Path]:
    """Give an empty folder that is gone afterwards; TMPDIR says where.

    Raises Unavailable: `E_NO_SPACE` for a full disk, `E_TEMPORARY` where nothing can be written,
    and for what else a disk does to us.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="modelwire-publish-") as folder:
            work = Path(folder)
            with full_disk_told(work):
                yield work
    except OSError as error:
        raise Unavailable(
            "E_TEMPORARY",
            f"a file cannot be read or written: {error.strerror}",
            where=str(error.filename or tempfile.gettempdir()),
            todo="set TMPDIR to a folder of your own, with room for the model",
        ) from None
