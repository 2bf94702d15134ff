"""Pull requests of one repository, by the parts of both REST APIs that midstream uses.

It refuses what the real ones refuse: no token, a second request for a branch, a body that is too
long. `answers` holds statuses that are given instead, one for each request to come.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from serving import Quiet, Serving

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.server import BaseHTTPRequestHandler

TOKEN = "a token"
LONGEST = 65_536


@dataclass
class Pull:
    number: int
    branch: str
    base: str
    title: str
    body: str
    is_open: bool = True
    notes: list[str] = field(default_factory=list)


class ForgeDouble(Serving):
    """A running forge. `asked` holds method and path of every request so far."""

    def __init__(self) -> None:
        self.pulls: list[Pull] = []
        self.asked: list[tuple[str, str]] = []
        self.answers: list[tuple[int, Mapping[str, str]]] = []
        super().__init__()

    @property
    def url(self) -> str:
        return f"{self.root}/api"

    @property
    def writes(self) -> list[str]:
        return [method for method, _ in self.asked if method != "GET"]

    # --- what it does ---

    def answer(self, method: str, target: str, sent: Mapping[str, Any]) -> tuple[int, Any]:
        parts = urlsplit(target)
        path = unquote(parts.path.removeprefix("/api/"))
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if path.startswith("repos/team/midstream/"):
            return self._github(method, path.removeprefix("repos/team/midstream/"), asked, sent)
        if path.startswith("projects/team/midstream/merge_requests"):
            rest = path.removeprefix("projects/team/midstream/merge_requests").strip("/")
            return self._gitlab(method, rest, asked, sent)
        return 404, {"message": "Not Found"}

    def _github(
        self, method: str, path: str, asked: Mapping[str, str], sent: Mapping[str, Any]
    ) -> tuple[int, Any]:
        if (method, path) == ("GET", "pulls"):
            owner, _, branch = asked["head"].partition(":")
            found = [p for p in self._open(branch) if owner == "team" and p.base == asked["base"]]
            return 200, [_as_github(each) for each in found]
        if (method, path) == ("POST", "pulls"):
            return self._made(sent["head"], sent["base"], sent["title"], sent["body"], _as_github)
        number = int((re.search(r"\d+", path) or ["0"])[0])
        pull = self.pulls[number - 1]
        if path.endswith("/comments"):
            pull.notes.append(sent["body"])
            return 201, {}
        return self._changed(
            pull, sent.get("title"), sent.get("body"), sent.get("state") == "closed", _as_github
        )

    def _gitlab(
        self, method: str, path: str, asked: Mapping[str, str], sent: Mapping[str, Any]
    ) -> tuple[int, Any]:
        if method == "GET":
            found = [
                p for p in self._open(asked["source_branch"]) if p.base == asked["target_branch"]
            ]
            return 200, [_as_gitlab(each) for each in found]
        if path == "":
            wanted = (sent["source_branch"], sent["target_branch"], sent["title"])
            return self._made(*wanted, sent["description"], _as_gitlab)
        pull = self.pulls[int(path.split("/")[0]) - 1]
        if path.endswith("/notes"):
            pull.notes.append(sent["body"])
            return 201, {}
        closes = sent.get("state_event") == "close"
        return self._changed(pull, sent.get("title"), sent.get("description"), closes, _as_gitlab)

    def _open(self, branch: str) -> list[Pull]:
        return [each for each in self.pulls if each.is_open and each.branch == branch]

    def _made(self, branch: str, base: str, title: str, body: str, shown: Any) -> tuple[int, Any]:
        if self._open(branch):
            said = f"A pull request already exists for team:{branch}."
            return 422, {"message": "Validation Failed", "errors": [{"message": said}]}
        if len(body) > LONGEST:
            return 422, {"message": "body is too long (maximum is 65536 characters)"}
        self.pulls.append(Pull(len(self.pulls) + 1, branch, base, title, body))
        return 201, shown(self.pulls[-1])

    def _changed(
        self, pull: Pull, title: str | None, body: str | None, closes: bool, shown: Any
    ) -> tuple[int, Any]:
        pull.title, pull.body = title or pull.title, body or pull.body
        pull.is_open = pull.is_open and not closes
        return 200, shown(pull)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        forge = self

        class Handler(Quiet):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                sent = json.loads(self.rfile.read(size) or b"{}")
                forge.asked.append((self.command, self.path))
                extra: Mapping[str, str] = {}
                tokens = (self.headers.get("Authorization"), self.headers.get("PRIVATE-TOKEN"))
                if forge.answers:
                    status, extra = forge.answers.pop(0)
                    content: Any = {"message": "As the test says"}
                elif f"Bearer {TOKEN}" not in tokens and TOKEN not in tokens:
                    status, content = 401, {"message": "Bad credentials"}
                else:
                    status, content = forge.answer(self.command, self.path, sent)
                data = json.dumps(content).encode()
                self.send_response(status)
                for name, value in {**extra, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_PUT = _serve  # noqa: N815 - the server's names

        return Handler


def _as_github(pull: Pull) -> dict[str, Any]:
    return {
        "number": pull.number, "title": pull.title, "body": pull.body,
        "head": {"ref": pull.branch}, "html_url": f"https://forge.example/pull/{pull.number}",
    }  # fmt: skip


def _as_gitlab(pull: Pull) -> dict[str, Any]:
    return {
        "iid": pull.number, "title": pull.title, "description": pull.body,
        "source_branch": pull.branch, "web_url": f"https://forge.example/mr/{pull.number}",
    }  # fmt: skip
