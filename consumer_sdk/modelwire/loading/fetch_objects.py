"""A file from an object store: s3: gs: az:."""

from typing import Any

from modelwire.loading.object_store import known, open_store
from modelwire.loading.pace import Pace
from modelwire.loading.sink import Sink
from modelwire.loading.uris import Address
from modelwire_schemas.errors import ModelwireError, NotFound, Rejected, Unavailable

AT_ONCE = 1024 * 1024


def read(address: Address, sink: Sink, pace: Pace) -> None:
    """Write the object at `address` into `sink`.

    Access is set by the environment, as the stores' own tools have it (AWS_*, GOOGLE_*, AZURE_*).
    Raises NotFound `E_NOT_FOUND`, Rejected `E_DENIED`, `E_REQUIREMENT`, TimedOut `E_SLOW`,
    Unavailable `E_UNAVAILABLE`.
    """
    exceptions = known()
    folder, _, name = address.uri.rpartition("/")
    try:
        store = open_store(folder, most=pace.left_in_all(), silent=pace.left(), retries=0)
        for data in store.get(name).stream(min_chunk_size=AT_ONCE):
            sink.write(data)
            pace.got(len(data))
    except (exceptions.BaseError, OSError, ValueError) as error:
        pace.got(0)
        raise _meaning(error, exceptions, address, pace) from None


def _meaning(error: Exception, exceptions: Any, address: Address, pace: Pace) -> ModelwireError:  # noqa: ANN401
    text = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if isinstance(error, exceptions.NotFoundError | FileNotFoundError):
        return NotFound("E_NOT_FOUND", "the object is not there", where=address.uri)
    refused = exceptions.PermissionDeniedError | exceptions.UnauthenticatedError | PermissionError
    if isinstance(error, refused):
        return Rejected("E_DENIED", "the store does not let us read it", where=address.uri)
    if "timed out" in str(error) or "TimedOut" in str(error):
        return pace.too_slow("nothing comes in")
    return Unavailable("E_UNAVAILABLE", text, where=address.uri)
