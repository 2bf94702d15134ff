"""skopeo, which copies images: one careful call, and its outcome as a value or a typed error.

Neither outcome is proof. Exit 0 may have copied nothing, and exit 1 may have moved the tag: after
any of the two, read the destination (facts measured with 1.9.3, read in the sources up to 1.22).
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from msgspec import Struct

from midstream.adapters import authfile, files, process
from midstream.adapters.blobs import digest_of
from midstream.adapters.registry import DOCKER_LIST, OCI_INDEX
from midstream.errors import Exit, MidstreamError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.adapters.endpoint import Endpoint
    from midstream.adapters.process import Finished

OLDEST = (1, 9, 0)
_KNOWN = "skopeo-version.json"
_VERSION = re.compile(rb"skopeo version (\d+)\.(\d+)(?:\.(\d+))?")
_GRACE = 5.0  # seconds that skopeo has to end by itself at its deadline
_TRUSTING = {"default": [{"type": "insecureAcceptAnything"}]}
_PASSED_ON = (
    "PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
# `--format` of the list's own type: without it a failing PUT of an index is reported as
# "Manifest list must be converted", whatever was wrong.
_FORMATS = {OCI_INDEX: "oci", DOCKER_LIST: "v2s2"}
# skopeo notes which repository has which blob, to mount what it would upload. Root's notes are one
# file for the whole machine: copies wait for each other there, sync it 16 times each, and depend on
# what others did. As another user's, they are below our own home (read in 1.9.3 up to 1.22).
_OWN_NOTES = {"_CONTAINERS_ROOTLESS_UID": "65534"}
_WORTH_NOTES = 16 << 20  # bytes of an image: to mount a smaller one saves less than notes cost
_FEWER_COLLECTIONS = {"GOGC": "400"}  # of garbage: most copies end before the first
_ONE_THREAD = {"GOMAXPROCS": "1"}
_WORTH_THREADS = 1 << 20  # bytes of an image: for less, they only hand the work to each other


class Image(Struct, frozen=True):
    """One side of a copy. `reference` is a tag or a digest."""

    endpoint: Endpoint
    repository: str
    reference: str

    @property
    def address(self) -> str:
        """What skopeo is told; it looks up logins and dials by that."""
        return self.endpoint.address or self.endpoint.host

    @property
    def name(self) -> str:
        return f"{self.address}/{self.repository}"

    @property
    def argument(self) -> str:
        return f"docker://{self.name}{'@' if ':' in self.reference else ':'}{self.reference}"


class Inspected(Struct, frozen=True):
    """What a tag holds. `labels` are those of one platform, where it has several."""

    digest: str
    labels: Mapping[str, str]


class SkopeoTooOld(MidstreamError):
    """It can't keep digests, or nobody has measured how it fails."""

    exit_code = Exit.OUTSIDE


class Skopeo:
    """Everything it reads is given to it: a policy, no registries.conf, a home of its own.

    `policy` is a containers-policy.json(5); without one, images need no signature. Logins are
    resolved here, for one repository at a time, and reach skopeo in files that only we may read.
    With a `ca`, skopeo trusts that authority and the system's; the client, which reads all that
    is proved, trusts the `ca` alone.

    `timeout`: seconds for an `inspect`, and for which a copy may move no byte. A large image over a
    slow line takes as long as it takes.
    """

    def __init__(
        self, policy: Path | None = None, program: str = "skopeo", timeout: float = 600
    ) -> None:
        self.policy, self.program, self.timeout = policy, program, timeout
        self._home: Path | None = None
        self._secrets: set[str] = set()
        self._version: tuple[int, int, int] | None = None
        self._lock = threading.Lock()
        self._asking = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            home, self._home = self._home, None
        if home is not None:
            _remove(home)

    def version_text(self) -> str:
        """What `skopeo --version` prints. Raises as `process` does."""
        done = process.run(self.program, "--version", timeout=30, env=self._environment(Path("/")))
        return process.check(done).decode(errors="replace").strip()

    def version(self) -> tuple[int, int, int]:
        """Asked once for each skopeo installed. Raises `SkopeoTooOld`, and `ProgramMissing`."""
        with self._asking:
            if self._version is None:
                known = _known_version(self.program)
                self._version = known or self._ask_version()
                if known is None:
                    _remember_version(self.program, self._version)
            return self._version

    def _ask_version(self) -> tuple[int, int, int]:
        found = _VERSION.search(self.version_text().encode())
        if found is None:
            from midstream.adapters.skopeo_errors import SkopeoFailed

            raise SkopeoFailed("`skopeo --version` says nothing that is a version")
        major, minor, patch = (int(each or 0) for each in found.groups())
        if (major, minor, patch) < OLDEST:
            wanted = ".".join(str(each) for each in OLDEST)
            raise SkopeoTooOld(
                f"skopeo {major}.{minor}.{patch} is older than {wanted}",
                help="install a newer one; Debian 12 and RHEL 9 have it",
            )
        return major, minor, patch

    @property
    def version_used(self) -> str:
        """What has copied; empty where nothing was copied."""
        return ".".join(str(each) for each in self._version) if self._version else ""

    def copy(self, source: Image, target: Image, media_type: str, *, size: int = 0) -> None:
        """Copy an image with all its platforms, every byte as it is.

        `media_type` is the source manifest's. With a `size` in bytes, a small image is copied by
        itself; others of one run are mounted from each other where they can be. Raises the errors
        of `skopeo_errors`: a typed guess at what went wrong. Whether the tag moved, only a read of
        it says.
        """
        self.version()
        command = self._copy_command(source, target, media_type)
        done = self._run(source, target, command, size=size, standstill=self.timeout)
        if done.exit_code or b"Usage:" in done.stdout:
            from midstream.adapters.skopeo_errors import classify

            # Until 1.17 a call with too many words prints its usage and ends with 0.
            raise classify(done, (source, target), frozenset(self._secrets))

    def inspect(self, image: Image) -> Inspected | None:
        """What a reference holds; None where the registry says that there is no such thing.

        Raises the errors of `skopeo_errors`.
        """
        self.version()
        done = self._run(image, image, self._inspect_command(image))
        if done.exit_code:
            from midstream.adapters.registry_errors import NotFound
            from midstream.adapters.skopeo_errors import classify

            error = classify(done, (image,), frozenset(self._secrets))
            if isinstance(error, NotFound):
                return None
            raise error
        content = json.loads(done.stdout)
        return Inspected(str(content["Digest"]), content.get("Labels") or {})

    def digest(self, image: Image) -> str:
        """What the manifest hashes to that a reference leads to: the list's, where it is one.

        Raises the errors of `skopeo_errors`.
        """
        self.version()
        done = self._run(image, image, self._inspect_command(image, "--raw"))
        if done.exit_code:
            from midstream.adapters.skopeo_errors import classify

            raise classify(done, (image,), frozenset(self._secrets))
        return digest_of(done.stdout)

    def _inspect_command(self, image: Image, *more: str) -> list[str]:
        flags = [each.replace("--src-", "--", 1) for each in self._side("src", image)]
        return [
            *self._before_the_command(),
            "--command-timeout", f"{self.timeout:g}s",
            "--override-os", "linux", "--override-arch", "amd64",
            "inspect", *(more or ("--no-tags",)), "--retry-times", "0", *flags,
            "--", image.argument,
        ]  # fmt: skip

    def _before_the_command(self) -> list[str]:
        home = self._folder()
        return [
            self.program,
            "--policy", str(self.policy or home / "policy.json"),
            "--registries-conf", str(home / "registries.conf"),
            "--registries.d", str(home / "registries.d"),
            "--tmpdir", str(home / "tmp"),
        ]  # fmt: skip

    def _copy_command(self, source: Image, target: Image, media_type: str) -> list[str]:
        chosen = ["--format", _FORMATS[media_type]] if media_type in _FORMATS else []
        return [
            *self._before_the_command(),
            "copy", "--all", "--preserve-digests", *chosen,
            *self._side("src", source),
            *self._side("dest", target),
            "--retry-times", "0", "--quiet",
            "--", source.argument, target.argument,
        ]  # fmt: skip

    def _side(self, name: str, image: Image) -> list[str]:
        flags = [f"--{name}-authfile", str(self._logins(image))]
        flags.append(f"--{name}-tls-verify={'false' if image.endpoint.plain else 'true'}")
        if image.endpoint.ca is not None:
            flags += [f"--{name}-cert-dir", str(self._certificates(image.endpoint.ca))]
        return flags

    def _run(
        self,
        source: Image,
        target: Image,
        command: list[str],
        *,
        size: int = 1,
        standstill: float | None = None,
    ) -> Finished:
        env = self._environment(self._folder(), size)
        deadline = self.timeout + _GRACE
        try:
            done = process.run(*command, timeout=deadline, standstill=standstill, env=env)
        except process.TimedOut:
            said = b'level=fatal msg="context deadline exceeded"'
            done = process.Finished(tuple(command), 1, b"", said)
        if not done.exit_code:
            return done
        from midstream.adapters.skopeo_errors import MisusedSkopeo, SkopeoStopped

        if done.exit_code < 0:
            raise SkopeoStopped(f"skopeo was stopped while it copied `{source.argument[9:]}`")
        if b"unknown flag" in done.stderr:
            raise MisusedSkopeo(f"skopeo {self._version} does not know a flag of ours: {target}")
        return done

    def _environment(self, home: Path, size: int = 1) -> dict[str, str]:
        """For an image of so many bytes; 0 where nobody knows."""
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        own = {"HOME": str(home), "LANG": "C", "TMPDIR": str(home / "tmp")}
        # Below a file there can be no folder: what is noted then is gone with the process.
        data = home / ("registries.conf" if 0 < size < _WORTH_NOTES else "data")
        threads = _ONE_THREAD if 0 < size < _WORTH_THREADS else {}
        own["XDG_DATA_HOME"] = str(data)
        return {**kept, **own, **_OWN_NOTES, **_FEWER_COLLECTIONS, **threads}

    def _folder(self) -> Path:
        """A private home, made when it is first needed."""
        with self._lock:
            if self._home is None:
                above = Path(os.environ.get("TMPDIR") or files.cache_root())
                above.mkdir(parents=True, exist_ok=True)
                home = above / f"skopeo-{os.urandom(8).hex()}"
                home.mkdir(mode=0o700)  # fails where somebody was before us
                self._home = home
                for name in ("tmp", "registries.d", "logins"):
                    (home / name).mkdir(mode=0o700)
                (home / "registries.conf").write_bytes(b"")
                (home / "policy.json").write_text(json.dumps(_TRUSTING))
                (home / "no-login.json").write_text('{"auths": {}}')
            return self._home

    def _logins(self, image: Image) -> Path:
        """A file with the one login that this side needs, or with none."""
        login = authfile.read(image.endpoint.authfile).credentials(image.address, image.repository)
        if login is None:
            return self._folder() / "no-login.json"
        self._secrets.update(login.secrets)
        pair = f"{login.user}:{login.password}".encode()
        entry = {"auth": base64.b64encode(pair).decode()}
        if login.identity_token:
            entry["identitytoken"] = login.identity_token
        content = json.dumps({"auths": {image.address: entry}})
        name = re.sub(r"[^a-z0-9.-]", "_", image.name)
        path = self._folder() / "logins" / f"{name[-200:]}.json"
        _write_private(path, content.encode())
        return path

    def _certificates(self, authority: Path) -> Path:
        folder = self._folder() / "tmp" / f"ca-{abs(hash(authority))}"
        folder.mkdir(mode=0o700, exist_ok=True)
        _write_private(folder / "ca.crt", authority.read_bytes())
        return folder


def _known_version(program: str) -> tuple[int, int, int] | None:
    """What this very file said last time: to ask takes 20 ms, a quarter of a small copy."""
    try:
        content = json.loads((files.cache_root() / _KNOWN).read_bytes())
        major, minor, patch = content["version"]
        if content["file"] == _identity(program) and (major, minor, patch) >= OLDEST:
            return int(major), int(minor), int(patch)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _remember_version(program: str, version: tuple[int, int, int]) -> None:
    identity = _identity(program)
    if identity is not None:
        content = {"file": identity, "version": version}
        with suppress(MidstreamError):
            files.write(files.cache_root() / _KNOWN, json.dumps(content).encode())


def _identity(program: str) -> list[str | int] | None:
    """Which file it is, and when it last changed; None for a script, which may start any other."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = Path(folder) / program
        with suppress(OSError):
            found = path.stat()
            with path.open("rb") as file:
                if file.read(2) == b"#!":
                    return None
            return [str(path), found.st_ino, found.st_size, found.st_mtime_ns]
    return None


def _write_private(path: Path, data: bytes) -> None:
    """Whole, by a rename: another thread's skopeo may be about to read the old one."""
    scratch = path.with_name(f".{path.name}.{threading.get_ident()}")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    scratch.replace(path)


def _remove(folder: Path) -> None:
    """All of it. What can't be removed stays: a run isn't worse for that."""
    for path, folders, names in os.walk(folder, topdown=False):
        for name in names:
            with suppress(OSError):
                (Path(path) / name).unlink()
        for name in folders:
            with suppress(OSError):
                (Path(path) / name).rmdir()
    with suppress(OSError):
        folder.rmdir()
