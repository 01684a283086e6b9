"""The signature under what is posted, and where its secret comes from."""

import hmac
from collections.abc import Mapping
from pathlib import Path

from modelwire_schemas.errors import Rejected

SECRET = "MODELWIRE_WEBHOOK_SECRET"  # noqa: S105 - a variable's name
"""The secret that posted bodies are signed with; they are unsigned if it is unset."""

SECRET_FILE = "MODELWIRE_WEBHOOK_SECRET_FILE"  # noqa: S105 - a variable's name
"""A file with that secret, instead; blanks and line ends around it do not count."""

HEADER = "X-Modelwire-Signature"


def signature(secret: bytes, body: bytes, at: int) -> str:
    """Return the header's value for a body sent at `at` (ms); it says the time in seconds."""
    seconds = str(at // 1000)
    digest = hmac.new(secret, seconds.encode() + b"." + body, "sha256").hexdigest()
    return f"t={seconds}, v1={digest}"


def read_secret(environment: Mapping[str, str]) -> bytes:
    """Return the secret, or nothing where none is set; raises Rejected `E_CONFIG`."""
    secret, file = environment.get(SECRET, ""), environment.get(SECRET_FILE, "")
    if not file:
        return secret.encode()
    if secret:
        raise Rejected("E_CONFIG", f"{SECRET} and {SECRET_FILE} are both set", expected="one")
    try:
        found = Path(file).read_bytes().strip()
    except OSError as error:
        raise Rejected(
            "E_CONFIG", f"{SECRET_FILE}: {error.strerror or 'it cannot be read'}", where=file
        ) from None
    if not found:
        raise Rejected("E_CONFIG", f"{SECRET_FILE}: the file is empty", where=file)
    return found
