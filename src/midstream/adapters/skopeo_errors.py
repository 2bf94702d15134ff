"""What skopeo's words mean. It ends with 1 for everything, and says the rest in prose.

Names are taken out before a word is looked for: a tag called `unauthorized`, a repository called
`quota` or a digest that holds `429` says nothing about what went wrong.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Protocol

from midstream.adapters.http import (
    ConnectionLost,
    NotTrusted,
    TooSlow,
    Transient,
    UnknownHost,
    Unreachable,
)
from midstream.adapters.registry_errors import (
    Denied,
    Expired,
    Immutable,
    NotAccepted,
    NotFound,
    QuotaExceeded,
    ReadOnly,
    RegistryError,
    ServerTrouble,
    TooManyRequests,
    Unauthorized,
)
from midstream.errors import Exit, IntegrityError, MidstreamError, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from midstream.adapters.process import Finished


class Named(Protocol):
    """What an image is called in what skopeo prints."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def argument(self) -> str: ...
    @property
    def repository(self) -> str: ...


class SkopeoFailed(MidstreamError):
    """In words that we don't know."""

    exit_code = Exit.OUTSIDE


class SkopeoStopped(MidstreamError):
    """By a signal: ours at an interrupt, or the kernel's when memory ran out."""

    exit_code = Exit.TRANSIENT


class MisusedSkopeo(MidstreamError):
    """We called it wrongly: a defect of ours, or a version that nobody has tried."""

    exit_code = Exit.BUG


class Damaged(IntegrityError):
    """Bytes that skopeo read don't hash to what they should. Reading again may help."""


class Incomplete(NotFound):
    """The image is there, and a part of it is not: a platform, a layer, its configuration."""

    says = "a part of {what} is missing"


class Masked(Transient):
    """skopeo hid the registry's answer behind one about converting a list. It may be transient."""


class PolicyRejected(Refused):
    """The signature policy does not allow this image."""


class LocalTrouble(MidstreamError):
    """A file that skopeo reads or writes on this machine can't be used."""

    exit_code = Exit.USAGE


def classify(done: Finished, images: Sequence[Named], secrets: Iterable[str]) -> MidstreamError:
    """The error that an outcome is, with skopeo's own words, short and without names or secrets."""
    said = scrub(_last_message(done.stderr), images)
    for each in sorted(secrets, key=len, reverse=True):
        said = said.replace(each, "…")
    if not done.exit_code:
        return MisusedSkopeo("skopeo printed its usage and did nothing")
    kind = kind_of(said, done.exit_code)
    message = f"skopeo: {said[-300:] or f'ended with {done.exit_code} and said nothing'}"
    if issubclass(kind, RegistryError):
        return kind(message)
    return kind(message, help=_HELP.get(kind))


def kind_of(said: str, exit_code: int = 1) -> type[MidstreamError]:
    """By scrubbed text. The first that fits: the more telling ones come first."""
    for pattern, kind in _KINDS:
        if pattern.search(said):
            return kind
    return NotFound if exit_code == 2 else SkopeoFailed  # 2 says so from 1.16 on


def scrub(text: str, images: Sequence[Named]) -> str:
    """The text without anything that a person or a registry made up: names, URLs, digests."""
    for image in images:
        text = text.replace(image.argument, "…").replace(image.argument[9:], "…")
    text = re.sub(
        r"(reading|uploading) manifest \S+ (in|to) \S+?(?=:\s|$|\))", r"\1 manifest …", text
    )
    for image in images:
        text = text.replace(image.name, "…")
        text = re.sub(rf"repository {re.escape(image.repository)}(?=[:\s])", "repository …", text)
    text = re.sub(r"https?://[^\s\"']+", "…", text)
    text = re.sub(r"/v2/\S*", "…", text)
    for image in images:
        text = re.sub(rf"(?<![\w.-]){re.escape(image.address)}(?![\w-])", "…", text)
        host = image.address.partition(":")[0]
        text = re.sub(rf"lookup {re.escape(host)}(?![\w-])", "lookup …", text)
    text = re.sub(r"(?:docker|docker-daemon|oci|dir)://\S+", "…", text)
    return re.sub(r"sha(?:256|512):[0-9a-f]+", "sha256:…", text)


def _last_message(stderr: bytes) -> str:
    """The text of the last fatal line: logfmt, with Go's quoting; else the last line at all."""
    lines = [each for each in stderr.decode(errors="replace").splitlines() if each.strip()]
    if not lines:
        return ""
    fatal = [each for each in lines if "level=fatal" in each]
    line = (fatal or lines)[-1]
    found = re.search(r'msg=("(?:[^"\\]|\\.)*"|\S+)', line)
    if found is None:
        return re.sub(r"^FATA\[\d+\]\s*", "", line)
    text = found[1]
    if text.startswith('"'):
        try:
            text = str(json.loads(text))
        except ValueError:  # Go escapes some characters in ways of its own
            text = text[1:-1].replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
    return " ".join(text.split())


def _kind(words: str, kind: type[MidstreamError]) -> tuple[re.Pattern[str], type[MidstreamError]]:
    return re.compile(words, re.IGNORECASE), kind


_STATUS = r"(?:status code from registry |StatusCode: |HTTP status: |\(|: )"
_KINDS = (
    _kind(r"Source image rejected|rejected by policy|signature was required", PolicyRejected),
    _kind(
        r"loading trust policy|invalid policy in|loading registries conf|reading JSON file"
        r"|unmarshaling JSON at|getting username and password|is blocked in|no space left on device"
        r"|read-only file system|: permission denied$",
        LocalTrouble,
    ),
    _kind(
        r"unknown (?:shorthand )?flag|invalid argument .* flag|Unrecognized command"
        r"|Exactly (?:one|two) arguments? expected|Cannot use --all|unknown transport"
        r"|invalid reference format|Invalid (?:source|destination|image) name",
        MisusedSkopeo,
    ),
    _kind(r"x509:|\btls: |server gave HTTP response to HTTPS client", NotTrusted),
    _kind(r"no such host", UnknownHost),
    _kind(r"server misbehaving|lookup .*: i/o timeout", Unreachable),
    _kind(r"connection refused|no route to host|network is unreachable", Unreachable),
    _kind(
        r"Digest did not match|does not match (?:provided|expected)|digest invalid"
        r"|would not match destination",
        Damaged,
    ),
    _kind(
        r"deadline exceeded|i/o timeout|TLS handshake timeout|timeout awaiting|Client\.Timeout",
        TooSlow,
    ),
    _kind(
        r"connection reset|broken pipe|unexpected EOF|: EOF(?=$|\))|use of closed network|GOAWAY"
        r"|server closed|stream error",
        ConnectionLost,
    ),
    _kind(rf"toomanyrequests|too many requests|{_STATUS}429\b", TooManyRequests),
    _kind(r"tag is immutable|immutable tag|TAG_IMMUTABLE|is immutable", Immutable),
    _kind(r"(?:denied|unknown): .*quota|quota (?:has been )?exceeded", QuotaExceeded),
    _kind(r"Tag .*has expired|TAG_EXPIRED", Expired),
    _kind(r"manifest blob unknown|blob unknown to registry", Incomplete),
    _kind(r"reading (?:config )?blob .* 404\b", Incomplete),
    _kind(r"copying image \d+/\d+ from manifest list: .*manifest unknown", Incomplete),
    _kind(r"manifest unknown|name unknown|Image may not exist|repository not found", NotFound),
    _kind(rf"{_STATUS}404\b", NotFound),
    _kind(r"unauthorized\b|authentication required|invalid username/password", Unauthorized),
    _kind(rf"{_STATUS}401\b", Unauthorized),
    _kind(rf"{_STATUS}(?:413|507)\b", NotAccepted),
    _kind(rf"{_STATUS}405\b|unsupported: |operation is unsupported", ReadOnly),
    _kind(rf"(?:^|: )denied\b|{_STATUS}403\b", Denied),
    _kind(rf"{_STATUS}5\d\d\b", ServerTrouble),
    _kind(r"Manifest list must be converted", Masked),
    _kind(
        r"manifest invalid|tag invalid|invalid character|unexpected end of JSON"
        r"|received a manifest list instead|unsupported image-specific operation|name invalid",
        NotAccepted,
    ),
)
_HELP: dict[type[MidstreamError], str] = {
    NotTrusted: "name its authority as `ca:` in the registries file; the check is never left out",
    PolicyRejected: "the policy file that `--policy` names says which images are allowed",
    UnknownHost: "look at the spelling of the registry",
}
