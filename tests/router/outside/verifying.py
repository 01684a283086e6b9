"""The signature once more, from the definition of HMAC (RFC 2104) and without its library."""

import hashlib


def hmac_sha256(secret: bytes, text: bytes) -> str:
    key = (hashlib.sha256(secret).digest() if len(secret) > 64 else secret).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + text).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).hexdigest()


def verified(secret: bytes, header: str, body: bytes) -> int:
    """Return when (ms) a body was signed; fails the test if it was not, by this secret."""
    parts = dict(part.split("=", 1) for part in header.split(", "))
    assert set(parts) == {"t", "v1"}
    assert parts["v1"] == hmac_sha256(secret, f"{parts['t']}.".encode() + body)
    return int(parts["t"]) * 1000
