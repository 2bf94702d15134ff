"""The door to package repositories: their metadata, proved by what repomd.xml promises.

repomd.xml itself is read anew each time, over TLS or with the digest that a metalink gives; what it
names is kept in the cache under its digest, and proved again whenever it is read from there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from midstream.adapters.http import BadReply, NotTrusted, TooSlow, Transient, Url
from midstream.errors import Exit, IntegrityError, MidstreamError
from midstream.packages.cache import Cache
from midstream.packages.modules import Modules, read_modules
from midstream.packages.opening import pieces
from midstream.packages.primary import read_primary
from midstream.packages.repofile import read_repofile
from midstream.packages.repomd import (
    proves,
    read_metalink,
    read_mirror_list,
    read_repomd,
)
from midstream.packages.xml import BadMetadata

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from midstream.adapters.http import Connections, Reply
    from midstream.packages.primary import Asked, Kept
    from midstream.packages.repomd import Metalink, Repomd
    from midstream.ubi.metadata import Metadata

_T = TypeVar("_T")
_SMALL = 1 << 23  # bytes of a repomd.xml, a metalink, a list
_LARGE = 1 << 28  # bytes of a data file as it is sent; EPEL's have 2^24
_OPENED = 1 << 31  # bytes of a primary.xml; EPEL's have 2^27
_MODULES = 1 << 26  # bytes of a modules.yaml
_MIRRORS = 5  # how many are tried before a repository counts as out of reach
_REDIRECTIONS = 5
_ATTEMPTS = 3
_FIRST_PAUSE = 0.5  # seconds; twice as long after each attempt


class NotThere(MidstreamError):
    """There is no repository at an address, or not that file in it."""


class Forbidden(MidstreamError):
    """The repository wants a login or a subscription."""

    exit_code = Exit.AUTHENTICATION


class WrongMetadata(IntegrityError):
    """A metadata file isn't the one that was promised."""


class Read(Struct, frozen=True):
    """What one repository has of what was asked for."""

    id: str
    repomd: Repomd
    kept: Kept
    modules: Modules


class _Wanted(Struct, frozen=True):
    """What to read of one repository, wherever it is."""

    id: str
    arches: frozenset[str]
    asked: Asked
    metalink: Metalink | None
    cache: Cache


class Repositories:
    """Reads repositories for one EL release. May be used by several threads at once.

    `folder` is where data files are kept for the next time; `pause` waits some seconds.
    """

    def __init__(
        self,
        connections: Connections,
        folder: Path,
        release: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connections = connections
        self._folder = folder
        self._release = release
        self._pause = pause

    def read(self, metadata: Metadata, arch: str, asked: Asked) -> tuple[Read, ...]:
        """What is there for an architecture; several only where a `repofile` enables several.

        Raises `NotThere`, `Forbidden`, `WrongMetadata`, `BadMetadata`, and what `adapters.http`
        raises.
        """
        address = metadata.at(arch)
        if metadata.kind == "repofile":
            listed = read_repofile(self._get(address, _SMALL), _named(address), self._release)
            return tuple(each for one in listed for each in self.read(one, arch, asked))
        addresses, metalink = self._mirrors(metadata.kind, address, arch)
        cache = Cache.of(self._folder, address)
        wanted = _Wanted(metadata.id, frozenset((arch, "noarch")), asked, metalink, cache)
        return (self._anywhere(addresses, wanted),)

    def _mirrors(
        self, kind: str, address: str, arch: str
    ) -> tuple[tuple[str, ...], Metalink | None]:
        """Where a repository is, best first."""
        if kind == "baseurl":
            return (address,), None
        data = self._get(address, _SMALL)
        if kind == "metalink":
            metalink = read_metalink(data, _named(address))
            return metalink.addresses, metalink
        mirrors = read_mirror_list(data, _named(address))
        return tuple(each.replace("$basearch", arch) for each in mirrors), None

    def _anywhere(self, addresses: tuple[str, ...], wanted: _Wanted) -> Read:
        """The first mirror that can be read; else the worst of what went wrong."""
        failures: list[MidstreamError] = []
        for address in addresses[:_MIRRORS]:
            root = address if address.endswith("/") else f"{address}/"
            try:
                return self._settled(root, wanted)
            except MidstreamError as error:
                failures.append(error)
        worst = Exit.worst(each.exit_code for each in failures)
        failure = next(each for each in failures if each.exit_code is worst)
        if len(failures) > 1:
            failure.message += f" ({len(failures)} mirrors were tried)"
        raise failure

    def _settled(self, root: str, wanted: _Wanted) -> Read:
        """A repository may be published anew between two requests: then once more, from the top."""
        try:
            return self._at(root, wanted)
        except (NotThere, WrongMetadata):
            return self._at(root, wanted)

    def _at(self, root: str, wanted: _Wanted) -> Read:
        at = f"{root}repodata/repomd.xml"
        data = self._get(at, _SMALL)
        if wanted.metalink is not None and not wanted.metalink.proves(data):
            raise WrongMetadata(
                f"{_named(at)} is not what the metalink promises",
                help="the mirror is behind, or somebody stands between; run again later",
            )
        repomd = read_repomd(data, _named(at))
        if "primary" not in repomd.files:
            raise BadMetadata(f"{_named(at)} names no list of packages")
        what = _named(root + repomd.files["primary"].href)
        primary = self._file(root, "primary", repomd, wanted.cache)
        opened = pieces(primary, what, _OPENED)
        kept = read_primary(opened, wanted.asked, wanted.arches, what)
        return Read(wanted.id, repomd, kept, self._modules(root, repomd, wanted.cache))

    def _modules(self, root: str, repomd: Repomd, cache: Cache) -> Modules:
        if "modules" not in repomd.files:
            return Modules()
        what = _named(root + repomd.files["modules"].href)
        data = self._file(root, "modules", repomd, cache)
        return read_modules(b"".join(pieces(data, what, _MODULES)), what)

    def _file(self, root: str, kind: str, repomd: Repomd, cache: Cache) -> bytes:
        """A data file, from the cache or its repository; proved in either case."""
        file = repomd.files[kind]
        known = cache.get(kind, file)
        if known is not None:
            return known
        data = self._get(root + file.href, _LARGE)
        if not proves(file, data):
            raise WrongMetadata(
                f"{_named(root + file.href)} is not what repomd.xml promises: "
                f"{len(data)} bytes came, with another {file.algorithm or 'digest'}",
                help="nothing of it was kept; run again; if it stays so, ask who runs the mirror",
            )
        cache.put(kind, file, data)
        return data

    # --- HTTP ---

    def _get(self, address: str, limit: int) -> bytes:
        what = _named(address)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return _body(self._followed(address, limit), what)
            except Transient as error:
                # Who was slow once has had its time; the next mirror may be quicker.
                if attempt == _ATTEMPTS or isinstance(error, TooSlow):
                    raise _of(error, what) from None
                self._pause(_FIRST_PAUSE * 2 ** (attempt - 1))
            except (NotThere, Forbidden):
                raise
            except MidstreamError as error:
                raise _of(error, what) from None
        raise AssertionError("the last attempt returns or raises")

    def _followed(self, address: str, limit: int) -> Reply:
        url = Url.parse(address)
        for _ in range(_REDIRECTIONS + 1):
            reply = self._connections.exchange("GET", url, {}, limit=limit)
            onward = reply.header("Location")
            if reply.status not in (301, 302, 303, 307, 308) or not onward:
                return reply
            following = url.join(onward)
            if url.scheme == "https" and following.scheme != "https":
                raise BadReply("it leads from https to http, which is refused")
            url = following
        raise BadReply("it leads on and on")


def _body(reply: Reply, what: str) -> bytes:
    if reply.status == 200:
        return reply.body
    if reply.status in (404, 410):
        raise NotThere(
            f"{what} is not there ({reply.status})",
            help="look at `metadata:` in overlays/_shared/repositories.yaml",
        )
    if reply.status in (401, 403, 407):
        raise Forbidden(
            f"{what} may not be read ({reply.status})",
            help="name a mirror that may, under `metadata:` in overlays/_shared/repositories.yaml",
        )
    if reply.status in (408, 425, 429) or reply.status >= 500:
        raise Transient(f"the server answers {reply.status}", help="run again later")
    raise BadReply(f"the server answers {reply.status}")


def _of(error: MidstreamError, what: str) -> MidstreamError:
    """The same error with what it was about; its help is about registries, and ours is not."""
    advice = "run again later" if isinstance(error, Transient) else None
    if isinstance(error, NotTrusted):
        advice = "SSL_CERT_FILE names a file of other authorities; the check is never left out"
    return type(error)(f"{what}: {error.message}", help=advice)


def _named(address: str) -> str:
    """An address for messages; a query may hold what is nobody's business."""
    return f"`{address.partition('?')[0]}`"
