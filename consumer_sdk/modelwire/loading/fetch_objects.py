"""A file from an object store: s3: gs: az: through obstore, set up by the stores' own variables."""

import os
from datetime import timedelta
from typing import Any

from modelwire.loading.pace import Pace
from modelwire.loading.sink import Sink
from modelwire.loading.uris import Address
from modelwire_schemas.errors import ModelwireError, NotFound, Rejected, Unavailable

AT_ONCE = 1024 * 1024

CONNECT = timedelta(seconds=10)

ALLOW_HTTP = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP")
"""Where an operator says that a store of their own may be asked without TLS."""


def read(address: Address, sink: Sink, pace: Pace) -> None:
    """Write the object at `address` into `sink`.

    Access is set by the environment, as the stores' own tools have it (AWS_*, GOOGLE_*, AZURE_*).
    Raises NotFound `E_NOT_FOUND`, Rejected `E_DENIED`, `E_REQUIREMENT`, TimedOut `E_SLOW`,
    Unavailable `E_UNAVAILABLE`.
    """
    store_of, exceptions = _obstore()
    folder, _, name = address.uri.rpartition("/")
    try:
        store = store_of(
            folder,
            client_options={
                "timeout": timedelta(seconds=pace.left_in_all()),
                "read_timeout": timedelta(seconds=pace.left()),
                "connect_timeout": CONNECT,
                # Options of ours put the stores' variables out of force, also this one.
                "allow_http": any(os.environ.get(name, "") in ("1", "true") for name in ALLOW_HTTP),
            },
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=pace.left())},
        )
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


def _obstore() -> tuple[Any, Any]:
    try:
        from obstore import exceptions
        from obstore.store import from_url
    except ImportError:
        raise Rejected(
            "E_REQUIREMENT",
            "object stores need the package obstore",
            todo="pip install 'modelwire[store]'",
        ) from None
    return from_url, exceptions
