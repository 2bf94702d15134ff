"""Names of images: read once, where they come in, by a grammar of our own.

Stricter than skopeo's: nothing is guessed (no short name, no `latest` that nobody wrote), a
reference has a tag or a digest and never both, and no text that could be taken for an option, a
transport or another host gets as far as a command line.
"""

from __future__ import annotations

import re
from typing import NewType, Self

from msgspec import Struct

from midstream.errors import UsageError

Digest = NewType("Digest", str)
"""`sha256:` and 64 hexadecimal digits: the one name of an image that nobody can move."""
Tag = NewType("Tag", str)

_NAME_LIMIT = 255  # of host and path together, as skopeo before 1.14 counts
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]{{1,5}})?", re.ASCII)
_PATH = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_TRANSPORTS = frozenset({
    "atomic", "containers-storage", "dir", "docker", "docker-archive", "docker-daemon", "http",
    "https", "oci", "oci-archive", "ostree", "sif", "tarball",
})  # fmt: skip


class InvalidReference(UsageError):
    """A text that is no reference, and why."""


class Repository(Struct, frozen=True, order=True):
    """Where images of one name are: `quay.io/vllm/vllm-rocm`."""

    host: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        _no_transport(text)
        if _path_has_more(text):
            raise _invalid(text, "a repository has no tag and no digest here")
        return cls(*_split(text, text))

    def tagged(self, tag: str) -> Reference:
        return Reference(self, tag=parse_tag(tag))

    def pinned(self, digest: str) -> Reference:
        return Reference(self, digest=parse_digest(digest))

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


class Reference(Struct, frozen=True):
    """One image: its repository, and either a tag or a digest."""

    repository: Repository
    tag: Tag | None = None
    digest: Digest | None = None

    def __post_init__(self) -> None:
        if (self.tag is None) is (self.digest is None):
            raise ValueError("a reference has a tag or a digest, and never both")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `InvalidReference` for everything that is not a whole, plain reference."""
        _no_transport(text)
        before, at, digest = text.partition("@")
        slash = before.rfind("/")
        colon = before.find(":", slash + 1) if slash >= 0 else -1
        name, tag = (before[:colon], before[colon + 1 :]) if colon >= 0 else (before, None)
        if at and tag is not None:
            raise _invalid(text, "it has a tag and a digest; name it by its digest alone")
        repository = Repository(*_split(name, text))
        if at:
            return cls(repository, digest=parse_digest(digest))
        if tag is None:
            raise _invalid(text, "it has no tag and no digest; nothing is taken for granted")
        return cls(repository, tag=parse_tag(tag))

    @property
    def name(self) -> str:
        """The tag, or the digest: what the registry is asked for."""
        return self.tag or self.digest or ""

    def __str__(self) -> str:
        return f"{self.repository}{'@' if self.digest else ':'}{self.name}"


def parse_tag(text: str) -> Tag:
    if _TAG.fullmatch(text) is None:
        why = f"is {len(text)} characters long, and 128 are the most"
        if len(text) <= 128:
            why = "is no tag: letters, digits, `_`, `.` and `-`, and no `.` or `-` at its start"
        raise InvalidReference(f"`{_shown(text)}` {why}")
    return Tag(text)


def parse_digest(text: str) -> Digest:
    if _DIGEST.fullmatch(text) is None:
        raise InvalidReference(
            f"`{_shown(text)}` is no digest", help="it is `sha256:` and 64 of 0-9 and a-f"
        )
    return Digest(text)


def tag_of(version: str) -> Tag:
    """A version as a tag: `0.33.0+cu130` is `0.33.0_cu130`, since a tag has no `+`."""
    return parse_tag(version.replace("+", "_"))


def _split(name: str, text: str) -> tuple[str, str]:
    host, slash, path = name.partition("/")
    if not slash or not _is_host(host):
        raise _invalid(text, "it does not begin with a registry, like `quay.io/`")
    if _HOST.fullmatch(host) is None and _HOST.fullmatch(host.lower()):
        raise _invalid(text, "a registry's name is written in lower case")
    if _HOST.fullmatch(host) is None:
        raise _invalid(text, f"`{_shown(host)}` is no registry's name")
    if _PATH.fullmatch(path) is None:
        raise _invalid(text, f"`{_shown(path)}` is no repository's name")
    if len(name) > _NAME_LIMIT:
        raise _invalid(text, f"its name has {len(name)} characters, and {_NAME_LIMIT} are the most")
    return host, path


def _is_host(text: str) -> bool:
    """What docker takes for a registry: otherwise `vllm/app` would be on Docker Hub."""
    return ("." in text or ":" in text or text == "localhost") and not text.startswith(("-", "."))


def _path_has_more(text: str) -> bool:
    return "@" in text or ":" in text.partition("/")[2]


def _no_transport(text: str) -> None:
    before, colon, rest = text.partition(":")
    if colon and (before in _TRANSPORTS or rest.startswith("//")):
        raise _invalid(text, f"it begins with the transport `{_shown(before)}:`; leave that out")


def _invalid(text: str, why: str) -> InvalidReference:
    return InvalidReference(
        f"`{_shown(text)}` is no image reference: {why}",
        help="write it in full: quay.io/vllm/vllm-rocm:TAG or quay.io/vllm/vllm-rocm@sha256:…",
    )


def _shown(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:60]}…"
