"""What probes have found, remembered by digest and runtime."""

import hashlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from modelwire.loading import files, wire
from modelwire_schemas.release import Artifact, Contract, Golden, Tensor, TensorValue

logger = logging.getLogger("modelwire.cache")

KILLED = frozenset({"E_PROBE_CRASH", "E_PROBE_TIMEOUT", "E_PROBE_MEMORY"})
"""Refusals that cost the probe its life: they hold whatever else is asked of the digest."""

PASSING = frozenset({"E_REQUIREMENT", "E_NOT_ALLOWED", "E_FORMAT", "E_NO_MEMORY", "E_PROBE"})
"""Refusals that are the host's, not the digest's: they are not remembered."""


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What to find out about the artifact whose files lie in `folder`.

    It must fit `contract` and `requirements` (PEP 508), give the `golden` outputs, and run
    `warmup` and `rows` without NaN; the outputs for `rows` come back. `seconds` replaces the
    limit on its time.
    """

    folder: Path
    artifact: Artifact
    contract: Contract | None = None
    golden: tuple[Golden, ...] = ()
    warmup: tuple[TensorValue, ...] = ()
    rows: tuple[TensorValue, ...] = ()
    requirements: tuple[str, ...] = ()
    allowed_models: tuple[str, ...] = ()
    threads: int = 1
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe found: `ok`, or a code and one line; the signature; the outputs for the rows.

    `peak` is the probe's largest resident size in bytes, its interpreter included.
    """

    ok: bool
    code: str = ""
    detail: str = ""
    runtime: str = ""
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    answers: tuple[TensorValue, ...] = ()
    milliseconds: float = 0.0
    peak: int = 0


def check_of(request: ProbeRequest) -> str:
    """Return a name for what is asked, equal for equal questions about one digest."""
    bare = replace(request, folder=Path(), artifact=Artifact("", "", "", ()), seconds=None)
    return hashlib.sha256(wire.pack(bare)).hexdigest()[:32]


class Verdicts:
    """Results by digest, runtime and check; `roots` are looked through, the first is written."""

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = roots

    def find(self, digest: str, runtime: str, check: str) -> ProbeResult | None:
        """Return what an equal probe found, or that any probe of the digest was killed."""
        for root in self._roots:
            for name in (_killed(runtime), _plain(runtime, check)):
                try:
                    return wire.unpack(ProbeResult, (root / digest / name).read_bytes())
                except (OSError, ValueError):
                    continue
        return None

    def keep(self, digest: str, check: str, result: ProbeResult) -> None:
        """Remember a result, without the answers for rows; a full disk only costs the memory."""
        if result.code in PASSING:
            return
        killed = result.code in KILLED
        name = _killed(result.runtime) if killed else _plain(result.runtime, check)
        content = wire.pack(replace(result, answers=()))
        try:
            files.write_whole(self._roots[0] / digest / name, content)
        except OSError as error:
            logger.warning("a verdict was not kept: %s", error.strerror)

    def forget(self, digest: str) -> None:
        """Forget all verdicts on a digest, so that it is probed again."""
        for path in (self._roots[0] / digest).glob("*.json"):
            path.unlink(missing_ok=True)


def _killed(runtime: str) -> str:
    return f"killed-{_short(runtime)}.json"


def _plain(runtime: str, check: str) -> str:
    return f"{check}-{_short(runtime)}.json"


def _short(runtime: str) -> str:
    return hashlib.sha256(runtime.encode()).hexdigest()[:16]
