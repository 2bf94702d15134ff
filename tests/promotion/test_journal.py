"""The journal: on the disk before the next step, whole after any crash, and held by one."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.adapters.files import CannotWrite
from midstream.errors import Exit
from midstream.promotion import journal
from midstream.promotion.journal import AnotherRuns, Journal, JournalDamaged


def opened(folder: Path) -> Journal:
    return Journal(folder, now=lambda: "2026-01-01T00:00:00Z")


def test_what_was_added_is_there_for_the_next_process(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as first:
        first.add("intent", tag="latest", there=None)
        first.add("copied", tag="latest")
    with opened(tmp_path / "run") as second:
        assert [(each.sequence, each.step) for each in second.entries] == [
            (1, "intent"),
            (2, "copied"),
        ]
        assert second.entries[0].fields == {"tag": "latest", "there": None}
        assert second.add("verified").sequence == 3
    assert [each.step for each in journal.read(tmp_path / "run")] == [
        "intent",
        "copied",
        "verified",
    ]


def test_a_step_begins_when_its_line_and_the_journals_name_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[Path, int]] = []
    sync = os.fsync

    def watched(handle: int) -> None:
        sync(handle)
        synced.append((Path(f"/proc/self/fd/{handle}").readlink(), os.fstat(handle).st_size))

    monkeypatch.setattr(os, "fsync", watched)
    before = len(list(Path("/dev/fd").iterdir()))
    path = tmp_path / "journal.jsonl"
    with opened(tmp_path) as held:
        assert synced == []  # a finished run again has no step, and nothing to keep
        held.add("intent")
        assert synced[0] == (path, path.stat().st_size)
        assert synced[1][0] == tmp_path
        held.add("copied")
        assert len(synced) == 2
        held.add("verified")
        assert synced[2:] == [(path, path.stat().st_size)]
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_two_processes_never_hold_one_run(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(AnotherRuns) as caught, opened(tmp_path):
        pass
    assert caught.value.exit_code == Exit.LOCKED
    with opened(tmp_path):
        pass


@given(st.binary(max_size=40).filter(lambda torn: b"\n" not in torn))
def test_a_torn_last_line_is_as_if_it_had_never_been(torn: bytes) -> None:
    line = json.dumps({"seq": 1, "at": "x", "step": "intent"}).encode() + b"\n"
    entries, whole = journal._read(line + torn, "j")  # noqa: SLF001 - the law is about bytes
    assert [each.step for each in entries] == ["intent"]
    assert whole == len(line)


def test_writing_goes_on_after_a_torn_line(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        first.add("intent")
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"seq": 2, "ste')
    with opened(tmp_path) as second:
        second.add("copied")
    assert [each.sequence for each in journal.read(tmp_path)] == [1, 2]


def test_a_line_that_is_damaged_in_the_middle_is_said(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(b'{"seq": 1, "step": "a"}\n{"se\n{"seq": 3}\n')
    with pytest.raises(JournalDamaged, match="line 2"), opened(tmp_path):
        pass
    with pytest.raises(JournalDamaged):
        journal.read(tmp_path)
    (tmp_path / "journal.jsonl").unlink()
    with opened(tmp_path):  # and nobody holds it after such an end
        pass


def test_order_is_by_sequence_and_not_by_place_or_time(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(
        b'{"seq": 2, "at": "1", "step": "b"}\n{"seq": 1, "at": "2", "step": "a"}\n'
    )
    assert [each.step for each in journal.read(tmp_path)] == ["a", "b"]


def test_threads_share_a_journal_without_mixing_lines(tmp_path: Path) -> None:
    with opened(tmp_path) as shared, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: shared.add("intent", number=number), range(50)))
    assert [each.sequence for each in journal.read(tmp_path)] == list(range(1, 51))


def test_a_folder_that_can_not_be_written_is_said_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="not a directory"), opened(tmp_path / "file" / "run"):
        pass


def test_a_full_disk_stops_the_next_step(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with opened(tmp_path) as full:
        full.add("intent")
        size = (tmp_path / "journal.jsonl").stat().st_size
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))
            with pytest.raises(CannotWrite, match="can't write the journal"):
                full.add("copied")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
    assert [each.step for each in journal.read(tmp_path)] == ["intent"]


def test_what_add_returned_survives_a_kill(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from midstream.promotion.journal import Journal\n"
        "with Journal(Path(sys.argv[1]), now=lambda: '') as it:\n"
        "    it.add('intent', tag='a')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=False, env=environment
    )
    assert done.returncode == -signal.SIGKILL
    assert [each.fields for each in journal.read(tmp_path)] == [{"tag": "a"}]
    with opened(tmp_path):  # the lock went with the process
        pass


def test_a_closed_journal_takes_no_step(tmp_path: Path) -> None:
    with opened(tmp_path) as closed:
        closed.add("intent")
    with pytest.raises(RuntimeError, match="closed"):
        closed.add("copied")
    assert [each.step for each in journal.read(tmp_path)] == ["intent"]
