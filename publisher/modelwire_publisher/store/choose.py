"""Which store takes an artifact: the one that was named, else the record, else the log."""

from modelwire_log.contract import Log
from modelwire_publisher.store.chunks import Chunks
from modelwire_publisher.store.contract import Store
from modelwire_publisher.store.inline import Inline
from modelwire_schemas.artifact import INLINE_BYTES
from modelwire_schemas.errors import Rejected

OBJECTS = ("s3", "gs", "az")


def choose(uri: str | None, size: int, log: Log, namespace: str, timeout: float) -> Store:
    """Return the store for an artifact of `size` bytes.

    `uri` is a folder (a path, or file:) or a prefix in an object store (s3: gs: az:). Raises
    Rejected `E_URI` for what is neither.
    """
    if uri is not None:
        return named(uri, timeout)
    return Inline() if size <= INLINE_BYTES else Chunks(log, namespace, timeout)


def named(uri: str, timeout: float) -> Store:
    """Return the store at `uri`; raises Rejected `E_URI`."""
    kind = uri.partition(":")[0] if ":" in uri else "file"
    if kind == "file":
        from modelwire_publisher.store.folder import Folder

        return Folder.at(uri)
    if kind in OBJECTS:
        from modelwire_publisher.store.objects import Objects

        return Objects.at(uri, timeout)
    raise Rejected(
        "E_URI",
        f"store {uri!r} is of no known kind",
        expected="a folder, file:///folder, or s3://, gs://, az://bucket/prefix",
    )
