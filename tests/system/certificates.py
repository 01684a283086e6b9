"""Certificates for a broker that speaks TLS: an authority of our own, as PEM files."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Where the files are: the broker's key with its chain, and the authority for clients."""

    keystore: Path
    authority: Path


def issue(folder: Path) -> Certificates:
    """Write a fresh authority and a certificate for 127.0.0.1 and localhost into `folder`."""
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    key = load_pem_private_key(leaf.private_key_pem.bytes(), password=None)
    # Kafka reads PKCS#8 only.
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    made = Certificates(folder / "keystore.pem", folder / "authority.pem")
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    made.keystore.write_bytes(pkcs8 + chain)
    authority.cert_pem.write_to_path(str(made.authority))
    return made
