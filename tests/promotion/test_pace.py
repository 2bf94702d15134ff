"""One gate for all that talk to a registry: its pace is kept, and its wish to rest is heard."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from midstream.adapters.endpoint import Endpoint
from midstream.adapters.http import ConnectionLost
from midstream.adapters.registry import Registry
from midstream.adapters.registry_errors import NotFound, TooManyRequests
from midstream.errors import MidstreamError
from midstream.promotion.pace import Gates, Patience, Stopped
from midstream.promotion.plan import Pacing
from registries import faults, images
from registries.faults import Fault

if TYPE_CHECKING:
    from registries.double import Double
    from registries.exchange import Answer, Request, Response

QUICK = Patience(attempts=4, first=0.01, longest=0.05, deadline=5)


def client(double: Double, gates: Gates) -> Registry:
    endpoint = Endpoint("quay.io", double.address, plain=True)
    return Registry(endpoint, around=gates.around("quay.io"))


def test_what_passes_is_tried_again_and_what_stays_is_not(double: Double) -> None:
    digest = double.load("a", images.image(), "v1")
    said: list[str] = []
    gates = Gates(patience=QUICK, on_retry=lambda _host, error, _pause: said.append(error.message))
    with client(double, gates) as registry:
        double.fails(Fault("GET", "/manifests/", faults.answers(503), times=3))
        assert registry.manifest("a", "v1").digest == digest
        assert len(said) == 3
        double.fails(Fault("GET", "/manifests/", faults.answers(404)))
        double.log.clear()
        with pytest.raises(NotFound):
            registry.manifest("a", "v1")
        assert len(double.log) == 1
        double.fails(Fault("GET", "/manifests/", faults.resets))
        with pytest.raises(ConnectionLost):
            registry.manifest("a", "v1")


def test_a_registry_that_asks_one_of_us_to_wait_is_left_alone_by_all(double: Double) -> None:
    double.load("a", images.image(), "v1")
    double.load("b", images.image(), "v1")
    double.fails(Fault("GET", "/v2/a/manifests/", faults.slow_down(1), times=1))
    waits = threading.Event()
    gates = Gates(patience=QUICK, on_retry=lambda *_: waits.set())
    with client(double, gates) as registry, ThreadPoolExecutor(4) as pool:
        first = pool.submit(registry.manifest, "a", "v1")
        assert waits.wait(10)
        others = [pool.submit(registry.manifest, "b", "v1") for _ in range(3)]
        for each in (first, *others):
            assert each.result().data
    refused, *asked = (each.at for each in double.log)
    assert len(asked) == 4
    assert min(asked) > refused + 0.95


def test_a_wish_longer_than_our_patience_is_not_waited_for(double: Double) -> None:
    double.fails(Fault("GET", "", faults.slow_down(3600)))
    began = time.monotonic()
    with client(double, Gates(patience=QUICK)) as registry, pytest.raises(TooManyRequests):
        registry.manifest("a", "v1")
    assert time.monotonic() - began < 2
    assert len(double.log) == 1


def test_no_more_are_in_flight_than_allowed_and_no_faster_than_said(double: Double) -> None:
    double.load("a", images.image(), "v1")
    running, most, lock = 0, 0, threading.Lock()

    def slow(request: Request, origin: Answer) -> Response:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return origin(request)

    double.fails(Fault("GET", "/manifests/", slow))
    gates = Gates({"quay.io": Pacing(in_flight=2, per_second=50)}, patience=QUICK)
    with client(double, gates) as registry, ThreadPoolExecutor(8) as pool:
        began = time.monotonic()
        list(pool.map(lambda _: registry.manifest("a", "v1"), range(10)))
    assert most <= 2
    assert time.monotonic() - began > 9 / 50


def test_a_stop_ends_every_wait() -> None:
    gates = Gates(patience=Patience(first=60, longest=60))
    gates.of("quay.io").pause(60)

    def ask() -> None:
        gates.persist(lambda: None, ["quay.io"])

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask)
        time.sleep(0.05)
        gates.stop.set()
        with pytest.raises(Stopped):
            waiting.result(5)


def test_a_stop_lets_nobody_begin() -> None:
    stop = threading.Event()
    gate = Gates(stop=stop).of("registry.example")
    with gate.turn():
        stop.set()
    with pytest.raises(Stopped), gate.turn():
        raise AssertionError("it began")


def test_two_who_need_the_same_registries_never_wait_for_each_other() -> None:
    tight = Pacing(in_flight=1)
    gates = Gates({"a.example": tight, "b.example": tight})

    def take(hosts: list[str]) -> None:
        for _ in range(200):
            with gates.turns(hosts):
                pass

    with ThreadPoolExecutor(2) as pool:
        both = [
            pool.submit(take, ["a.example", "b.example"]),
            pool.submit(take, ["b.example", "a.example"]),
        ]
        for each in both:
            each.result(10)


def test_pauses_grow_are_never_alike_and_keep_what_was_asked_for() -> None:
    patience = Patience(first=1, longest=8)
    for attempt, most in ((1, 1), (2, 2), (3, 4), (4, 8), (9, 8)):
        pauses = {patience.pause(attempt, None) for _ in range(20)}
        assert len(pauses) > 1
        assert all(most / 2 <= each <= most for each in pauses)
    assert all(7 <= patience.pause(1, 7) < 8 for _ in range(20))
    assert issubclass(Stopped, MidstreamError)
