"""A mark says that an artifact's files were verified, and how they looked then.

It holds for one run of the machine. So files need not be on the disk before they count: after a
machine has died they are verified again, and so is what aged on its disk.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from modelwire.loading import wire
from modelwire_schemas.release import Artifact, ArtifactFile, manifest_digest

PIECE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Stamp:
    """How the system describes a file: any write or replacement changes one of these."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Mark:
    """The manifest of verified files, their stamps in the same order, the machine's run."""

    format: str
    form: str
    files: tuple[ArtifactFile, ...]
    stamps: tuple[Stamp, ...]
    boot: str

    @property
    def digest(self) -> str:
        """The digest of the manifest: a mark cannot vouch for another one."""
        return manifest_digest(self.format, self.form, self.files)

    def untouched(self, folder: Path) -> bool:
        """Tell whether nobody touched the files since; costs one look at each."""
        try:
            return self == self.again(folder)
        except OSError:
            return False

    def again(self, folder: Path) -> "Mark":
        """Return the mark of the same files as they look now."""
        stamps = tuple(stamp(folder / file.name) for file in self.files)
        return replace(self, stamps=stamps, boot=boot())

    def still_true(self, folder: Path) -> bool:
        """Tell whether the files hold what they should; reads them all."""
        try:
            return all(sha256(folder / file.name) == file.sha256 for file in self.files)
        except OSError:
            return False


def make(artifact: Artifact, folder: Path) -> Mark:
    """Return the mark of files in `folder` that have just been verified."""
    return Mark(artifact.format, artifact.form, artifact.files, (), "").again(folder)


def read(path: Path) -> Mark | None:
    """Return the mark that lies at `path`; None when there is none that can be read."""
    try:
        return wire.unpack(Mark, path.read_bytes())
    except (OSError, ValueError):
        return None


@cache
def boot() -> str:
    """Return what the system calls this run of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


def stamp(path: Path) -> Stamp:
    """Return how a file looks now; it must be a regular one."""
    status = path.lstat()
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def sha256(path: Path) -> str:
    """Return a file's sha256, read in pieces that let other threads run."""
    digest = hashlib.sha256()
    buffer = bytearray(PIECE)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
    return digest.hexdigest()
