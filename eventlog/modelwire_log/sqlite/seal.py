"""Checksums of the rows that steer: where a place ends, what is done, the log's time."""

from collections.abc import Callable
from typing import cast

import google_crc32c

from modelwire_schemas.errors import Corrupt

crc_of = cast(Callable[[bytes], int], google_crc32c.value)
crc_on = cast(Callable[[int, bytes], int], google_crc32c.extend)


def seal(*fields: object) -> int:
    """Return the CRC32C over the fields of a row."""
    return crc_of(repr(fields).encode("utf-8", "backslashreplace"))


def damaged(what: str, todo: str = "restore the log from a backup") -> Corrupt:
    """Return the error of a row that is not as it was written."""
    return Corrupt(
        "E_CORRUPT", f"{what} is damaged", expected="the bytes that were written", todo=todo
    )
