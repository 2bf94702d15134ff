"""The door to the Python package index: which source releases there are, and what is in one.

An archive is read while it arrives and is never stored. Nothing in it is handed out before all of
it has come and its SHA-256 is the one that the index promised.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from midstream.errors import Exit, IntegrityError, MidstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests
    from packaging.version import Version
    from pypi_simple import DistributionPackage

_TIMEOUT = (15.0, 60.0)  # seconds to connect, and between two pieces
_LARGEST = 32 * 1024 * 1024  # bytes of one kept file; real ones are below 1 MB
_CHUNK = 256 * 1024


class NoSuchRelease(MidstreamError):
    """The index has no such project, or no source release of that version."""


class IndexDown(MidstreamError):
    """The index can't be reached, or broke off: it is safe to run again."""

    exit_code = Exit.TRANSIENT


class IndexForbids(MidstreamError):
    exit_code = Exit.AUTHENTICATION


class WrongArchive(IntegrityError):
    """The archive isn't the one that was promised."""


class SourceRelease(Struct, frozen=True):
    """A source archive on the index. `size` is in bytes (0: not said); `date` is RFC 3339's."""

    version: str
    name: str
    url: str
    sha256: str
    size: int
    date: str


class Index(Protocol):
    """Where source releases come from."""

    def releases(self, project: str) -> tuple[SourceRelease, ...]:
        """Every final release with a source archive, oldest first."""

    def files(
        self,
        release: SourceRelease,
        wanted: Callable[[str], bool],
        arrived: Callable[[int], None],
    ) -> dict[str, bytes]:
        """The wanted files of a release by path; `arrived` is told of bytes as they come."""


class PackageIndex(Struct, frozen=True):
    """The index that `MIDSTREAM_INDEX_URL` names, or else the public one."""

    endpoint: str | None = None

    def releases(self, project: str) -> tuple[SourceRelease, ...]:
        from pypi_simple import NoSuchProjectError, PyPISimple, UnsupportedContentTypeError

        with _session() as session:
            client = PyPISimple(endpoint=self._url(), session=session)
            try:
                page = client.get_project_page(project, timeout=_TIMEOUT)
            except NoSuchProjectError:
                raise NoSuchRelease(f"the index has no project `{project}`") from None
            except UnsupportedContentTypeError as error:
                raise MidstreamError(f"the index doesn't answer as one: {error}") from None
            except Exception as error:
                raise _as_ours(error, f"can't read the releases of `{project}`") from None
        found = [each for package in page.packages if (each := _release(package)) is not None]
        return tuple(sorted(found, key=lambda each: _order(each.version)))

    def files(
        self,
        release: SourceRelease,
        wanted: Callable[[str], bool],
        arrived: Callable[[int], None],
    ) -> dict[str, bytes]:
        what = f"can't fetch `{release.name}`"
        with _session() as session:
            try:
                with session.get(release.url, stream=True, timeout=_TIMEOUT) as response:
                    response.raise_for_status()
                    stream = _Stream(response, arrived)
                    kept = _unpack(stream, release, wanted)
                    stream.finish()
            except MidstreamError:
                raise
            except Exception as error:
                raise _as_ours(error, what) from None
        if stream.digest != release.sha256:
            raise WrongArchive(
                f"`{release.name}` is not the archive that the index promised: "
                f"sha256 {stream.digest}, expected {release.sha256}",
                help="nothing of it was kept; run again; if it stays so, ask who runs the index",
            )
        return kept

    def _url(self) -> str:
        from pypi_simple import PYPI_SIMPLE_ENDPOINT

        return self.endpoint or os.environ.get("MIDSTREAM_INDEX_URL") or PYPI_SIMPLE_ENDPOINT


class _Stream:
    """Hashes and counts what a response brings, as a file that tarfile can read."""

    def __init__(self, response: requests.Response, arrived: Callable[[int], None]) -> None:
        self._raw = response.raw
        self._hash = hashlib.sha256()
        self._arrived = arrived

    def read(self, size: int) -> bytes:
        data: bytes = self._raw.read(size)
        self._hash.update(data)
        self._arrived(len(data))
        return data

    def finish(self) -> None:
        """Read what is left, which no member needs but the digest does."""
        while self.read(_CHUNK):
            pass

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


def _unpack(
    stream: _Stream, release: SourceRelease, wanted: Callable[[str], bool]
) -> dict[str, bytes]:
    import tarfile  # only a download needs it

    kept: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=stream, mode="r|gz", bufsize=_CHUNK) as archive:  # type: ignore[call-overload]
            for member in archive:
                # Every path stands below one folder, `vllm-0.33.0/`.
                path = member.name.partition("/")[2]
                if not member.isfile() or not wanted(path):
                    continue
                if member.size > _LARGEST:
                    raise WrongArchive(f"`{path}` in `{release.name}` has {member.size:,} bytes")
                file = archive.extractfile(member)
                kept[path] = file.read() if file else b""
    except (tarfile.TarError, EOFError) as error:
        raise IndexDown(
            f"`{release.name}` broke off or is no archive: {error}",
            help="nothing of it was kept; it is safe to run again",
        ) from None
    return kept


def _release(package: DistributionPackage) -> SourceRelease | None:
    """A final, unyanked source release; None for everything else."""
    from packaging.version import InvalidVersion, Version

    sha256 = (package.digests or {}).get("sha256")
    if package.package_type != "sdist" or package.is_yanked or not package.version or not sha256:
        return None
    try:
        if Version(package.version).is_prerelease:
            return None
    except InvalidVersion:
        return None
    time = package.upload_time
    return SourceRelease(
        version=package.version,
        name=package.filename,
        url=package.url,
        sha256=sha256,
        size=package.size or 0,
        date=time.strftime("%Y-%m-%dT%H:%M:%SZ") if time else "",
    )


def _order(version: str) -> Version:
    from packaging.version import Version

    return Version(version)


def _session() -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session = requests.Session()
    # Statuses are handed on after the last try, so that `_as_ours` can class them. A server's
    # `Retry-After` isn't waited for: it may say hours, and exit code 7 says to come back.
    patient = Retry(
        total=3, backoff_factor=0.5, status_forcelist=(502, 503, 504), raise_on_status=False,
        respect_retry_after_header=False,
    )  # fmt: skip
    session.mount("http://", HTTPAdapter(max_retries=patient))
    session.mount("https://", HTTPAdapter(max_retries=patient))
    return session


def _as_ours(error: Exception, what: str) -> MidstreamError:
    """A failure of HTTP as one that a person can act on. Anything else is our defect: raised."""
    import requests
    import urllib3

    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        if status in (401, 403):
            return IndexForbids(f"{what}: the index answers {status}", help="check ~/.netrc")
        if status == 404:
            return NoSuchRelease(f"{what}: the index answers 404, not found")
        if status == 429 or status >= 500:
            return IndexDown(f"{what}: the index answers {status}", help="run again later")
        return MidstreamError(f"{what}: the index answers {status}")
    if isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError | OSError):
        return IndexDown(
            f"{what}: {_cause(error)}",
            help="check the network; MIDSTREAM_INDEX_URL names another index",
        )
    raise error


def _cause(error: BaseException) -> str:
    """The innermost cause, which says more than the library's wrapping of it."""
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    reason = getattr(error, "reason", None)
    return str(reason if isinstance(reason, BaseException) else error) or type(error).__name__
