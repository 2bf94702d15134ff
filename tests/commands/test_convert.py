"""`midstream convert`, as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from adapters.test_sandbox import refusing
from commands.running import full_disk
from demo import ROOT, SOURCES

if TYPE_CHECKING:
    from pathlib import Path

UBUNTU = "FROM ubuntu:24.04\n"
UBI = "FROM registry.access.redhat.com/ubi9/ubi:9.8\n"
BEFORE = UBUNTU + "# tools\nRUN apt-get update && apt-get install -y jq && echo done\n"
AFTER = UBI + "# tools\nRUN dnf install -y --nodocs jq && echo done\n"
UNKNOWN = UBUNTU + "RUN apt-get install -y no-such-thing\nRUN apt-get install -y jq\n"


class Ran:
    """A run in a process of its own, since stdin and bytes count here."""

    def __init__(self, folder: Path, *words: str, stdin: bytes = b"") -> None:
        done = subprocess.run(
            [sys.executable, "-m", "midstream", *words],
            cwd=folder, input=stdin, capture_output=True, check=False, timeout=120,
            env={**os.environ, "PYTHONPATH": str(SOURCES)},
        )  # fmt: skip
        self.code, self.bytes = done.returncode, done.stdout
        self.out, self.err = done.stdout.decode(errors="surrogateescape"), done.stderr.decode()

    @property
    def files(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.out)["files"]
        return found


def test_a_file_is_converted_to_stdout_without_an_overlay(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(BEFORE)
    ran = Ran(tmp_path, "convert", "Dockerfile")
    assert (ran.code, ran.out, ran.err) == (0, AFTER, "")
    assert (tmp_path / "Dockerfile").read_text() == BEFORE


def test_stdin_is_converted_to_stdout(tmp_path: Path) -> None:
    ran = Ran(tmp_path, "convert", "-", stdin=BEFORE.encode())
    assert (ran.code, ran.out) == (0, AFTER)


def test_the_result_of_a_result_is_itself(tmp_path: Path) -> None:
    assert Ran(tmp_path, "convert", "-", stdin=AFTER.encode()).out == AFTER


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"FROM scratch",
        b"\xef\xbb\xbfFROM scratch\r\nCOPY  a\tb\r\n",
        b"FROM scratch\nENV A=\xff\n\n\n",
        b"# escape=`\nFROM scratch\nRUN a `\n\n  # x\n  b\n",
        b"FROM scratch\nRUN <<E\n \xc3\xa9\nE",
    ],
)
def test_a_file_with_nothing_of_debians_comes_out_byte_for_byte(
    tmp_path: Path, data: bytes
) -> None:
    assert Ran(tmp_path, "convert", "-", stdin=data).bytes == data


def test_what_can_not_be_converted_is_a_finding_and_the_rest_is_converted(tmp_path: Path) -> None:
    ran = Ran(tmp_path, "convert", "-", stdin=UNKNOWN.encode())
    assert ran.code == 1
    assert ran.out == UBI + (
        "RUN apt-get install -y no-such-thing\nRUN dnf install -y --nodocs jq\n"
    )
    assert "error[MS203]: no UBI package is known for `no-such-thing`" in ran.err
    assert "--> <stdin>:2:24" in ran.err


def test_a_program_that_an_unconverted_install_may_bring_is_not_missed(tmp_path: Path) -> None:
    for package, said, unsaid in (("nosuch", "MS203", "MS307"), ("git", "MS307", "MS203")):
        text = f"{UBUNTU}RUN apt-get install -y {package}\nRUN pip list\n"
        ran = Ran(tmp_path, "convert", "-", stdin=text.encode())
        assert said in ran.err
        assert unsaid not in ran.err


def test_a_warning_is_1_only_when_it_is_asked_for(tmp_path: Path) -> None:
    text = UBUNTU + "RUN apt-get install -y jq && apt-get autoremove -y\n"
    assert Ran(tmp_path, "convert", "-", stdin=text.encode()).code == 0
    assert Ran(tmp_path, "--strict", "convert", "-", stdin=text.encode()).code == 1


def test_a_diff_can_be_applied_with_patch_and_git(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text(BEFORE + "RUN apt-get clean")  # no line ending at the end
    ran = Ran(tmp_path, "convert", "--diff", "Dockerfile")
    wanted = Ran(tmp_path, "convert", "Dockerfile").bytes
    assert ran.out.startswith("--- a/Dockerfile\n+++ b/Dockerfile\n@@")
    subprocess.run(
        ["/usr/bin/env", "git", "apply", "-p1"], input=ran.bytes, cwd=tmp_path, check=True
    )
    assert path.read_bytes() == wanted


def test_the_diff_of_stdin_has_its_text_on_the_left(tmp_path: Path) -> None:
    ran = Ran(tmp_path, "convert", "--diff", "-", stdin=BEFORE.encode())
    assert "-FROM ubuntu:24.04\n" in ran.out
    assert " # tools\n" in ran.out


def test_json_has_each_edit_with_its_rule_place_before_and_after(tmp_path: Path) -> None:
    ran = Ran(tmp_path, "--json", "convert", "-", stdin=UNKNOWN.encode())
    (file,) = ran.files
    assert ran.code == 1
    assert ran.err == ""
    assert (file["file"], file["whole"]) == ("<stdin>", False)
    base = next(each for each in file["edits"] if each["rule"] == "base-image")
    assert (base["start"], base["end"], base["before"]) == (5, 17, "ubuntu:24.04")
    text = UNKNOWN
    for each in reversed(file["edits"]):
        assert text[each["start"] : each["end"]] == each["before"]
        text = text[: each["start"]] + each["after"] + text[each["end"] :]
    assert text == file["converted"]
    assert [each["code"] for each in file["findings"]] == ["MS203"]


def test_in_place_keeps_the_file_as_it_was_and_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text(BEFORE)
    path.chmod(0o640)
    ran = Ran(tmp_path, "convert", "--in-place", "Dockerfile")
    assert (ran.code, ran.out, path.read_text()) == (0, "", AFTER)
    assert path.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "Dockerfile.orig").read_text() == BEFORE


def test_in_place_again_loses_no_text(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text(BEFORE)
    Ran(tmp_path, "convert", "--in-place", ".")
    edited = AFTER + "RUN apt-get install -y git\n"
    path.write_text(edited)  # somebody goes on
    Ran(tmp_path, "convert", "--in-place", ".")
    Ran(tmp_path, "convert", "--in-place", ".")  # nothing is left to do
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        "Dockerfile": AFTER + "RUN dnf install -y --nodocs git\n",
        "Dockerfile.orig": BEFORE,
        "Dockerfile.orig.2": edited,
    }


def test_a_disk_that_is_full_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(BEFORE)
    with full_disk():
        ran = Ran(tmp_path, "convert", "--in-place", "Dockerfile")
    assert ran.code == 3
    assert (tmp_path / "Dockerfile").read_text() == BEFORE


def test_of_500_files_three_are_broken_and_497_are_converted(tmp_path: Path) -> None:
    for number in range(500):
        folder = tmp_path / "in" / str(number % 7)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"Dockerfile.{number}").write_text(BEFORE)
    broken = {
        "in/0/Dockerfile.0": b"RUN before any FROM\n",
        "in/1/Dockerfile.1": b"\x7fELF\x00\xff\xfe",
        "in/2/Dockerfile.2": b"FROM a\nRUN <<EOF\nnever closed\n",
    }
    for path, data in broken.items():
        (tmp_path / path).write_bytes(data)
    ran = Ran(tmp_path, "convert", "--in-place", "--jobs", "2", "in")
    assert ran.code == 1
    assert ran.err.count("wrote in/") == 497
    assert {p: (tmp_path / p).read_bytes() for p in broken} == broken
    found = [p for p in (tmp_path / "in").rglob("Dockerfile.*") if p.suffix != ".orig"]
    assert sum(path.read_text(errors="replace") == AFTER for path in found) == 497
    assert all(f"--> {path}" in ran.err for path in broken)


def test_side_by_side_gives_the_same_as_one_after_the_other(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.Dockerfile").write_text(
            BEFORE + f"RUN apt-get install -y p{number}\n"
        )
    one, two = (Ran(tmp_path, "--json", "convert", "--jobs", jobs, ".") for jobs in ("1", "3"))
    assert (one.code, one.out) == (two.code, two.out)
    assert len(one.files) == 9


def test_a_file_that_may_not_be_read_keeps_no_other_from_being_converted(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile.a").write_text(BEFORE)
    ran = Ran(tmp_path, "--json", "convert", "Dockerfile.a", "Dockerfile.none")
    assert ran.code == 8
    assert ran.files[0]["converted"] == AFTER
    assert "no such file" in ran.files[1]["failed"]
    assert Ran(tmp_path, "convert", "Dockerfile.none").code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("convert",), "Missing argument"),
        (("convert", "a", "b"), "several results don't fit on stdout"),
        (("convert", "empty"), "`empty` holds no Dockerfile"),
        (("convert", "--in-place", "-"), "stdin can't be written over"),
        (("convert", "--in-place", "--diff", "a"), "--diff shows"),
        (("convert", "--platform", "ubi7", "a"), "no platform `ubi7`"),
        (("convert", "--packages", "none.yaml", "a"), "can't read `none.yaml`"),
    ],
)
def test_a_command_line_that_is_wrong_is_2(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "a").write_text(BEFORE)
    (tmp_path / "b").write_text(BEFORE)
    (tmp_path / "empty").mkdir()
    ran = Ran(tmp_path, *words)
    assert ran.code == 2
    assert said in ran.err


# --- more rows for the table of packages ---


def with_rows(folder: Path, rows: str) -> Ran:
    (folder / "extra.yaml").write_text(rows)
    return Ran(folder, "convert", "--packages", "extra.yaml", "-", stdin=UNKNOWN.encode())


def test_more_rows_are_used_and_win_over_the_tables_own(tmp_path: Path) -> None:
    ran = with_rows(tmp_path, "no-such-thing: {rpm: here-it-is}\njq: {rpm: jq-own}\n")
    assert (ran.code, ran.err) == (0, "")
    assert "install -y --nodocs here-it-is\n" in ran.out
    assert "install -y --nodocs jq-own\n" in ran.out


@pytest.mark.parametrize(
    ("rows", "code", "line"),
    [
        ("a: {rpm: b}\nc: {rmp: d}\n", "MS502", 2),
        ("a: {rpm: b}\na: {rpm: c}\n", "MS505", 2),
        ("a: {rpm: b, drop: not needed}\n", "MS570", 1),
        ("a: {rpm: b, from: nowhere}\n", "MS570", 1),
        ("a: {}\n", "MS570", 1),
        ("- a\n", "MS50", 1),
        ("a: {rpm: [b\n", "MS50", 2),
        ("a: {rpm: {b: c}}\n", "MS50", 1),
    ],
)
def test_a_mistake_in_the_rows_is_said_with_its_line(
    tmp_path: Path, rows: str, code: str, line: int
) -> None:
    ran = with_rows(tmp_path, rows)
    assert (ran.code, ran.out) == (2, "")
    assert f"error[{code}" in ran.err
    assert f"--> extra.yaml:{line}:" in ran.err


# --- the trace ---


def test_what_is_converted_can_be_traced_on_the_way(tmp_path: Path) -> None:
    ran = Ran(tmp_path, "convert", "--trace", "-", stdin=BEFORE.encode())
    assert (ran.code, ran.out, ran.err) == (0, AFTER, "")


def test_where_no_sandbox_can_be_the_result_comes_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(tmp_path, monkeypatch)
    ran = Ran(tmp_path, "convert", "--trace", "-", stdin=BEFORE.encode())
    assert (ran.code, ran.out) == (3, AFTER)
    assert ran.err.count("error[MS271]") == 1


def test_it_works_far_from_any_overlay_tree(tmp_path: Path) -> None:
    assert not (tmp_path / "overlays").exists()
    assert Ran(tmp_path, "convert", "-", stdin=BEFORE.encode()).out == AFTER
    assert Ran(ROOT, "convert", "-", stdin=BEFORE.encode()).out == AFTER
