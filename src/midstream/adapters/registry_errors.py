"""What a registry says when it says no, as errors in a person's words."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, ClassVar

from midstream.adapters.http import Transient
from midstream.errors import Exit, MidstreamError

if TYPE_CHECKING:
    from midstream.adapters.http import Reply


class RegistryError(MidstreamError):
    """A registry said no. `code` is its own word for it (`MANIFEST_UNKNOWN`, `TAG_EXPIRED`)."""

    exit_code = Exit.OUTSIDE
    says: ClassVar[str] = "`{host}` answered {status} for {what}"
    way_out: ClassVar[str | None] = None

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(message, help=self.way_out)
        self.status = status
        self.code = code


class NotFound(RegistryError):
    """There is no such manifest, tag, blob or repository, or we may not know of it."""

    says = "there is no {what}"


class Expired(NotFound):
    """The tag was there, and its time has run out (quay says so)."""

    says = "{what} has expired"


class Unauthorized(RegistryError):
    """No login, or one that is refused. Some say this of a repository that isn't there."""

    exit_code = Exit.AUTHENTICATION
    says = "`{host}` wants a login for {what}"
    way_out = "log in with `skopeo login`; some registries say this of what isn't there, too"


class Denied(RegistryError):
    """The login is good, and may not do this."""

    exit_code = Exit.AUTHENTICATION
    says = "`{host}` does not allow {what}"


class QuotaExceeded(RegistryError):
    """The destination's owner has no room left."""

    says = "`{host}` has no room for {what}"


class ReadOnly(RegistryError):
    """The registry takes nothing at the moment, or never."""

    says = "`{host}` does not take {what}"


class Immutable(RegistryError):
    """The registry itself holds the tag fast."""

    exit_code = Exit.REFUSED
    says = "`{host}` does not let {what} change"


class NotAccepted(RegistryError):
    """The registry found a manifest, blob or name invalid."""


class ServerTrouble(Transient):
    """The registry answered with 5xx, or asked to slow down (429, `retry_after`)."""

    def __init__(
        self,
        message: str,
        *,
        help: str | None = None,
        retry_after: float | None = None,
        status: int = 0,
    ) -> None:
        super().__init__(message, help=help, retry_after=retry_after)
        self.status = status


class TooManyRequests(ServerTrouble):
    """429. All work on this registry should pause for `retry_after`."""


def refusal(reply: Reply, what: str, host: str, secrets: set[str]) -> MidstreamError:
    """What a status of 300 or more means, in a person's words."""
    code, said = _said(reply, secrets)
    words, status = (f": {said}" if said else ""), reply.status
    if status == 429:
        pause = _retry_after(reply)
        return TooManyRequests(f"`{host}` asks to slow down", retry_after=pause, status=429)
    if status >= 500 or status == 408:
        message = f"`{host}` answered {status} for {what}{words}"
        return ServerTrouble(message, retry_after=_retry_after(reply), status=status)
    kind = _kind(status, code, said.lower())
    message = kind.says.format(host=host, what=what, status=status) + words
    return kind(message, status=status, code=code)


def _kind(status: int, code: str, said: str) -> type[RegistryError]:
    if code == "TAG_EXPIRED":
        return Expired
    if code == "MANIFEST_BLOB_UNKNOWN":  # said of a write, with 404 or 400
        return NotAccepted
    if status in (409, 412) or "immutable" in f"{code.lower()} {said}":
        return Immutable
    if status == 403 and "quota" in said:
        return QuotaExceeded
    return _KINDS.get(status, NotAccepted)


def _said(reply: Reply, secrets: set[str]) -> tuple[str, str]:
    """A registry's own code and words, short, on one line, and without our secrets."""
    try:
        first = json.loads(reply.body)["errors"][0]
        code, said = str(first.get("code") or ""), str(first.get("message") or "")
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        return "", ""
    for each in sorted(secrets, key=len, reverse=True):
        said = said.replace(each, "…")
    said = " ".join(said.split())
    return (code if re.fullmatch(r"[A-Z_]{1,64}", code) else ""), said[:160]


def _retry_after(reply: Reply) -> float | None:
    """Seconds, from a number or a date; None where it is neither."""
    value = (reply.header("Retry-After") or "").strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d*)?", value, re.ASCII):  # parts of a second, some send too
        return float(value)
    if not value:
        return None
    from email.utils import parsedate_to_datetime

    try:
        then = parsedate_to_datetime(value)
        # Measured by the registry's own clock, so that ours may be wrong.
        now = parsedate_to_datetime(reply.header("Date") or "")
        return max(0.0, (then - now).total_seconds())
    except (TypeError, ValueError):
        return None


_KINDS: dict[int, type[RegistryError]] = {
    401: Unauthorized, 403: Denied, 404: NotFound, 405: ReadOnly, 410: NotFound,
}  # fmt: skip
