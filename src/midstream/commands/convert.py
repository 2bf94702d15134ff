"""`midstream convert`: the mechanical part alone, for any Dockerfile."""

from __future__ import annotations

import difflib
import itertools
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct
from msgspec.structs import replace

from midstream import report
from midstream.adapters import files
from midstream.commands import workspace as at
from midstream.converting import Converted, convert
from midstream.errors import Exit, MidstreamError, UsageError
from midstream.overlay.tables import Tables, load_tables
from midstream.source import Source
from midstream.ubi.subject import PythonLayout
from midstream.ubi.tables import read_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.cli import Workspace
    from midstream.diagnostic import Diagnostic
    from midstream.edit import Edit


@click.command("convert")
@click.argument("paths", nargs=-1, required=True, metavar="FILE|DIR|-...")
@click.option("--platform", default="ubi9", show_default=True, help="ubi9 or ubi10.")
@click.option(
    "--packages",
    type=click.Path(path_type=Path, dir_okay=False),
    help="More rows for the table of packages; they win over its own.",
)
@click.option("--venv", metavar="PATH", help="Python packages go into a virtual environment here.")
@click.option("--diff", is_flag=True, help="Show what changes in place of the result.")
@click.option("--in-place", is_flag=True, help="Write over the file, and keep it as FILE.orig.")
@click.option("--jobs", default=1, show_default=True, help="Files of a folder side by side.")
@click.option("--trace", is_flag=True, help="Run each changed RUN's commands in a sandbox.")
@click.pass_obj
def command(
    workspace: Workspace,
    paths: tuple[str, ...],
    platform: str,
    packages: Path | None,
    venv: str | None,
    diff: bool,
    in_place: bool,
    jobs: int,
    trace: bool,
) -> int:
    """Convert any Dockerfile onto UBI, as far as it can be done without asking."""
    found = _files(paths)
    _fit_together(found, diff=diff, in_place=in_place, json=workspace.json)
    tables = _tables(workspace, platform, packages)
    layout = PythonLayout("venv", venv) if venv else None
    work = partial(_convert, tables=tables, layout=layout, trace=trace)
    all_done = []
    for path, done in zip(found, _each(work, found, jobs), strict=True):
        _show(workspace, path, done, diff=diff, in_place=in_place)
        all_done.append(done)
    if workspace.json:
        report.document("convert", {"files": [_as_json(each) for each in all_done]})
    return _exit_code(all_done, strict=workspace.strict)


class Failure(Struct, frozen=True):
    """An error about one file, which goes from process to process as well."""

    message: str
    help: str | None
    code: Exit


class Done(Struct, frozen=True):
    """What became of one file; it goes from process to process. `original` is None where the file
    could not be converted at all, and `failed` says why."""

    name: str
    original: str | None
    text: str = ""
    edits: tuple[Edit, ...] = ()
    findings: tuple[Diagnostic, ...] = ()
    failed: Failure | None = None
    sandbox: bool = True


def _fit_together(found: list[str], *, diff: bool, in_place: bool, json: bool) -> None:
    if len(found) > 1 and not (diff or in_place or json):
        raise UsageError("several results don't fit on stdout", help="use --in-place or --diff")
    if in_place and "-" in found:
        raise UsageError("stdin can't be written over", help="leave --in-place away")
    if in_place and diff:
        raise UsageError("--diff shows what --in-place would write", help="use one of them")


def _tables(workspace: Workspace, platform: str, packages: Path | None) -> Tables:
    tables = load_tables(at.shared_tree(workspace), platform)
    if packages is None:
        return tables
    source = Source.from_bytes(str(packages), files.read(packages))
    extra = read_packages(source, platform, tables.platform.repositories)
    return replace(tables, packages=tables.packages.merged(extra))


_BACKUP = re.compile(r"\.orig(?:\.\d+)?$")


def _files(paths: tuple[str, ...]) -> list[str]:
    """The files that are meant: a folder stands for its Dockerfiles and Containerfiles."""
    found: list[str] = []
    for path in paths:
        folder = Path(path)
        if path != "-" and folder.is_dir():
            inside = {
                str(each)
                for name in ("*Dockerfile*", "*Containerfile*")
                for each in folder.rglob(name)
                if each.is_file() and not _BACKUP.search(each.name)
            }
            if not inside:
                raise UsageError(f"`{path}` holds no Dockerfile")
            found += sorted(inside)
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _each(work: partial[Done], paths: list[str], jobs: int) -> Iterator[Done]:
    """What becomes of each file, in their order."""
    if jobs < 2 or len(paths) < 2:
        yield from map(work, paths)
        return
    with ProcessPoolExecutor(min(jobs, len(paths))) as pool:
        yield from pool.map(work, paths, chunksize=4)


def _convert(path: str, tables: Tables, layout: PythonLayout | None, *, trace: bool) -> Done:
    """One file. One that can't be read is its own affair: the others are converted."""
    try:
        source = _read(path)
        converted = convert(source, tables, layout)
    except MidstreamError as error:
        return Done(path, None, failed=Failure(error.message, error.help, error.exit_code))
    traced, sandbox = _traced(converted) if trace else ((), True)
    findings = (*converted.findings, *traced)
    assembled = converted.assembled
    return Done(
        source.name, source.text, assembled.source.text, assembled.edits, findings, None, sandbox
    )


def _traced(converted: Converted) -> tuple[tuple[Diagnostic, ...], bool]:
    """What the sandbox finds, and whether there is one."""
    from midstream.adapters.sandbox import NoSandbox
    from midstream.dockerfile.scan import parse
    from midstream.tracing import proving

    subject, assembled = converted.subject, converted.assembled
    if subject is None:
        return (), True
    try:
        done = proving.trace(subject, parse(assembled.source), assembled, files.cache_root())
    except NoSandbox as error:
        return (proving.no_sandbox(error, subject),), False
    return done.findings, True


def _read(path: str) -> Source:
    if path == "-":
        return Source.from_bytes("<stdin>", sys.stdin.buffer.read())
    return Source.from_bytes(path, files.read(Path(path)))


def _exit_code(done: list[Done], *, strict: bool) -> Exit:
    codes = []
    for each in done:
        if each.failed is not None:
            codes.append(each.failed.code if len(done) == 1 else Exit.PARTIAL)
        elif not each.sandbox:
            codes.append(Exit.OUTSIDE)
        elif any(found.is_error or strict for found in each.findings):
            codes.append(Exit.FINDINGS)
    return Exit.worst(codes)


def _show(workspace: Workspace, path: str, done: Done, *, diff: bool, in_place: bool) -> None:
    if done.failed is not None:
        report.show_error(MidstreamError(done.failed.message, help=done.failed.help))
        return
    if not workspace.json:
        report.show_findings(done.findings)
    if in_place:
        _write(path, done)
    elif not workspace.json:
        report.raw(_difference(done) if diff else _bytes(done.text))


def _write(path: str, done: Done) -> None:
    """Keep the file as it was beside it, and replace it whole."""
    if not done.edits:
        return
    original = _bytes(done.original or "")
    kept = _place_for(path, original)
    files.write(kept, original)
    files.write(Path(path), _bytes(done.text))
    report.note(f"wrote {path}; the file as it was is {kept}")


def _place_for(path: str, original: bytes) -> Path:
    """`FILE.orig`, or `FILE.orig.2` and so on where that is the backup of something else."""
    for number in itertools.count(1):
        kept = Path(f"{path}.orig" if number == 1 else f"{path}.orig.{number}")
        if not files.exists(kept) or (kept.is_file() and files.read(kept) == original):
            return kept
    raise AssertionError("the numbers came to an end")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _difference(done: Done) -> bytes:
    """As `diff -u` writes it: lines end at `\\n` alone."""
    old, new = (_lines(text) for text in (done.original or "", done.text))
    lines = difflib.unified_diff(old, new, f"a/{done.name}", f"b/{done.name}")
    return _bytes(
        "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in lines
        )
    )


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _as_json(done: Done) -> dict[str, object]:
    if done.original is None:
        said = done.failed.message if done.failed else ""
        return {"file": done.name, "failed": said}
    original = done.original
    return {
        "file": done.name,
        "converted": done.text,
        "whole": not any(each.is_error for each in done.findings),
        "edits": [
            {
                "rule": edit.rule,
                "why": edit.why,
                "start": edit.span.start,
                "end": edit.span.end,
                "before": original[edit.span.start : edit.span.end],
                "after": edit.text,
            }
            for edit in done.edits
        ],
        "findings": [report.finding_as_json(each) for each in done.findings],
    }
