"""A server that says what it was given, piece by piece, to whoever calls; as no good one would."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def raw(*parts: bytes, pause: float = 0) -> Iterator[str]:
    """Its URL. It is heard once, and ends the connection when all is said."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                for each in parts:
                    connection.sendall(each)
                    time.sleep(pause)
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        listening.close()
        thread.join(5)
