"""The last control state of a namespace, for a start while the log is away."""

import hashlib
import logging
from pathlib import Path

from modelwire.loading import files
from modelwire_schemas import names

logger = logging.getLogger("modelwire.cache")


class States:
    """One file a namespace; `roots` are looked through, the first is written."""

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = roots

    def save(self, namespace: str, content: bytes, *, durable: bool = True) -> bool:
        """Keep `content` in place of what was there, whole or not at all; tell whether it was.

        What is not `durable` may be gone after the death of the machine, but is never half there.
        """
        path = self._roots[0] / names.name("namespace", namespace)
        try:
            files.write_whole(path, hashlib.sha256(content).digest() + content, durable=durable)
        except OSError as error:
            logger.warning("the control state was not kept: %s", error.strerror)
            return False
        return True

    def load(self, namespace: str) -> bytes | None:
        """Return what was kept last; None when there is nothing, or it is damaged."""
        for root in self._roots:
            try:
                kept = (root / names.name("namespace", namespace)).read_bytes()
            except OSError:
                continue
            digest, content = kept[:32], kept[32:]
            if hashlib.sha256(content).digest() == digest:
                return content
            logger.warning("the kept control state of %s is damaged and is left", namespace)
        return None
