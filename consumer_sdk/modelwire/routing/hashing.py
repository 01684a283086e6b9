"""The bucket of a key: murmur3 of salt and key, scaled to [0, 10,000) (R26)."""

import mmh3

from modelwire_schemas.routing import BUCKETS

# Always over bytes: given text with a lone surrogate, mmh3 5.3 ends the whole process.
digest = mmh3.mmh3_32_uintdigest
digest_bytes = mmh3.mmh3_32_digest
"""The same, as four bytes, the lowest first."""


def salted(salt: str) -> bytes:
    """Return what goes before the key's bytes: the salt and a `|`, which no salt contains."""
    return salt.encode() + b"|"


def bucket(salt: str, key: bytes) -> int:
    """Return `murmur3_x86_32(utf8(salt) + "|" + key, seed 0) * 10000 >> 32`."""
    return digest(salted(salt) + key) * BUCKETS >> 32
