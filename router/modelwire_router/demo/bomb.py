"""A release that no publisher would let through: it shows that consumers do not rely on one."""

import hashlib
from pathlib import Path

from modelwire_schemas.release import (
    Artifact,
    ArtifactFile,
    Contract,
    ReleasePublished,
    manifest_digest,
)


def bomb_release(file: Path, model: str, version: str, contract: Contract) -> ReleasePublished:
    """Return a release of a file that nobody has probed."""
    content = file.read_bytes()
    entry = ArtifactFile("model.onnx", len(content), hashlib.sha256(content).hexdigest())
    digest = manifest_digest("onnx", "packed", (entry,))
    artifact = Artifact("onnx", "packed", digest, (entry,), inline=(content,))
    return ReleasePublished(model, version, artifact, contract)
