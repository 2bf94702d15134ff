"""The keys to a registry: what it asks for, and the tokens that logins are traded for."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from msgspec import Struct

from midstream.adapters.http import BadReply, Connections, Reply, Url, json_object
from midstream.adapters.registry_errors import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from midstream.adapters import authfile
    from midstream.adapters.endpoint import Endpoint

TOKEN_LIMIT = 1 << 20  # bytes, as for all answers that say little
_CHALLENGE = re.compile(r'([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


class Access(Struct, frozen=True):
    """What a request does: reads a repository, or writes to it, with blobs of `origin` perhaps."""

    repository: str
    writes: bool
    origin: str = ""

    @property
    def scopes(self) -> list[str]:
        """As docker's token specification writes it."""
        own = f"repository:{self.repository}:{'pull,push' if self.writes else 'pull'}"
        return [own, f"repository:{self.origin}:pull"] if self.origin else [own]


class Keys:
    """The `Authorization` that each repository wants, as the registry's challenges taught us."""

    def __init__(self, endpoint: Endpoint, connections: Connections) -> None:
        self._endpoint = endpoint
        self._connections = connections
        self._authfile: authfile.Authfile | None = None
        self._known: dict[Access, str] = {}
        self._lock = threading.Lock()
        self.secrets: set[str] = set()

    def known(self, access: Access) -> str:
        """Who may write to a repository may read it, too."""
        with self._lock:
            same = self._known.get(access, "")
            writing = Access(access.repository, writes=True)
            return same if access.writes else self._known.get(writing, same)

    def answer(self, reply: Reply, access: Access) -> str:
        """The key that a 401 asks for, or none where we have no login that it would take."""
        scheme, _, rest = (reply.header("WWW-Authenticate") or "").partition(" ")
        login = self._login(access.repository)
        match scheme.lower():
            case "bearer":
                key = f"Bearer {self._token(_parameters(rest), login, access)}"
            case "basic" if login and login.user:
                key = login.basic
            case _:
                return ""
        with self._lock:
            self._known[access] = key
            self.secrets.add(key.partition(" ")[2])
        return key

    def _login(self, repository: str) -> authfile.Credentials | None:
        from midstream.adapters import authfile  # many registries never ask for a login

        with self._lock:
            if self._authfile is None:
                self._authfile = authfile.read(self._endpoint.authfile)
            host = self._endpoint.address or self._endpoint.host
            found = self._authfile.credentials(host, repository)
            self.secrets.update(found.secrets if found else ())
        return found

    def _token(
        self,
        asked: Mapping[str, str],
        login: authfile.Credentials | None,
        access: Access,
    ) -> str:
        """By docker's token specification: GET with a login or none; POST with an identity."""
        realm = Url.parse(asked.get("realm", ""))
        if realm.scheme == "http" and not self._endpoint.plain:
            raise BadReply(f"`{self._endpoint.host}` wants a login sent without TLS")
        # What the challenge names may be less than what we are about to do.
        query = [("scope", each) for each in access.scopes]
        if service := asked.get("service"):
            query.append(("service", service))
        if login and login.identity_token:
            reply = self._refresh(realm, query, login.identity_token)
        else:
            headers = {"Authorization": login.basic} if login else {}
            joint = "&" if "?" in realm.target else "?"
            url = realm.join(f"{realm.target}{joint}{urlencode(query)}")
            reply = self._connections.exchange("GET", url, headers, limit=TOKEN_LIMIT)
        if reply.status != 200:
            what = f"a token for `{self._endpoint.host}/{access.repository}`"
            raise refusal(reply, what, self._endpoint.host, self.secrets)
        content = json_object(reply.body, f"the token of `{realm.host}`")
        token = content.get("token") or content.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise BadReply(f"`{realm.host}` gave no token")
        return token

    def _refresh(self, realm: Url, query: list[tuple[str, str]], identity: str) -> Reply:
        # All scopes in one field, as OAuth has it.
        form = {
            **dict(query),
            "scope": " ".join(value for name, value in query if name == "scope"),
            "grant_type": "refresh_token",
            "client_id": "midstream",
            "refresh_token": identity,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._connections.exchange(
            "POST", realm, headers, urlencode(form).encode(), limit=TOKEN_LIMIT
        )


def _parameters(challenge: str) -> dict[str, str]:
    found = _CHALLENGE.findall(challenge)
    return {name.lower(): re.sub(r"\\(.)", r"\1", quoted) or bare for name, quoted, bare in found}
