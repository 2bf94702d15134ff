"""The door to GitHub's and GitLab's REST API: one pull request for each branch."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from msgspec import Struct

from midstream.adapters.http import Connections, Transient, Url
from midstream.errors import Exit, MidstreamError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from midstream.adapters.http import Reply

TOKENS = ("MIDSTREAM_FORGE_TOKEN", "MIDSTREAM_GIT_TOKEN")
_LARGEST = 16 * 1024 * 1024
_PAUSES = (0.5, 2.0)  # seconds before a question is asked again
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ForgeFailed(MidstreamError):
    """The forge doesn't do it, and says why."""


class ForgeForbids(MidstreamError):
    """The token is missing, wrong, or may not do this."""

    exit_code = Exit.AUTHENTICATION


class ForgeBusy(Transient):
    """Too many requests, or the forge is down: it is safe to run again."""


class Review(Struct, frozen=True):
    """An open pull request."""

    number: int
    title: str
    body: str
    url: str


class Forge(Protocol):
    """What midstream does with pull requests."""

    def find(self, branch: str, base: str) -> Review | None:
        """The open one of a branch."""

    def open(self, branch: str, base: str, title: str, body: str) -> Review:
        """A new one."""

    def update(self, review: Review, title: str, body: str) -> None:
        """Another title and description."""

    def close(self, review: Review, why: str) -> None:
        """Close it, and say why."""


class GitHub(Struct, frozen=True):
    api: Api
    owner: str
    name: str

    @property
    def _top(self) -> str:
        return f"repos/{quote(self.owner)}/{quote(self.name)}"

    def find(self, branch: str, base: str) -> Review | None:
        asked = urlencode({"state": "open", "head": f"{self.owner}:{branch}", "base": base})
        found = self.api.ask("GET", f"{self._top}/pulls?{asked}")
        ours = [each for each in found if each["head"]["ref"] == branch]
        return _of_github(ours[0]) if ours else None

    def open(self, branch: str, base: str, title: str, body: str) -> Review:
        content = {"title": title, "head": branch, "base": base, "body": body}
        return _of_github(self.api.ask("POST", f"{self._top}/pulls", content))

    def update(self, review: Review, title: str, body: str) -> None:
        self.api.ask("PATCH", f"{self._top}/pulls/{review.number}", {"title": title, "body": body})

    def close(self, review: Review, why: str) -> None:
        self.api.ask("POST", f"{self._top}/issues/{review.number}/comments", {"body": why})
        self.api.ask("PATCH", f"{self._top}/pulls/{review.number}", {"state": "closed"})


class GitLab(Struct, frozen=True):
    api: Api
    path: str

    @property
    def _top(self) -> str:
        return f"projects/{quote(self.path, safe='')}/merge_requests"

    def find(self, branch: str, base: str) -> Review | None:
        asked = urlencode({"state": "opened", "source_branch": branch, "target_branch": base})
        found = self.api.ask("GET", f"{self._top}?{asked}")
        ours = [each for each in found if each["source_branch"] == branch]
        return _of_gitlab(ours[0]) if ours else None

    def open(self, branch: str, base: str, title: str, body: str) -> Review:
        content = {"source_branch": branch, "target_branch": base, "title": title}
        return _of_gitlab(self.api.ask("POST", self._top, {**content, "description": body}))

    def update(self, review: Review, title: str, body: str) -> None:
        content = {"title": title, "description": body}
        self.api.ask("PUT", f"{self._top}/{review.number}", content)

    def close(self, review: Review, why: str) -> None:
        self.api.ask("POST", f"{self._top}/{review.number}/notes", {"body": why})
        self.api.ask("PUT", f"{self._top}/{review.number}", {"state_event": "close"})


class Api(Struct, frozen=True):
    """A REST API of one forge. A question is asked again where it is safe; a change never is."""

    root: Url
    headers: Mapping[str, str]
    connections: Connections

    def ask(self, method: str, path: str, content: object = None) -> Any:
        """What it answers. Raises `ForgeFailed` and its kin."""
        pauses = _PAUSES if method == "GET" else ()
        for pause in pauses:
            try:
                return self._once(method, path, content)
            except Transient as error:
                if (error.retry_after or 0) > pause * 10:
                    raise
                time.sleep(error.retry_after or pause)
        return self._once(method, path, content)

    def _once(self, method: str, path: str, content: object) -> Any:
        url = self.root.join(path)
        body = None if content is None else json.dumps(content).encode()
        reply = self.connections.exchange(method, url, self.headers, body, limit=_LARGEST)
        if reply.status not in (200, 201):
            raise _failure(method, reply)
        try:
            return json.loads(reply.body)
        except ValueError:
            raise ForgeFailed(f"`{url.authority}` doesn't answer in JSON") from None


@contextmanager
def open_forge(kind: str, repository: str) -> Iterator[Forge]:
    """The forge that a repository's URL leads to. Raises `UsageError` and `ForgeForbids`."""
    connections = Connections()
    try:
        yield _forge(kind, repository, connections)
    finally:
        connections.close()


def _forge(kind: str, repository: str, connections: Connections) -> Forge:
    parts = urlsplit(repository)
    path = parts.path.strip("/").removesuffix(".git")
    if "/" not in path or not parts.hostname:
        raise UsageError(f"`{repository}` is no repository of a forge")
    api = Api(_root(kind, parts.hostname), _headers(kind), connections)
    if kind == "gitlab":
        return GitLab(api, path)
    owner, name = path.split("/")[-2:]
    return GitHub(api, owner, name)


def _root(kind: str, host: str) -> Url:
    """Where the API is: as CI says, or by the repository's host."""
    said = os.environ.get({"github": "GITHUB_API_URL", "gitlab": "CI_API_V4_URL"}[kind])
    on_host = f"https://{host}/api/{'v4' if kind == 'gitlab' else 'v3'}"
    default = "https://api.github.com" if host == "github.com" else on_host
    url = Url.parse(f"{(said or default).rstrip('/')}/")
    if url.scheme != "https" and url.host not in _LOOPBACK:
        raise UsageError(f"the token isn't sent to `{url.authority}`, which speaks no TLS")
    return url


def _headers(kind: str) -> dict[str, str]:
    token = next((os.environ[name] for name in TOKENS if os.environ.get(name)), None)
    if token is None:
        raise ForgeForbids("there is no token for the forge", help=f"set {TOKENS[0]}")
    both = {"Content-Type": "application/json"}
    if kind == "gitlab":
        return {**both, "PRIVATE-TOKEN": token}
    accepts = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    return {**both, **accepts, "Authorization": f"Bearer {token}"}


def _failure(method: str, reply: Reply) -> MidstreamError:
    said = _said(reply)
    where = f"`{reply.url.authority}` answers {reply.status} to {method} {reply.url.target}"
    limited = reply.status == 403 and reply.header("x-ratelimit-remaining") == "0"
    if reply.status == 429 or limited or reply.status >= 500:
        wait = reply.header("retry-after") or ""
        return ForgeBusy(where, help=said, retry_after=float(wait) if wait.isdigit() else None)
    if reply.status in (401, 403):
        return ForgeForbids(where, help=said or "may the token write pull requests?")
    return ForgeFailed(where, help=said or "may the token read that repository?")


def _said(reply: Reply) -> str | None:
    """The forge's own words, where it has some."""
    try:
        content = json.loads(reply.body)
        message = content.get("message") or content.get("error")
        errors = [str(e.get("message", e)) if isinstance(e, dict) else str(e)
                  for e in content.get("errors", [])]  # fmt: skip
    except (ValueError, AttributeError, TypeError):
        return None
    return "; ".join([str(message), *errors])[:500] if message else None


def _of_github(content: Mapping[str, Any]) -> Review:
    return Review(content["number"], content["title"], content["body"] or "", content["html_url"])


def _of_gitlab(content: Mapping[str, Any]) -> Review:
    return Review(
        content["iid"], content["title"], content["description"] or "", content["web_url"]
    )
