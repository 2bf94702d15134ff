"""An authority for one test run, and what it certifies: made by `openssl`, kept nowhere."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_AUTHORITY = """
[req]
distinguished_name = name
x509_extensions = authority
prompt = no
[name]
CN = midstream test authority
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""
_SERVER = """
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {name}
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate = folder / "ca.crt"
        self._key = folder / "ca.key"
        settings = folder / "ca.cnf"
        settings.write_text(_AUTHORITY)
        _openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", str(self._key))
        _openssl(
            "req", "-x509", "-new", "-key", str(self._key), "-days", "2", "-sha256",
            "-config", str(settings), "-out", str(self.certificate),
        )  # fmt: skip

    def certify(self, name: str, *, expired: bool = False) -> Certificate:
        """A server's certificate for a name like `IP:127.0.0.1` or `DNS:localhost`."""
        stem = f"{name.replace(':', '-')}{'-expired' if expired else ''}"
        key, request, certificate, extensions = (
            self._folder / f"{stem}.{kind}" for kind in ("key", "csr", "crt", "ext")
        )
        extensions.write_text(_SERVER.format(name=name))
        _openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", str(key))
        _openssl("req", "-new", "-key", str(key), "-subj", "/CN=registry", "-out", str(request))
        _openssl(
            "x509", "-req", "-in", str(request), "-CA", str(self.certificate),
            "-CAkey", str(self._key), "-CAcreateserial", "-sha256",
            "-days", "-1" if expired else "2", "-extfile", str(extensions),
            "-out", str(certificate),
        )  # fmt: skip
        return Certificate(certificate, key)


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, check=False)  # noqa: S607
    assert done.returncode == 0, done.stderr.decode()
