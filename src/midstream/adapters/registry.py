"""A registry, over the OCI distribution API: what skopeo can't say, and what has to be quick.

No answer is believed: bytes are hashed. Nothing is retried here by itself; who wants that, or a
pace, hands in `around`, which every request goes through.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

from msgspec import Struct
from msgspec.structs import replace

from midstream.adapters.blobs import digest_of
from midstream.adapters.http import BadReply, Connections, Reply, Url, json_object
from midstream.adapters.registry_errors import NotAccepted, NotFound, ReadOnly, refusal
from midstream.adapters.registry_keys import TOKEN_LIMIT, Access, Keys
from midstream.errors import IntegrityError, MidstreamError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from midstream.adapters.endpoint import Endpoint

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFEST_TYPES = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)

MANIFEST_LIMIT = 4 << 20  # what registries accept, too
_PAGE_LIMIT = 16 << 20
_MOST_PAGES = 10_000
_MOST_REDIRECTS = 5
_ALGORITHMS = {"sha256": 64, "sha512": 128}

Around = Callable[[Callable[[], Reply]], Reply]


class Manifest(Struct, frozen=True):
    """A manifest's bytes, and the digest that they hash to."""

    digest: str
    media_type: str
    data: bytes

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEX_TYPES

    @property
    def content(self) -> dict[str, Any]:
        """Parsed. Raises `BadReply` where it is no JSON object."""
        return json_object(self.data, f"the manifest `{self.digest}`")

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


class Claim(Struct, frozen=True):
    """What a registry says of a manifest without sending it. No proof: nothing was hashed."""

    digest: str | None
    media_type: str
    size: int | None


class Stored(Struct, frozen=True):
    """How a registry answered to a manifest. `knows_referrers`: it lists its `subject` itself."""

    claimed: str | None
    knows_referrers: bool


class Registry:
    """One registry. Keeps its connections and tokens; several threads may share it.

    `repository` is a path without the host; `reference` is a tag or a digest.
    """

    def __init__(
        self, endpoint: Endpoint, *, timeout: float = 30, around: Around | None = None
    ) -> None:
        self.endpoint = endpoint
        self._around = around
        self._connections = Connections(timeout=timeout, ca=endpoint.ca)
        self._keys = Keys(endpoint, self._connections)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connections.close()

    def __repr__(self) -> str:
        return f"Registry({self.endpoint.host!r})"

    def ping(self) -> Reply:
        """The answer to `GET /v2/`, which needs no login to be an answer: 200 or 401."""
        reply = self._connections.exchange("GET", self.endpoint.url, {}, limit=TOKEN_LIMIT)
        if reply.status in (200, 401):
            return reply
        raise self._refusal(reply, "the registry")

    def manifest(self, repository: str, reference: str) -> Manifest:
        """Read a manifest and hash it. Raises `NotFound`, `IntegrityError` and what `http` does."""
        what = self._named(repository, reference)
        reply = self._ask(
            "GET",
            repository,
            f"manifests/{quote(reference, safe=':')}",
            _ACCEPT,
            MANIFEST_LIMIT,
            what=what,
        )
        digest = _digest_like(reference, reply.body)
        if ":" in reference and digest != reference:
            raise IntegrityError(f"{what} holds other bytes: they hash to `{digest}`")
        claimed = reply.header("Docker-Content-Digest")
        if claimed and _well_formed(claimed) and claimed != _digest_like(claimed, reply.body):
            raise IntegrityError(
                f"{what} was changed on its way: it is not what hashes to `{claimed}`"
            )
        return Manifest(digest, _media_type(reply), reply.body)

    def claim(self, repository: str, reference: str) -> Claim:
        """Ask what a name holds (HEAD): quick, and no proof. Raises `NotFound`."""
        what = self._named(repository, reference)
        reply = self._ask(
            "HEAD", repository, f"manifests/{quote(reference, safe=':')}", _ACCEPT, 0, what=what
        )
        claimed, size = reply.header("Docker-Content-Digest"), reply.header("Content-Length")
        return Claim(
            claimed if claimed and _well_formed(claimed) else None,
            (reply.header("Content-Type") or "").partition(";")[0].strip(),
            int(size) if size and size.isdigit() else None,
        )

    def put_manifest(self, repository: str, reference: str, data: bytes, media_type: str) -> Stored:
        """Write a manifest. A good answer proves nothing: read it back."""
        reply = self._ask(
            "PUT",
            repository,
            f"manifests/{quote(reference, safe=':')}",
            {"Content-Type": media_type},
            TOKEN_LIMIT,
            what=self._named(repository, reference),
            body=data,
        )
        return Stored(reply.header("Docker-Content-Digest"), bool(reply.header("OCI-Subject")))

    def blob(self, repository: str, digest: str, *, limit: int = MANIFEST_LIMIT) -> bytes:
        """Read a blob of at most `limit` bytes, and hash it."""
        what = self._named(repository, digest)
        data = self._ask("GET", repository, f"blobs/{digest}", {}, limit, what=what).body
        if _digest_like(digest, data) != digest:
            raise IntegrityError(f"the blob {what} holds other bytes")
        return data

    def has_blob(self, repository: str, digest: str) -> bool:
        try:
            what = self._named(repository, digest)
            self._ask("HEAD", repository, f"blobs/{digest}", {}, 0, what=what)
        except NotFound:
            return False
        return True

    def put_blob(self, repository: str, data: bytes) -> str:
        """Upload a small blob in one piece, unless it is there. Returns its digest."""
        digest = digest_of(data)
        if self.has_blob(repository, digest):
            return digest
        place = self._start_upload(repository)
        place = place.join(f"{place.target}{'&' if '?' in place.target else '?'}digest={digest}")
        self._send(
            "PUT",
            place,
            repository,
            {"Content-Type": "application/octet-stream"},
            TOKEN_LIMIT,
            what=self._named(repository, digest),
            body=data,
        )
        return digest

    def mount(self, repository: str, digest: str, origin: str) -> bool:
        """Have a blob taken from the repository `origin` of the same registry, with no byte sent.

        False where the registry would have it uploaded; nothing is left begun.
        """
        reply = self._ask(
            "POST",
            repository,
            f"blobs/uploads/?{urlencode({'mount': digest, 'from': origin})}",
            {},
            TOKEN_LIMIT,
            what=self._named(repository, digest),
            body=b"",
            origin=origin,
        )
        if reply.status == 201:
            return True
        self._cancel_upload(repository, self._place(reply))
        return False

    def tags(self, repository: str) -> Iterator[str]:
        """All tags, page after page. Raises `NotFound` where there is no such repository."""
        for page in self._pages(repository, "tags/list?n=1000"):
            for each in _list(page.get("tags")):
                if isinstance(each, str):
                    yield each

    def referrers(
        self, repository: str, digest: str, artifact_type: str = ""
    ) -> tuple[dict[str, Any], ...] | None:
        """Descriptors of what refers to a digest; None where the registry has no such API."""
        query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
        try:
            pages = list(self._pages(repository, f"referrers/{digest}{query}"))
        except (NotFound, ReadOnly, NotAccepted):
            return None
        found = (each for page in pages for each in _list(page.get("manifests")))
        return tuple(
            each
            for each in found
            # A registry may leave the filter to us.
            if isinstance(each, dict) and artifact_type in ("", each.get("artifactType"))
        )

    def check_writable(self, repository: str) -> None:
        """Begin an upload and cancel it. Raises what a push would, and leaves nothing there."""
        self._cancel_upload(repository, self._start_upload(repository))

    def _cancel_upload(self, repository: str, place: Url) -> None:
        # One that can't be ended ends by itself; that it could begin was the question.
        with suppress(MidstreamError):
            self._send(
                "DELETE", place, repository, {}, TOKEN_LIMIT, what=f"an upload to `{repository}`"
            )

    def _start_upload(self, repository: str) -> Url:
        reply = self._ask(
            "POST",
            repository,
            "blobs/uploads/",
            {},
            TOKEN_LIMIT,
            what=f"`{self.endpoint.host}/{repository}`",
            body=b"",
        )
        return self._place(reply)

    def _place(self, reply: Reply) -> Url:
        """Where an upload goes on. Raises `BadReply`."""
        location = reply.header("Location")
        if not location:
            raise BadReply(f"`{self.endpoint.host}` began an upload without saying where")
        place = reply.url.join(location)
        if place.scheme == "http" and not self.endpoint.plain:
            raise BadReply(f"`{self.endpoint.host}` wants an upload without TLS")
        return place

    def _pages(self, repository: str, path: str) -> Iterator[dict[str, Any]]:
        what = f"`{self.endpoint.host}/{repository}`"
        url: Url | None = self._url(repository, path)
        seen: set[str] = set()
        while url is not None:
            if str(url) in seen or len(seen) >= _MOST_PAGES:
                raise BadReply(f"`{self.endpoint.host}` pages in a circle")
            seen.add(str(url))
            accept = {"Accept": f"{OCI_INDEX}, application/json"}
            reply = self._send("GET", url, repository, accept, _PAGE_LIMIT, what=what)
            yield json_object(reply.body, f"the answer of `{self.endpoint.host}`")
            url = _next_page(reply)

    def _ask(
        self,
        method: str,
        repository: str,
        path: str,
        headers: Mapping[str, str],
        limit: int,
        *,
        what: str,
        body: bytes | None = None,
        origin: str = "",
    ) -> Reply:
        url = self._url(repository, path)
        return self._send(
            method, url, repository, headers, limit, what=what, body=body, origin=origin
        )

    def _send(
        self,
        method: str,
        url: Url,
        repository: str,
        headers: Mapping[str, str],
        limit: int,
        *,
        what: str,
        body: bytes | None = None,
        origin: str = "",
    ) -> Reply:
        access = Access(repository, method not in ("GET", "HEAD"), origin)

        def ask() -> Reply:
            return self._send_once(method, url, access, headers, limit, what=what, body=body)

        return self._around(ask) if self._around else ask()

    def _send_once(
        self,
        method: str,
        url: Url,
        access: Access,
        headers: Mapping[str, str],
        limit: int,
        *,
        what: str,
        body: bytes | None,
    ) -> Reply:
        """Ask with what authorization is known; on a 401, once more with what it asks for."""
        limit = max(limit, TOKEN_LIMIT)  # an error has a body too
        reply = self._follow(method, url, headers, self._keys.known(access), limit, body)
        if reply.status == 401 and reply.url.origin == self._root.origin:
            key = self._keys.answer(reply, access)
            if key:
                reply = self._follow(method, url, headers, key, limit, body)
        if reply.status >= 300:
            raise self._refusal(reply, what)
        return reply

    def _follow(
        self,
        method: str,
        url: Url,
        headers: Mapping[str, str],
        key: str,
        limit: int,
        body: bytes | None,
    ) -> Reply:
        """Follow redirects of reads. The key goes to the registry, and to no other host."""
        for _ in range(_MOST_REDIRECTS + 1):
            ours = key and url.origin == self._root.origin
            sent = {**headers, "Authorization": key} if ours else headers
            reply = self._connections.exchange(method, url, sent, body, limit=limit)
            location = reply.header("Location")
            if method not in ("GET", "HEAD") or not location or reply.status not in _REDIRECTS:
                return reply
            target = url.join(location)
            if url.scheme == "https" and target.scheme == "http":
                raise BadReply(f"`{url.host}` sends us to an address without TLS")
            url = target
        raise BadReply(f"`{self.endpoint.host}` redirects in a circle")

    def _url(self, repository: str, path: str) -> Url:
        return replace(self._root, target=f"/v2/{quote(repository)}/{path}")

    @cached_property
    def _root(self) -> Url:
        return self.endpoint.url

    def _named(self, repository: str, reference: str) -> str:
        joint = "@" if ":" in reference else ":"
        return f"`{self.endpoint.host}/{repository}{joint}{reference}`"

    def _refusal(self, reply: Reply, what: str) -> MidstreamError:
        return refusal(reply, what, self.endpoint.host, self._keys.secrets)


def _next_page(reply: Reply) -> Url | None:
    for each in re.finditer(r"<([^>]*)>([^<]*)", reply.header("Link") or ""):
        if re.search(r'rel\s*=\s*"?next\b', each[2]):
            url = reply.url.join(each[1])
            if url.origin != reply.url.origin:
                raise BadReply(f"`{reply.url.host}` has its next page on another host")
            return url
    return None


def _media_type(reply: Reply) -> str:
    """What the manifest says it is, since that is hashed; the header where it says nothing."""
    try:
        named = json.loads(reply.body).get("mediaType")
    except (ValueError, RecursionError, AttributeError):
        named = None
    if isinstance(named, str) and named:
        return named
    return (reply.header("Content-Type") or "").partition(";")[0].strip()


def _digest_like(reference: str, data: bytes) -> str:
    """The digest of the bytes by the algorithm that a reference names; sha256 for a tag."""
    algorithm = reference.partition(":")[0] if ":" in reference else "sha256"
    if algorithm not in _ALGORITHMS:
        raise IntegrityError(f"digests by `{algorithm}` can't be checked")
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def _well_formed(digest: str) -> bool:
    algorithm, _, value = digest.partition(":")
    return len(value) == _ALGORITHMS.get(algorithm) and not set(value) - set("0123456789abcdef")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ACCEPT = {"Accept": ", ".join(MANIFEST_TYPES)}
