"""Small artifacts go into the release's own record."""

from dataclasses import replace

from modelwire_publisher.artifact import Staged
from modelwire_publisher.store.contract import Told
from modelwire_schemas.release import Artifact


class Inline:
    """Puts the bytes into the artifact itself."""

    def plan(self, staged: Staged) -> Artifact:
        """Return the artifact with its bytes."""
        files = staged.artifact.files
        content = tuple((staged.folder / file.name).read_bytes() for file in files)
        return replace(staged.artifact, inline=content)

    def keep(self, staged: Staged, told: Told) -> Artifact:
        """Return the artifact with its bytes; the record that carries them makes them durable."""
        told(staged.artifact.size)
        return self.plan(staged)
