"""What goes wrong between a client and a registry: each is a function of request and origin."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registries.exchange import NO_REPLY, Answer, Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

Behaviour = Callable[[Request, Answer], Response]


@dataclass(slots=True)
class Fault:
    """`method` and `target` are regular expressions; `target` is searched with its query.

    The first `after` requests that fit pass; then `times` go wrong (None: all of them).
    """

    method: str
    target: str
    do: Behaviour
    times: int | None = None
    after: int = 0
    seen: int = field(default=0, init=False)

    def hits(self, request: Request) -> bool:
        if not re.fullmatch(self.method, request.method):
            return False
        if not re.search(self.target, request.target):
            return False
        self.seen += 1
        return self.seen > self.after and (
            self.times is None or self.seen <= self.after + self.times
        )

    @property
    def name(self) -> str:
        return getattr(self.do, "__name__", type(self.do).__name__)


def error(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Response(status, {"Content-Type": "application/json", **(headers or {})}, body)


def answers(
    status: int, code: str = "UNKNOWN", message: str = "", headers: Mapping[str, str] | None = None
) -> Behaviour:
    """An error of the registry, in its own JSON. Nothing is done."""

    def answered(_request: Request, _origin: Answer) -> Response:
        return error(status, code, message, headers)

    return answered


def answers_html(status: int, headers: Mapping[str, str] | None = None) -> Behaviour:
    """An error of what stands before the registry."""

    def answered_html(_request: Request, _origin: Answer) -> Response:
        body = b"<html><h1>no</h1></html>"
        return Response(status, {"Content-Type": "text/html", **(headers or {})}, body)

    return answered_html


def slow_down(seconds: float | None = None) -> Behaviour:
    headers = {} if seconds is None else {"Retry-After": f"{seconds:g}"}
    return answers(429, "TOOMANYREQUESTS", "rate limited", headers)


def tag_is_immutable() -> Behaviour:
    return answers(409, "TAG_IMMUTABLE", "tag is immutable and cannot be overwritten")


def quota_exceeded() -> Behaviour:
    return answers(403, "DENIED", "Quota has been exceeded on namespace")


def resets(_request: Request, _origin: Answer) -> Response:
    """The connection breaks before anything is done."""
    return NO_REPLY


def loses_the_reply(request: Request, origin: Answer) -> Response:
    """It is done, and nobody hears of it."""
    origin(request)
    return NO_REPLY


def does_it_and_answers(status: int) -> Behaviour:
    def done_and_answered(request: Request, origin: Answer) -> Response:
        origin(request)
        return Response(status, {"Content-Type": "text/html"}, b"<html>bad gateway</html>")

    return done_and_answered


def pretends(request: Request, _origin: Answer) -> Response:
    """201 Created, and nothing is stored."""
    return Response(201, {"Location": request.path})


def truncates(at: float = 0.5) -> Behaviour:
    """The body breaks off in the middle."""

    def truncated(request: Request, origin: Answer) -> Response:
        response = origin(request)
        return response.having(cut=int(len(response.body) * at))

    return truncated


def shortens(request: Request, origin: Answer) -> Response:
    """The body is shorter, and its length says so, too."""
    response = origin(request)
    body = response.body[: len(response.body) // 2]
    return response.having(
        body=body, headers={**response.headers, "Content-Length": str(len(body))}
    )


def corrupts(request: Request, origin: Answer) -> Response:
    """One bit of the body is another."""
    response = origin(request)
    middle = len(response.body) // 2
    flipped = bytes([response.body[middle] ^ 1]) if response.body else b""
    body = response.body[:middle] + flipped + response.body[middle + 1 :]
    return response.having(body=body)


def replaces(body: bytes) -> Behaviour:
    """The registry hands out other bytes under the same name, headers and all."""

    def replaced(request: Request, origin: Answer) -> Response:
        response = origin(request)
        headers = {
            name: value
            for name, value in response.headers.items()
            if name.lower() not in ("content-length", "docker-content-digest")
        }
        return response.having(body=body, headers=headers)

    return replaced


def stalls(seconds: float) -> Behaviour:
    def stalled(_request: Request, _origin: Answer) -> Response:
        time.sleep(seconds)
        return NO_REPLY

    return stalled


def slows(seconds: float) -> Behaviour:
    def slowed(request: Request, origin: Answer) -> Response:
        time.sleep(seconds)
        return origin(request)

    return slowed


def redirects(to: str, status: int = 307) -> Behaviour:
    def redirected(_request: Request, _origin: Answer) -> Response:
        return Response(status, {"Location": to})

    return redirected


def meanwhile(happens: Callable[[], object]) -> Behaviour:
    """Something else happens just before; then the request goes its way."""

    def happened(request: Request, origin: Answer) -> Response:
        happens()
        return origin(request)

    return happened


class Lag:
    """Read-after-write lag: what is written is seen `seconds` later; before that, the old state.

    Stands on PUT and on reads of the same paths: `Fault("PUT|GET|HEAD", "/manifests/", Lag(3))`.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._stale: dict[str, tuple[float, Response]] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request, origin: Answer) -> Response:
        if request.method == "PUT":
            return self._write(request, origin)
        with self._lock:
            until, before = self._stale.get(request.path, (0.0, NO_REPLY))
        return before if time.monotonic() < until else origin(request)

    def _write(self, request: Request, origin: Answer) -> Response:
        headers = [("Accept", each) for each in _ALL_TYPES]
        headers.append(("Host", request.header("Host")))  # a real registry wants one
        before = origin(Request("GET", request.path, tuple(headers)))
        response = origin(request)
        with self._lock:
            self._stale[request.path] = (time.monotonic() + self._seconds, before)
        return response


_ALL_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
