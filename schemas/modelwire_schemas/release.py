"""What a release says: an artifact, its contract, and what proves that it works."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from modelwire_schemas.telemetry import Output

Scalar: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """One file of an artifact; `name` is relative and has no folder."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ChunkSpan:
    """Where the chunks of a file lie on the `artifacts` stream: offsets first to last."""

    file: str
    partition: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Artifact:
    """The bytes of a version: by value (`inline`, `chunks`) or by reference (`uri`).

    `digest` is over the manifest (format, form, names, sizes, sha256s), see `manifest_digest`.
    `form` is `packed` (copied while loading) or `mapped` (weights stay in the page cache). Answers
    of the two differ in their last bits, so the form is part of the release.
    """

    format: str
    form: str
    digest: str
    files: tuple[ArtifactFile, ...]
    inline: tuple[bytes, ...] = ()
    chunks: tuple[ChunkSpan, ...] = ()
    uri: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


def manifest_digest(format: str, form: str, files: Sequence[ArtifactFile]) -> str:  # noqa: A002
    """Return the sha256 (hex) that names an artifact: over its manifest, files by name."""
    lines = [f"{format}\n{form}\n"]
    lines += [f"{f.sha256} {f.size} {f.name}\n" for f in sorted(files, key=lambda f: f.name)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named, typed input or output; `None` in the shape is free, the first axis is the batch.

    `dtype` is one of numpy's names, or `string`.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """An event's field that feeds one column of an input.

    A missing or null field becomes `default`, else NaN where `nullable`, else the event is faulty.
    """

    field: str
    nullable: bool = False
    default: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """The columns of one input, in order."""

    input: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """What a version takes and gives, and which event fields feed it."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    feeds: tuple[Feed, ...]

    @property
    def fields(self) -> tuple[Column, ...]:
        """All columns of all feeds, in order."""
        return tuple(column for feed in self.feeds for column in feed.columns)


@dataclass(frozen=True, slots=True)
class TensorValue:
    """A tensor by value: little-endian `data`, or `strings` where the dtype is `string`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes = b""
    strings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Golden:
    """Inputs, the outputs that they must give, and how far off an output may be."""

    inputs: tuple[TensorValue, ...]
    outputs: tuple[TensorValue, ...]
    tolerance: float = 1e-5


@dataclass(frozen=True, slots=True)
class ReleasePublished:
    """A version of a model exists from now on; nothing serves it until a document names it.

    From `valid_until` on (ms; 0: never) no document may give it more events than it has. `sample`
    says how the numbers among its event fields were distributed where it was made, for analysis.
    """

    model: str
    version: str
    artifact: Artifact
    contract: Contract
    golden: tuple[Golden, ...] = ()
    warmup: tuple[TensorValue, ...] = ()
    metrics: tuple[tuple[str, float], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    lineage: tuple[tuple[str, str], ...] = ()
    requirements: tuple[str, ...] = ()
    valid_until: int = 0
    sample: tuple[Output, ...] = ()


@dataclass(frozen=True, slots=True)
class ReleaseWithdrawn:
    """No document may name this version any more."""

    model: str
    version: str
