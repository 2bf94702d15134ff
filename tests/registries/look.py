"""What a registry really holds, and pushes to it: by plain HTTP, with no code of midstream."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from registries.images import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Artifact,
    digest_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST))


@dataclass(frozen=True, slots=True)
class Site:
    """A registry that runs: where, and how a test that may do all gets in."""

    address: str
    ca: Path | None = None
    user: str = ""
    password: str = field(default="", repr=False)

    def digest(self, repository: str, reference: str) -> str | None:
        """The hash of the bytes that a name holds now; None where it holds nothing."""
        data = self.manifest(repository, reference)
        return None if data is None else digest_of(data)

    def manifest(self, repository: str, reference: str) -> bytes | None:
        path = f"/v2/{repository}/manifests/{reference}"
        status, _, body = self.request("GET", path, headers={"Accept": _ACCEPT})
        if status == 404:
            return None
        _must(status == 200, status, body)
        return body

    def tags(self, repository: str) -> dict[str, str]:
        """Every tag with the hash of what it holds."""
        status, _, body = self.request("GET", f"/v2/{repository}/tags/list?n=1000")
        names = [] if status == 404 else json.loads(body)["tags"] or []
        return {each: self.digest(repository, each) or "" for each in names}

    def is_whole(self, repository: str, reference: str) -> bool:
        """Every manifest and every blob below a name is there, and hashes to its digest."""
        data = self.manifest(repository, reference)
        if data is None or (":" in reference and digest_of(data) != reference):
            return False
        content = json.loads(data)
        children = [each["digest"] for each in content.get("manifests", [])]
        blobs = [each["digest"] for each in content.get("layers", [])]
        blobs += [content["config"]["digest"]] if "config" in content else []
        return all(self.is_whole(repository, each) for each in children) and all(
            self._holds_blob(repository, each) for each in blobs
        )

    def push(self, repository: str, artifact: Artifact, *tags: str) -> str:
        """Push an image, each manifest by digest, then the tags. Returns its digest."""
        for each in artifact.everything():
            for digest, data in each.blobs.items():
                self._push_blob(repository, digest, data)
            self._push_manifest(repository, each, each.digest)
        for tag in tags:
            self._push_manifest(repository, artifact, tag)
        return artifact.digest

    def delete(self, repository: str, digest: str) -> None:
        status, _, body = self.request("DELETE", f"/v2/{repository}/manifests/{digest}")
        _must(status == 202, status, body)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        sent = dict(headers or {})
        if self.user:
            pair = f"{self.user}:{self.password}".encode()
            sent["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        connection = self._connection()
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self.ca is None:
            return http.client.HTTPConnection(self.address, timeout=10)
        context = ssl.create_default_context(cafile=str(self.ca))
        return http.client.HTTPSConnection(self.address, timeout=10, context=context)

    def _push_manifest(self, repository: str, artifact: Artifact, reference: str) -> None:
        status, _, body = self.request(
            "PUT",
            f"/v2/{repository}/manifests/{reference}",
            artifact.data,
            {"Content-Type": artifact.media_type},
        )
        _must(status == 201, status, body)

    def _push_blob(self, repository: str, digest: str, data: bytes) -> None:
        status, headers, body = self.request("POST", f"/v2/{repository}/blobs/uploads/", b"")
        _must(status == 202, status, body)
        place = urlsplit(headers["Location"])
        joint = "&" if place.query else ""
        path = f"{place.path}?{place.query}{joint}digest={digest}"
        octets = {"Content-Type": "application/octet-stream"}
        status, _, body = self.request("PUT", path, data, octets)
        _must(status == 201, status, body)

    def _holds_blob(self, repository: str, digest: str) -> bool:
        status, _, body = self.request("GET", f"/v2/{repository}/blobs/{digest}")
        return status == 200 and digest_of(body) == digest


def _must(true: bool, status: int, body: bytes) -> None:
    assert true, f"the registry answered {status}: {body[:300]!r}"
