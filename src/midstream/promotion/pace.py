"""How hard a registry is worked, and how long we go on: one gate for all that talk to it.

A registry that asks one of us to wait makes all of us wait. Waits end at once when `stop` is set.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from midstream.adapters.http import Transient
from midstream.errors import Exit, MidstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from midstream.promotion.plan import Pacing

_T = TypeVar("_T")


class Stopped(MidstreamError):
    """Somebody asked us to end: SIGINT, SIGTERM, or a failure that ends all."""

    exit_code = Exit.INTERRUPTED


class Patience(Struct, frozen=True):
    """How often and how long a thing is tried. Times are in seconds."""

    attempts: int = 5
    first: float = 0.5
    longest: float = 30.0
    deadline: float = 600.0

    def pause(self, attempt: int, asked: float | None) -> float:
        """After the attempt of that number, from 1 on. What was asked for is never cut short."""
        import random  # where nothing goes wrong, nobody needs it

        if asked is not None:
            return asked + random.uniform(0, self.first / 4)  # noqa: S311 - not all at one instant
        most = min(self.longest, self.first * 2 ** (attempt - 1))
        return random.uniform(most / 2, most)  # noqa: S311


class Gate:
    """One registry's. Made by `Gates`."""

    def __init__(self, in_flight: int, per_second: float, stop: threading.Event) -> None:
        self._per_second = per_second
        self._stop = stop
        self._slots = threading.BoundedSemaphore(in_flight)
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._next = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until the registry may be asked. Raises `Stopped`."""
        with self._slots:
            while (seconds := self._wait()) > 0:
                rest(seconds, self._stop)
            if self._stop.is_set():
                raise Stopped("stopped before the next request")
            yield

    def pause(self, seconds: float) -> None:
        """Nobody asks this registry anything for so long."""
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _wait(self) -> float:
        """Seconds until a turn begins; at 0 it has begun."""
        with self._lock:
            now = time.monotonic()
            begin = max(self._not_before, self._next)
            if begin > now:
                return begin - now
            if self._per_second:
                self._next = now + 1 / self._per_second
            return 0.0


class Gates:
    """The gates of all registries, by the name that people write."""

    def __init__(
        self,
        pacing: Mapping[str, Pacing] | None = None,
        *,
        patience: Patience | None = None,
        stop: threading.Event | None = None,
        on_retry: Callable[[str, MidstreamError, float], None] | None = None,
    ) -> None:
        self._pacing = dict(pacing or {})
        self._gates: dict[str, Gate] = {}
        self._lock = threading.Lock()
        self._on_retry = on_retry
        self.patience = patience or Patience()
        self.stop = stop or threading.Event()

    def of(self, host: str) -> Gate:
        with self._lock:
            if host not in self._gates:
                pacing = self._pacing.get(host)
                many, fast = (pacing.in_flight, pacing.per_second) if pacing else (8, 0.0)
                self._gates[host] = Gate(many, fast, self.stop)
            return self._gates[host]

    @contextmanager
    def turns(self, hosts: Iterable[str]) -> Iterator[None]:
        """A turn at each of several, taken in one order so that no two wait for each other."""
        first, *others = sorted(set(hosts))
        with self.of(first).turn(), self.turns(others) if others else nullcontext():
            yield

    def around(self, host: str) -> Callable[[Callable[[], _T]], _T]:
        """What a client of that registry does each request in: a turn, and again if it may help."""

        def persist(do: Callable[[], _T]) -> _T:
            return self.persist(do, [host])

        return persist

    def persist(self, do: Callable[[], _T], hosts: Iterable[str]) -> _T:
        """Do it, again after what may pass, until patience ends. Raises the last failure."""
        hosts = tuple(hosts)
        began = time.monotonic()
        attempt = 0
        while True:
            attempt += 1
            try:
                with self.turns(hosts):
                    return do()
            except Transient as error:
                pause = self.patience.pause(attempt, error.retry_after)
                if attempt >= self.patience.attempts or self._too_late(began, pause):
                    raise
                self.retry(hosts, error, pause)

    def retry(self, hosts: Iterable[str], error: MidstreamError, pause: float) -> None:
        """Make all wait where the registry asked for it, say that it is tried again, and wait."""
        hosts = tuple(hosts)
        if getattr(error, "status", 0) == 429 or getattr(error, "retry_after", None) is not None:
            for host in hosts:
                self.of(host).pause(pause)
        if self._on_retry:
            self._on_retry(", ".join(hosts), error, pause)
        rest(pause, self.stop)

    def _too_late(self, began: float, pause: float) -> bool:
        return time.monotonic() + pause > began + self.patience.deadline


def rest(seconds: float, stop: threading.Event) -> None:
    """Wait; raises `Stopped` at once when it is time to end."""
    if stop.wait(seconds):
        raise Stopped("stopped while waiting")
