"""The artifacts and releases around a model."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire.loading.tensors import Array
from modelwire_schemas.release import (
    Artifact,
    ArtifactFile,
    Contract,
    ReleasePublished,
    Tensor,
    manifest_digest,
)

MLP_CONTRACT = Contract(
    inputs=(Tensor("features", "float32", (None, 4)),),
    outputs=(Tensor("late", "float32", (None,)),),
    feeds=(),
)
"""What `good.mlp()` takes and gives."""


def artifact(files: Mapping[str, bytes], form: str = "packed", kind: str = "onnx") -> Artifact:
    """Return the artifact of these files, by value."""
    listed = tuple(
        ArtifactFile(name, len(data), hashlib.sha256(data).hexdigest())
        for name, data in files.items()
    )
    digest = manifest_digest(kind, form, listed)
    return Artifact(kind, form, digest, listed, inline=tuple(files.values()))


def release(made: Artifact, contract: Contract = MLP_CONTRACT) -> ReleasePublished:
    """Return a release of the artifact."""
    return ReleasePublished("flights-late", "1", made, contract)


def stored(cache: Cache, data: bytes) -> tuple[Path, Artifact]:
    """Put a model of one file into the cache; return its folder and artifact."""
    made = artifact({"model.onnx": data})
    return fetch(release(made), None, "artifacts", cache), made


def rows(seed: int = 0, count: int = 3) -> Array:
    """Return rows for `good.mlp()`."""
    made: Array = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    return made
