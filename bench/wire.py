"""git's own daemon on 127.0.0.1, behind a counter of what goes through."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Wire:
    """Carries bytes to the daemon and back. `received` and `sent` are seen from the client."""

    def __init__(self, port: int) -> None:
        self.received = self.sent = self.connections = 0
        self._to = port
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def forget(self) -> None:
        self.received = self.sent = self.connections = 0

    def close(self) -> None:
        self._door.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                self.connections += 1
                server = socket.create_connection(("127.0.0.1", self._to))
                for ends in ((client, server, "sent"), (server, client, "received")):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, counter: str) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                setattr(self, counter, getattr(self, counter) + len(data))
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextmanager
def served(base: Path) -> Iterator[tuple[str, Wire]]:
    """The URL under which the repositories below `base` are found, and the counter."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon = subprocess.Popen(
        [
            shutil.which("git") or "git", "daemon", "--listen=127.0.0.1", f"--port={port}",
            f"--base-path={base}", "--export-all", "--reuseaddr",
        ],
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    _wait_for(port)
    wire = Wire(port)
    try:
        yield f"git://127.0.0.1:{wire.port}", wire
    finally:
        wire.close()
        os.killpg(daemon.pid, 15)
        daemon.wait(timeout=20)


def _wait_for(port: int) -> None:
    for _ in range(500):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError("git daemon doesn't answer")
