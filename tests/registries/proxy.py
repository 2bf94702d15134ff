"""A registry behind a wire that goes wrong: forwards each request, and faults come between."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

from registries.exchange import Request, Response, Server

if TYPE_CHECKING:
    import ssl

_HOP = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "date"})


class Proxy(Server):
    """Forwards to the plain registry at `address`; `Host` stays, so `Location` names us."""

    def __init__(self, address: str, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(self._forward, tls)
        self._to = address

    def _forward(self, request: Request) -> Response:
        connection = http.client.HTTPConnection(self._to, timeout=30)
        try:
            connection.putrequest(
                request.method, request.target, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers:
                if name.lower() not in _HOP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body)
            answer = connection.getresponse()
            body = answer.read()
            headers = {
                name: value
                for name, value in answer.getheaders()
                if name.lower() not in _HOP or (request.method == "HEAD" and name != "Date")
            }
            return Response(answer.status, headers, body)
        finally:
            connection.close()
