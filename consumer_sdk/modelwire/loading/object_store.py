"""Object stores, s3: gs: az:, through obstore, set up by the stores' own environment variables."""

import os
from datetime import timedelta
from typing import Any

from modelwire_schemas.errors import Rejected

CONNECT = timedelta(seconds=10)

ALLOW_HTTP = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP")
"""Where an operator says that a store of their own may be asked without TLS."""


def open_store(folder: str, *, most: float, silent: float, retries: int) -> Any:  # noqa: ANN401
    """Return obstore's store for the objects below `folder`.

    A request may last `most` seconds, `silent` of them without a byte. Raises Rejected
    `E_REQUIREMENT` without obstore, ValueError or an error of obstore's for a bad set-up.
    """
    known()
    from obstore.store import from_url

    return from_url(
        folder,
        client_options={
            "timeout": timedelta(seconds=most),
            "read_timeout": timedelta(seconds=silent),
            "connect_timeout": CONNECT,
            # Options of ours put the stores' variables out of force, also this one.
            "allow_http": any(os.environ.get(name, "") in ("1", "true") for name in ALLOW_HTTP),
        },
        retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=silent)},
    )


def known() -> Any:  # noqa: ANN401
    """Return obstore's exceptions; raises Rejected `E_REQUIREMENT` when it is not installed."""
    try:
        from obstore import exceptions
    except ImportError:
        raise Rejected(
            "E_REQUIREMENT",
            "object stores need the package obstore",
            todo="pip install 'modelwire[store]'",
        ) from None
    return exceptions
