"""Registry logins, read from the files that `podman login` and `docker login` write.

The lookup is that of containers-auth.json(5): the longest prefix of the repository's path wins.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from midstream.adapters import process
from midstream.errors import Exit, MidstreamError

_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class CannotLogIn(MidstreamError):
    """The file with the logins, or a program that keeps them, can't be used."""

    exit_code = Exit.AUTHENTICATION


class Credentials(Struct, frozen=True):
    """A login. Its secrets are in no `repr`, so in no traceback or log."""

    user: str
    password: str
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.user!r})"

    @property
    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return tuple(each for each in (self.password, self.identity_token, self.basic[6:]) if each)


class Authfile(Struct, frozen=True):
    """The logins of one file. `path` is None where a person has none."""

    path: Path | None
    _auths: dict[str, dict[str, Any]] = field(default_factory=dict)
    _helpers: dict[str, str] = field(default_factory=dict)
    _store: str = ""

    def __repr__(self) -> str:
        return f"Authfile({self.path!r})"

    def credentials(self, host: str, repository: str = "") -> Credentials | None:
        """The login for a repository: `host/a/b`, then `host/a`, then `host`."""
        for key in _keys(host, repository):
            if key in self._auths and (found := self._decode(key, self._auths[key])):
                return found
        helper = self._helpers.get(_bare(host), self._store)
        return self._ask(helper, host) if helper else None

    def _decode(self, key: str, entry: dict[str, Any]) -> Credentials | None:
        """Docker leaves an empty entry for a login that its store keeps."""
        try:
            pair = base64.b64decode(entry.get("auth") or "", validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, TypeError, ValueError):
            raise CannotLogIn(f"the login for `{key}` in `{self.path}` can't be decoded") from None
        user, _, password = pair.partition(":")
        token = entry.get("identitytoken") or ""
        if not user and not token:
            return None
        return Credentials(user, password.rstrip("\0"), str(token))

    def _ask(self, helper: str, host: str) -> Credentials | None:
        if not _HELPER.fullmatch(helper):
            raise CannotLogIn(f"`{self.path}` names a credential helper that can't be one")
        try:
            done = process.run(
                f"docker-credential-{helper}", "get", input=_server(host).encode(), timeout=30
            )
        except process.CommandFailed as error:
            raise CannotLogIn(f"the credential helper `{helper}` failed: {error.message}") from None
        if done.exit_code:  # the protocol's way to say that there is no login
            return None
        try:
            answer = json.loads(done.stdout)
            user, secret = str(answer["Username"]), str(answer["Secret"])
        except (ValueError, KeyError, TypeError):
            raise CannotLogIn(f"the credential helper `{helper}` gave no login") from None
        return Credentials("", "", secret) if user == "<token>" else Credentials(user, secret)


def read(path: Path | None = None) -> Authfile:
    """The file that is named, or the first one that a person has. Raises `CannotLogIn`."""
    if path is not None:
        return _parse(path)
    for each in default_paths():
        if each.exists():
            return _parse(each)
    return Authfile(None)


def default_paths() -> tuple[Path, ...]:
    """Where podman, skopeo and docker keep logins, in the order in which skopeo looks."""
    named = os.environ.get("REGISTRY_AUTH_FILE")
    if named:
        return (Path(named),)
    run = os.environ.get("XDG_RUNTIME_DIR") or f"/run/containers/{os.getuid()}"
    settings = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    docker = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    return (
        Path(run) / "containers/auth.json",
        Path(settings) / "containers/auth.json",
        Path(docker) / "config.json",
    )


def _parse(path: Path) -> Authfile:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise CannotLogIn(
            f"can't read the logins in `{path}`: {reason}",
            help=f"make it with `skopeo login --authfile {path} REGISTRY`",
        ) from None
    except ValueError:
        raise CannotLogIn(f"`{path}` is no JSON", help="`skopeo login` writes a new one") from None
    auths = content.get("auths") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(auths, dict | None):
        raise CannotLogIn(f"`{path}` holds no `auths`", help="`skopeo login` writes a new one")
    entries = {_normal(key): each for key, each in (auths or {}).items() if isinstance(each, dict)}
    helpers = content.get("credHelpers") or {}
    store = content.get("credsStore") or ""
    return Authfile(
        path,
        entries,
        {str(key): str(each) for key, each in helpers.items()} if isinstance(helpers, dict) else {},
        str(store),
    )


def _normal(key: str) -> str:
    """Docker writes `https://index.docker.io/v1/` where podman writes `docker.io`."""
    _, scheme, rest = key.rpartition("://")
    if not scheme:
        return _bare(key.removesuffix("/v1/").rstrip("/"))
    return _bare(rest.partition("/")[0])


def _bare(host: str) -> str:
    hubs = ("index.docker.io", "registry-1.docker.io")
    return "docker.io" if host.rstrip("/") in hubs else host


def _keys(host: str, repository: str) -> list[str]:
    parts = [_bare(host), *(repository.split("/") if repository else [])]
    return ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _server(host: str) -> str:
    return "https://index.docker.io/v1/" if _bare(host) == "docker.io" else host
