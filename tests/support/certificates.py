"""Throwaway certificates."""

import dataclasses
from pathlib import Path

import trustme


@dataclasses.dataclass(frozen=True)
class Issued:
    """Files of a server, and of the authority that its clients trust."""

    certificate: Path
    key: Path
    authority: Path


def issue(folder: Path, *names: str, authority: trustme.CA | None = None) -> Issued:
    """Write a certificate for these names (127.0.0.1 by default); replaces what is there."""
    authority = authority or trustme.CA()
    made = authority.issue_cert(*(names or ("127.0.0.1",)))
    issued = Issued(folder / "cert.pem", folder / "key.pem", folder / "authority.pem")
    chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
    issued.certificate.write_bytes(chain)
    made.private_key_pem.write_to_path(issued.key)
    authority.cert_pem.write_to_path(issued.authority)
    return issued
