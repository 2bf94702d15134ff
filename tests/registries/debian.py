"""Debian's `docker-registry`, the real one, on a free port of 127.0.0.1."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Self

import pytest

from registries.look import Site

if TYPE_CHECKING:
    from pathlib import Path

    from registries.certificates import Certificate

USER, PASSWORD = "promoter", "made-up-password"
# bcrypt at its lowest cost, of the password above: a registry takes nothing else.
_HTPASSWD = f"{USER}:$2b$04$abcdefghijklmnopqrstuuO1jF9ESPL.ukSEZLHaNkHI8/ztECE2C\n"
_LISTENING = re.compile(rb"listening on (?P<address>127\.0\.0\.1:\d+)")


class DebianRegistry:
    """A process of its own. `storage` may be shared, to show the same images read-only."""

    def __init__(
        self,
        folder: Path,
        *,
        storage: Path | None = None,
        tls: Certificate | None = None,
        ca: Path | None = None,
        password: bool = False,
        read_only: bool = False,
    ) -> None:
        program = shutil.which("docker-registry")
        if program is None:
            pytest.fail("the tests need `docker-registry`: apt-get install docker-registry")
        folder.mkdir(parents=True, exist_ok=True)
        self.storage = storage or folder / "storage"
        self.storage.mkdir(exist_ok=True)
        self._ca = ca if tls else None
        self._password = password
        self._log = folder / "log"
        settings = folder / "config.yml"
        settings.write_text(json.dumps(self._settings(folder, tls, read_only)))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, "serve", str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={},  # REGISTRY_AUTH_FILE, which skopeo reads, is a setting of its own to it
            )
        self.address = self._wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def site(self) -> Site:
        login = (USER, PASSWORD) if self._password else ("", "")
        return Site(self.address, self._ca, *login)

    def requests(self, method: str) -> list[str]:
        """The targets of all requests that the registry itself has logged."""
        found = re.findall(rb'"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/1', self._log.read_bytes())
        return [target.decode() for name, target in found if name.decode() == method]

    def _settings(
        self, folder: Path, tls: Certificate | None, read_only: bool
    ) -> dict[str, object]:
        http: dict[str, object] = {"addr": "127.0.0.1:0", "secret": "made-up"}
        if tls:
            http["tls"] = {"certificate": str(tls.certificate), "key": str(tls.key)}
        settings: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": False}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.storage)},
                "delete": {"enabled": True},
                "maintenance": {
                    "readonly": {"enabled": read_only},
                    "uploadpurging": {"enabled": False},
                },
            },
            "http": http,
        }
        if self._password:
            logins = folder / "htpasswd"
            logins.write_text(_HTPASSWD)
            settings["auth"] = {"htpasswd": {"realm": "test", "path": str(logins)}}
        return settings

    def _wait(self) -> str:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = _LISTENING.search(self._log.read_bytes())
            if found:
                return found["address"].decode()
            if self._process.poll() is not None:
                break
            time.sleep(0.005)
        self.stop()
        pytest.fail(f"docker-registry did not start: {self._log.read_text()[-2000:]}")
