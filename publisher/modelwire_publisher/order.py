"""The words of a release: what is asked for, what was checked, what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelwire_schemas.errors import ModelwireError
from modelwire_schemas.release import Contract


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A file that is to become a version, and what has to hold; see `publish` for each word.

    `by_digest`: a version that is there with the same artifact counts as published, whatever its
    contract, and the file is not tried again.
    """

    file: Path
    model: str
    version: str
    fields: tuple[str, ...] = ()
    contract: Path | None = None
    golden: Path | None = None
    sample: Path | None = None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    require: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    parent: str | None = None
    commit: str | None = None
    store: str | None = None
    idempotency_key: str | None = None
    new_contract: bool = False
    keep_form: bool = False
    requirements: tuple[str, ...] = ()
    valid_until: int = 0
    artifact_format: str | None = None
    allowed_models: tuple[str, ...] = ()
    tolerance: float = 1e-5
    author: str | None = None
    reason: str = ""
    dry_run: bool = False
    by_digest: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was looked at, and what was found."""

    name: str
    found: str

    def __str__(self) -> str:
        return f"{self.name} {self.found}"


@dataclass(frozen=True, slots=True)
class PublishedRelease:
    """A version that exists; in a dry run one that could, with offset -1.

    `digest` names the artifact, `offset` is its record on the control log, `where` its bytes
    (`inline`, `chunks`, or a URI), `size` their number. `already`: it was there before.
    """

    model: str
    version: str
    digest: str
    offset: int
    form: str
    where: str
    size: int
    checks: tuple[Check, ...]
    contract: Contract
    already: bool


@dataclass(frozen=True, slots=True)
class WithdrawnRelease:
    """A version that no document may name any more; `offset` is the record that says so."""

    model: str
    version: str
    offset: int
    already: bool


@dataclass(frozen=True, slots=True)
class Watched:
    """What became of a file in a watched folder: a release, or why there is none."""

    file: Path
    model: str
    version: str
    release: PublishedRelease | None = None
    error: ModelwireError | None = None
