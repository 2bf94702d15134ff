"""The distribution API in this process, with what Debian's registry lacks.

Referrers, immutable tags, mounts between repositories, pages of any length, quota, and logins by
token. skopeo pushes to it and pulls from it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from registries.exchange import Request, Response, Server
from registries.faults import error

if TYPE_CHECKING:
    import ssl

    from registries.images import Artifact

_NAME = r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
_INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(slots=True)
class Stored:
    media_type: str
    data: bytes = field(repr=False)

    @property
    def content(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.data)
        return loaded


@dataclass(slots=True)
class Repository:
    manifests: dict[str, Stored] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict, repr=False)
    uploads: dict[str, bytes] = field(default_factory=dict, repr=False)


class Double(Server):
    """Change its attributes at any time; they are what a registry's owner sets."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.repositories: dict[str, Repository] = {}
        self.has_referrers = True
        self.filters_referrers = True
        self.page_size = 100
        self.immutable = ""  # a regular expression for tags
        self.expired: set[str] = set()  # tags
        self.most_bytes: int | None = None  # of one repository's blobs
        self.read_only = False
        self.validates = True
        self.mounts = True
        self.logins: dict[str, str] = {}  # user -> password; empty: everybody may do all
        self.scheme = "bearer"
        self.anonymous_pull = False
        self._tokens: dict[str, str] = {}  # token -> scope
        self._reads: dict[str, set[str]] = {}  # token -> what else it may read
        self._store = threading.RLock()
        self._routes = (
            (r"/v2/?", self._ping),
            (r"/token", self._token),
            (rf"/v2/{_NAME}/tags/list", self._tag_list),
            (rf"/v2/{_NAME}/referrers/(?P<digest>[^/]+)", self._referrers),
            (rf"/v2/{_NAME}/manifests/(?P<reference>[^/]+)", self._manifest),
            (rf"/v2/{_NAME}/blobs/uploads/?", self._start),
            (rf"/v2/{_NAME}/blobs/uploads/(?P<upload>[^/]+)", self._upload),
            (rf"/v2/{_NAME}/blobs/(?P<digest>[^/]+)", self._blob),
        )
        super().__init__(self._answer, tls)

    def repository(self, name: str) -> Repository:
        return self.repositories.setdefault(name, Repository())

    def load(self, name: str, artifact: Artifact, *tags: str) -> str:
        """Put an image there without a request. Returns its digest."""
        with self._store:
            into = self.repository(name)
            for each in artifact.everything():
                into.manifests[each.digest] = Stored(each.media_type, each.data)
                into.blobs.update(each.blobs)
            into.tags.update(dict.fromkeys(tags, artifact.digest))
        return artifact.digest

    def holds(self, name: str, tag: str) -> str | None:
        """The digest that a tag has, without a request."""
        return self.repository(name).tags.get(tag)

    def forget_tokens(self) -> None:
        """Every token that was given has run out."""
        self._tokens.clear()

    def _answer(self, request: Request) -> Response:
        with self._store:
            refused = self._refused(request)
            if refused is not None:
                return refused
            for pattern, handler in self._routes:
                found = re.fullmatch(pattern, request.path)
                if found:
                    response: Response = handler(request, **found.groupdict())
                    return response
        return Response(404, {"Content-Type": "text/plain"}, b"404 page not found\n")

    # Who may

    def _refused(self, request: Request) -> Response | None:
        if not self.logins or request.path == "/token":
            return None
        found = re.match(rf"/v2/{_NAME}/(?:manifests|blobs|tags|referrers)/", request.path)
        action = "pull" if request.method in ("GET", "HEAD") else "push"
        given = request.header("Authorization")
        if self.scheme == "basic":
            return None if self._user(given) else _challenge('Basic realm="double"')
        if given.startswith("Bearer ") and given[7:] in self._tokens:
            scope = self._tokens[given[7:]]
            if found is None or scope == f"{found['name']}:{action}":
                return None
            if scope == f"{found['name']}:push":
                return None
        scope = f'scope="repository:{found["name"]}:pull"' if found else ""
        parts = [f'Bearer realm="{self.url}/token"', 'service="double"', *([scope] * bool(scope))]
        return _challenge(",".join(parts))

    def _user(self, given: str) -> str | None:
        if not given.startswith("Basic "):
            return None
        user, _, password = base64.b64decode(given[6:]).decode().partition(":")
        return user if user in self.logins and self.logins[user] == password else None

    def _token(self, request: Request) -> Response:
        given = request.header("Authorization")
        user = self._user(given)
        if request.method == "POST":
            user = "robot" if b"refresh_token=identity" in request.body else None
            scope = re.search(r"scope=([^&]*)", request.body.decode())
            wanted = scope[1].replace("%3A", ":").replace("%2C", ",") if scope else ""
            wanted = wanted.replace("%2F", "/")
        else:
            wanted = request.query("scope") or ""
        if (given or request.method == "POST") and user is None:
            return error(401, "UNAUTHORIZED", "incorrect username or password")
        token = uuid.uuid4().hex
        _, _, rest = wanted.partition(":")
        name, _, actions = rest.partition(":")
        may = "push" if user and "push" in actions else "pull"
        if user or self.anonymous_pull:
            self._tokens[token] = f"{name}:{may}"
            self._reads[token] = {each.split(":")[1] for each in request.queries("scope")}
        else:  # quay gives a token that is good for nothing
            self._tokens[token] = ":"
        return _json(200, {"token": token, "expires_in": 300})

    # What is there

    def _ping(self, _request: Request) -> Response:
        return _json(200, {})

    def _tag_list(self, request: Request, name: str) -> Response:
        if name not in self.repositories:
            return error(404, "NAME_UNKNOWN", "repository name not known to registry")
        tags, more = self._page(request, sorted(self.repositories[name].tags))
        return _json(200, {"name": name, "tags": tags}).having(
            headers={"Content-Type": "application/json", **more}
        )

    def _page(self, request: Request, items: list[str]) -> tuple[list[str], dict[str, str]]:
        size = min(int(request.query("n") or self.page_size), self.page_size)
        last = request.query("last") or ""
        rest = [each for each in items if each > last]
        if len(rest) <= size:
            return rest, {}
        query = urlencode({"n": size, "last": rest[size - 1]})
        return rest[:size], {"Link": f'<{request.path}?{query}>; rel="next"'}

    def _referrers(self, request: Request, name: str, digest: str) -> Response:
        if not self.has_referrers:
            return Response(404, {"Content-Type": "text/plain"}, b"404 page not found\n")
        wanted = request.query("artifactType") if self.filters_referrers else None
        found = {
            key: each
            for key, each in sorted(self.repository(name).manifests.items())
            if each.content.get("subject", {}).get("digest") == digest
            and wanted in (None, _artifact_type(each))
        }
        digests, more = self._page(request, list(found))
        listed = [_descriptor(each, found[each]) for each in digests]
        content = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": listed}
        headers = {"Content-Type": _INDEX, **more}
        if wanted:
            headers["OCI-Filters-Applied"] = "artifactType"
        return Response(200, headers, json.dumps(content).encode())

    def _manifest(self, request: Request, name: str, reference: str) -> Response:
        if request.method == "PUT":
            return self._put_manifest(request, name, reference)
        if request.method == "DELETE":
            return self._delete_manifest(name, reference)
        there = self.repositories.get(name, Repository())
        if reference in self.expired:
            return error(404, "TAG_EXPIRED", f"Tag {reference} has expired")
        digest = reference if ":" in reference else there.tags.get(reference, "")
        stored = there.manifests.get(digest)
        if stored is None:
            return error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        accepted = request.header("Accept")
        if accepted and stored.media_type not in accepted and "*/*" not in accepted:
            return error(
                404, "MANIFEST_UNKNOWN", f"accept header does not allow {stored.media_type}"
            )
        headers = {"Content-Type": stored.media_type, "Docker-Content-Digest": digest}
        headers["Content-Length"] = str(len(stored.data))
        return Response(200, headers, b"" if request.method == "HEAD" else stored.data)

    def _put_manifest(self, request: Request, name: str, reference: str) -> Response:
        if self.read_only:
            return error(405, "UNSUPPORTED", "the registry is read-only")
        digest = f"sha256:{hashlib.sha256(request.body).hexdigest()}"
        if ":" in reference and reference != digest:
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        into = self.repository(name)
        stored = Stored(request.header("Content-Type"), request.body)
        try:
            content = stored.content
        except ValueError:
            return error(400, "MANIFEST_INVALID", "manifest invalid")
        if ":" not in reference and reference in into.tags and self._holds_fast(reference):
            return error(409, "TAG_IMMUTABLE", "tag is immutable and cannot be overwritten")
        if self.validates and any(each not in self._known(into) for each in _needed(content)):
            return error(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
        into.manifests[digest] = stored
        if ":" not in reference:
            into.tags[reference] = digest
        headers = {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest}
        if self.has_referrers and "subject" in content:
            headers["OCI-Subject"] = content["subject"]["digest"]
        return Response(201, headers)

    def _holds_fast(self, tag: str) -> bool:
        """quay refuses before it compares digests, so the same image again is refused, too."""
        return bool(self.immutable) and re.fullmatch(self.immutable, tag) is not None

    @staticmethod
    def _known(into: Repository) -> set[str]:
        return set(into.blobs) | set(into.manifests)

    def _delete_manifest(self, name: str, reference: str) -> Response:
        there = self.repository(name)
        if reference not in there.manifests:
            return error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        del there.manifests[reference]
        there.tags = {tag: each for tag, each in there.tags.items() if each != reference}
        return Response(202)

    def _blob(self, request: Request, name: str, digest: str) -> Response:
        data = self.repositories.get(name, Repository()).blobs.get(digest)
        if data is None:
            return error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        headers = {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": digest,
            "Content-Length": str(len(data)),
        }
        return Response(200, headers, b"" if request.method == "HEAD" else data)

    def _start(self, request: Request, name: str) -> Response:
        if self.read_only:
            return error(405, "UNSUPPORTED", "the registry is read-only")
        into = self.repository(name)
        mounted, source = request.query("mount"), request.query("from")
        if self.mounts and mounted and source and self._may_read(request, source):
            data = self.repositories.get(source, Repository()).blobs.get(mounted)
            if data is not None:
                into.blobs[mounted] = data
                return Response(201, {"Location": f"/v2/{name}/blobs/{mounted}"})
        upload = uuid.uuid4().hex
        into.uploads[upload] = b""
        return Response(202, {"Location": f"/v2/{name}/blobs/uploads/{upload}?_state=x"})

    def _may_read(self, request: Request, name: str) -> bool:
        by_token = self.logins and self.scheme == "bearer"
        return not by_token or name in self._reads[request.header("Authorization")[7:]]

    def _upload(self, request: Request, name: str, upload: str) -> Response:
        into = self.repository(name)
        if upload not in into.uploads:
            return error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if request.method == "DELETE":
            del into.uploads[upload]
            return Response(204)
        data = into.uploads[upload] + request.body
        if request.method == "PATCH":
            into.uploads[upload] = data
            headers = {"Location": request.target, "Range": f"0-{max(0, len(data) - 1)}"}
            return Response(202, headers)
        del into.uploads[upload]
        digest = request.query("digest")
        if digest != f"sha256:{hashlib.sha256(data).hexdigest()}":
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        if self.most_bytes is not None and _size(into) + len(data) > self.most_bytes:
            return error(403, "DENIED", "Quota has been exceeded on namespace")
        into.blobs[digest] = data
        headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
        return Response(201, headers)


def _json(status: int, content: object) -> Response:
    return Response(status, {"Content-Type": "application/json"}, json.dumps(content).encode())


def _challenge(what: str) -> Response:
    return error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": what})


def _needed(content: dict[str, Any]) -> list[str]:
    parts = [*content.get("manifests", []), *content.get("layers", [])]
    if "config" in content:
        parts.append(content["config"])
    return [each["digest"] for each in parts]


def _artifact_type(stored: Stored) -> str:
    content = stored.content
    return str(content.get("artifactType") or content.get("config", {}).get("mediaType", ""))


def _descriptor(digest: str, stored: Stored) -> dict[str, Any]:
    return {
        "mediaType": stored.media_type,
        "digest": digest,
        "size": len(stored.data),
        "artifactType": _artifact_type(stored),
        "annotations": stored.content.get("annotations", {}),
    }


def _size(repository: Repository) -> int:
    return sum(len(each) for each in repository.blobs.values())
