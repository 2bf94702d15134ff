from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from midstream.adapters.sandbox import NoSandbox, Sandbox, Setting, Trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def lines(trace: Trace) -> list[str]:
    return [call.line for call in trace.calls]


def one(sandbox: Sandbox, body: str, setting: Setting | None = None) -> Trace:
    (trace,) = sandbox.trace(body, [setting or Setting()])
    return trace


def test_every_command_is_written_down_with_its_words(sandbox: Sandbox) -> None:
    trace = one(
        sandbox, "make -j 4 'a b' && /opt/x/bin/pip install \"$A\" ''; g++ *.c", Setting({"A": "é"})
    )
    assert [call.words for call in trace.calls] == [
        ("make", "-j", "4", "a b"), ("/opt/x/bin/pip", "install", "é", ""), ("g++", "*.c"),
    ]  # fmt: skip
    assert (trace.status, trace.cut) == (0, False)


def test_nothing_of_the_machine_is_there(sandbox: Sandbox) -> None:
    trace = one(
        sandbox,
        'echo $UID /[a-z]* "$(< /etc/passwd)" "$HOME_OF_TEST"; exec 3<>/dev/tcp/127.0.0.1/22',
    )
    user, *places = trace.calls[0].words[1].split(), *trace.calls[0].words[2:]
    assert user == ["65534"]
    assert {str(place) for place in places} <= {
        "/bin", "/dev", "/etc", "/lib", "/lib64", "/opt", "/proc", "/root", "/tmp", "/usr", "",  # noqa: S108
    }  # fmt: skip
    assert trace.status != 0


def test_what_a_body_writes_is_not_there_in_the_next_run(sandbox: Sandbox) -> None:
    first, second = sandbox.trace(
        'make > /etc/x; echo "$(< /etc/y)"; echo 1 > /etc/y', [Setting()] * 2
    )
    assert first == second
    assert first.files == {"/etc/x": "OUT.make", "/etc/y": "1"}


def test_a_shell_in_the_body_is_traced_too(sandbox: Sandbox) -> None:
    body = "bash -lc 'make all'\nsh -ec 'make one; false; make two'\n"
    body += "bash - <<'X'\nmake three\ncat <<Y\nz\nY\nX\n"
    trace = one(sandbox, body)
    assert lines(trace) == ["make all", "make one", "make three", "cat"]
    assert trace.calls[-1].input == "z\n"


def test_a_wrapper_is_written_down_with_what_it_runs(sandbox: Sandbox) -> None:
    trace = one(sandbox, "sudo -E -u x env A=1 timeout -k 5 60 make all")
    assert [(call.wrappers, call.line) for call in trace.calls] == [
        ("sudo -E -u x env A=1 timeout -k 5 60 ", "make all")
    ]


def test_where_output_goes_and_what_comes_in_is_seen(sandbox: Sandbox) -> None:
    trace = one(sandbox, "curl -L u | tar x; make 2>/dev/null >/tmp/log; a >&2; (b 2>&1)")
    assert [(call.line, call.input, call.output, call.errors) for call in trace.calls] == [
        ("curl -L u", "", "pipe", "err"),
        ("tar x", "OUT.curl.-L.u\n", "out", "err"),
        ("make", "", "file", "null"),
        ("a", "", "err", "err"),
        ("b", "", "out", "out"),
    ]


def test_variables_that_are_exported_are_seen_and_folders_followed(sandbox: Sandbox) -> None:
    trace = one(sandbox, 'export A=1; (cd /x && B="2 3" make); make', Setting({"C": "given"}))
    assert [(call.line, call.folder, call.environment) for call in trace.calls] == [
        ("cd /x", "", (("A", "1"),)),
        ("make", "/x", (("A", "1"), ("B", "2 3"))),
        ("make", "", (("A", "1"),)),
    ]


@pytest.mark.parametrize(
    ("setting", "ran"),
    [
        (Setting(), "there"),
        (Setting(files=False), "not there"),
        (Setting(tests=True), "there"),
        (Setting(tests=False), "not there"),
        (Setting(fails=("[ -f /x ]",)), "not there"),
    ],
)
def test_each_branch_can_be_taken(sandbox: Sandbox, setting: Setting, ran: str) -> None:
    trace = one(sandbox, "if [ -f /x ]; then echo there; else echo not there; fi", setting)
    assert lines(trace) == ["[ -f /x ]", f"echo {ran}"]


def test_a_command_that_fails_stops_what_hangs_on_it(sandbox: Sandbox) -> None:
    body = "a && b || c; set -e; a b; d"
    traces = sandbox.trace(body, [Setting(), Setting(fails=("a",)), Setting(fails=("a b", "a"))])
    assert [lines(trace) for trace in traces] == [
        ["a", "b", "a b", "d"],
        ["a", "c", "a b", "d"],
        ["a", "c", "a b"],
    ]
    assert [trace.status for trace in traces] == [0, 0, 1]


def test_the_machine_is_what_the_setting_says(sandbox: Sandbox) -> None:
    body = "make $(uname -m) $(dpkg --print-architecture) $(arch)"
    traces = sandbox.trace(body, [Setting(), Setting(machine="aarch64")])
    assert [lines(trace)[-1] for trace in traces] == [
        "make x86_64 amd64 x86_64",
        "make aarch64 arm64 aarch64",
    ]


@pytest.mark.parametrize("body", ["while ! ping x; do sleep 1; done", "while :; do :; done"])
def test_what_goes_on_for_ever_is_ended(sandbox: Sandbox, body: str) -> None:
    trace = one(sandbox, body, Setting(fails=("ping x",)))
    assert trace.cut


def test_what_set_x_says_is_nobodys_output(sandbox: Sandbox) -> None:
    assert one(sandbox, "set -ex; make > /opt/log 2>&1").files == {"/opt/log": "OUT.make"}


def test_the_options_of_the_shell_count(sandbox: Sandbox) -> None:
    (trace,) = sandbox.trace("a | b; c", [Setting(fails=("a",))], options=("-e", "-o", "pipefail"))
    assert lines(trace) == ["a", "b"]


def test_a_machine_without_unshare_has_no_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bash").symlink_to(shutil.which("bash") or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoSandbox, match="needs bash and unshare"), Sandbox() as made:
        one(made, ":")


def refusing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose kernel allows no namespaces."""
    program = folder / "unshare"
    program.write_text(
        "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_machine_that_refuses_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing(tmp_path, monkeypatch)
    with pytest.raises(NoSandbox, match="Operation not permitted") as raised, Sandbox() as made:
        one(made, ":")
    assert raised.value.exit_code == 3
