"""Every Dockerfile of every vLLM release, through `midstream convert`: what holds and is found.

    PYTHONPATH=src:tests python -m corpus --write    # makes docs/conversion.md

Releases come from the package index, by midstream's own cache: each is fetched once.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace
from packaging.version import Version

from dockerfiles.buildkit import theirs
from midstream.adapters import files
from midstream.adapters.files import Tree
from midstream.adapters.index import PackageIndex
from midstream.converting import convert
from midstream.dockerfile.scan import parse
from midstream.dockerfile.shell import plain_text
from midstream.overlay.tables import load_tables
from midstream.source import Source
from midstream.tracing.proving import trace
from midstream.ubi.survey import survey
from midstream.ubi.tables import ImageTable
from midstream.upstream.config import is_dockerfile, read_project
from midstream.upstream.snapshot import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from midstream.converting import Converted
    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.model import Dockerfile, Instruction
    from midstream.overlay.tables import Tables
    from midstream.ubi.subject import Subject

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "conversion.md"
FIRST = "0.6.0"
LAWS = (
    "exceptions",
    "results that BuildKit's parser refuses, of files that it takes",
    "RUNs that `bash -n` refuses, of those that it takes upstream",
    "bytes changed outside edits",
    "results that a second conversion would change",
    "constructs of Debian's without a finding, in stages on UBI",
    "RUNs whose commands differ in the sandbox, unexplained",
)
# Looked for without the program's own tables and readers.
_DEBIANS = re.compile(
    r"(?<![\w./-])(?:apt-get|apt-key|apt-cache|apt-mark|add-apt-repository|dpkg|debconf-\w+"
    r"|lsb_release|locale-gen|apt (?:-y )?(?:install|update))(?![\w.-])"
    r"|/etc/apt/|/var/lib/apt|/var/cache/apt|DEBIAN_FRONTEND|/usr/lib/\S*-linux-gnu|dist-packages"
)


@dataclass
class Row:
    """What was counted of one Dockerfile, or of many. `broken` counts each law's breaches."""

    files: int = 0
    lines: int = 0
    runs: int = 0
    changed: int = 0
    traced: int = 0
    edits: Counter[str] = field(default_factory=Counter)
    found: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)

    def add(self, other: Row) -> None:
        for name in ("files", "lines", "runs", "changed", "traced"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("edits", "found", "broken"):
            getattr(self, name).update(getattr(other, name))

    def count(self, severity: str) -> int:
        return sum(number for key, number in self.found.items() if key[2] == severity)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def examine(name: str, data: bytes, tables: Tables, cache: Path) -> Row:
    """Convert a Dockerfile, and hold the result to every law."""
    source = Source.from_bytes(name, data)
    row = Row(files=1, lines=source.text.count("\n"))
    try:
        done = convert(source, tables)
    except Exception as error:  # that there is none is what is examined
        _say(f"{name}: {error!r}")
        row.broken[LAWS[0]] += 1
        return row
    result = parse(done.assembled.source)
    row.found.update((f.rule.code, f.rule.name, str(f.severity)) for f in done.findings)
    row.edits.update(edit.rule for edit in done.assembled.edits)
    row.broken.update(breaches_of(source, done, result, tables, cache))
    row.runs = sum((each.trigger or each).keyword == "RUN" for each in result.instructions)
    if done.subject is not None:
        traced = trace(done.subject, result, done.assembled, cache)
        row.traced = traced.runs
        row.broken[LAWS[6]] += _said(name, traced.findings)
    edited = [edit.span for edit in done.assembled.edits]
    upstream = parse(source).instructions
    row.changed = sum(any(s.overlaps(i.span) or s in i.span for s in edited) for i in upstream)
    return row


def _said(name: str, found: Sequence[Diagnostic]) -> int:
    for each in found:
        _say(f"{name}: {each.rule.code} {each.message}\n{each.help}")
    return len(found)


def breaches_of(
    source: Source, done: Converted, result: Dockerfile, tables: Tables, cache: Path
) -> Iterator[str]:
    """Each law that a result breaks, once for each time; the sandbox's is asked elsewhere."""
    text = done.assembled.source.text
    if theirs(text) is None and theirs(source.text) is not None:
        yield LAWS[1]
    before, after = _bodies(parse(source)), _bodies(result)
    if not _bash_takes(after, cache) and _bash_takes(before, cache):
        yield LAWS[2]
    yield from [LAWS[3]] * _outside(source, done)
    if convert(done.assembled.source, tables).assembled.edits:
        yield LAWS[4]
    if done.subject is not None:
        yield from [LAWS[5]] * len(list(_unsaid(done.subject, result, done)))


def _bodies(dockerfile: Dockerfile) -> list[str]:
    return [
        plain_text(dockerfile, each)
        for each in dockerfile.instructions
        if (each.trigger or each).keyword == "RUN" and (each.trigger or each).json is None
    ]


def _bash_takes(bodies: Iterable[str], cache: Path) -> bool:
    """Each alone; what bash took once is remembered."""
    for body in dict.fromkeys(bodies):
        data = body.encode("utf-8", "surrogateescape")
        proof = cache / "proofs" / hashlib.sha256(data).hexdigest()
        if proof.exists():
            continue
        done = subprocess.run(["/bin/bash", "-n"], input=data, capture_output=True, check=False)
        if done.returncode:
            return False
        files.write(proof, b"")
    return True


def _outside(source: Source, done: Converted) -> int:
    """Characters of the result that are neither upstream's nor an edit's, and of upstream's that
    are in neither."""
    edits = sorted(done.assembled.edits, key=lambda each: each.span)
    text = source.text
    expected, at = "", 0
    for edit in edits:
        expected += text[at : edit.span.start] + edit.text
        at = edit.span.end
    expected += text[at:]
    result = done.assembled.source.text
    return sum(a != b for a, b in zip(expected, result, strict=False)) + abs(
        len(expected) - len(result)
    )


def _unsaid(subject: Subject, result: Dockerfile, done: Converted) -> Iterator[Instruction]:
    """Instructions of stages on UBI with Debian's words in them, about which nothing is said."""
    footings = survey(subject)
    managed = [s.span for s in subject.live_stages if footings[s.index].manager is not None]
    source = subject.dockerfile.source
    said = [
        each.span for each in done.findings
        if each.source is source and (each.is_error or each.rule.code.startswith("MS2"))
    ]  # fmt: skip
    by_start = {each.span.start: each for each in subject.dockerfile.instructions}
    for instruction in result.instructions:
        start = done.assembled.upstream_offset(instruction.span.start)
        before = by_start.get(-1 if start is None else start)
        if before is None or not any(before.span in span for span in managed):
            continue
        lines = result.text(instruction.span).split("\n")
        code = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
        if _DEBIANS.search(code) and not any(span in before.span for span in said):
            _say(f"unsaid: {_DEBIANS.findall(code)} in {code[:200]!r}")
            yield instruction


# --- releases ---


def tracker() -> Tracker:
    path = ROOT / "upstream" / "vllm.yaml"
    project = read_project(Source.from_bytes("upstream/vllm.yaml", path.read_bytes()))
    return Tracker(project, PackageIndex(), files.cache_root(), _announced)


def _announced(title: str, _size: int) -> Callable[[int], None]:
    _say(f"fetching {title}")
    return lambda _length: None


def releases_on_the_index() -> list[str]:
    """Every final release from the first one on, oldest first."""
    known = [each.version for each in PackageIndex().releases("vllm")]
    return [
        version
        for version in sorted(known, key=Version)
        if Version(version) >= Version(FIRST) and not Version(version).is_prerelease
    ]


def dockerfiles(files_of: Mapping[str, bytes]) -> dict[str, bytes]:
    return {path: data for path, data in sorted(files_of.items()) if is_dockerfile(path)}


@dataclass
class Corpus:
    """Dockerfiles as they come, each examined once, by its bytes: `known` with midstream's own
    tables, `stressed` as if every base that they don't know were UBI."""

    cache: Path
    known: dict[str, Row] = field(default_factory=dict)
    stressed: dict[str, Row] = field(default_factory=dict)
    tables: Tables = field(default_factory=lambda: load_tables(Tree(ROOT), "ubi9"))

    def release(self, files_of: Mapping[str, bytes]) -> Row:
        """The sum over a release's Dockerfiles."""
        whole = Row()
        for path, data in dockerfiles(files_of).items():
            name = hashlib.sha256(data).hexdigest()
            if name not in self.known:
                self.known[name] = examine(path, data, self.tables, self.cache)
                self.stressed[name] = examine(path, data, self.every_base, self.cache)
            whole.add(self.known[name])
        return whole

    @cached_property
    def every_base(self) -> Tables:
        rules = self.tables.images.rules
        last = replace(rules[-1], match="*", to="registry.access.redhat.com/ubi9/ubi:9.8")
        return replace(self.tables, images=ImageTable((*rules, last)))


# --- the page ---


def page(rows: Mapping[str, Row], distinct: Iterable[Row], stressed: Iterable[Row]) -> str:
    whole, every = Row(), Row()
    for each in distinct:
        whole.add(each)
    for each in stressed:
        every.add(each)
    some = [row for row in rows.values() if row.files]
    parts = [
        f"""\
# What `midstream convert` makes of vLLM's Dockerfiles

Made by `make corpus`; `tests/test_corpus.py` holds it to a smaller sample.

Every Dockerfile of every release on the package index from {FIRST} on, converted for `ubi9` without
an overlay and without values for its build arguments: {sum(row.files for row in some)} files of
{len(some)} releases ({len(rows) - len(some)} more came without one). {whole.files} are distinct,
with {whole.lines:,} lines and {whole.runs:,} RUNs.

A stage whose base image no row of `images.yaml` maps stays as it is, with a finding. So all is done
twice: with midstream's own table, and as if each unknown base were UBI, so that every RUN that
calls apt is converted.

| | own table | every base |
|---|---|---|
| edits | {whole.edits.total():,} | {every.edits.total():,} |
| instructions changed | {whole.changed:,} | {every.changed:,} |
| RUNs run in the sandbox, before and after (`--trace`) | {whole.traced:,} | {every.traced:,} |

## What holds

| none of these | own table | every base |
|---|---|---|
""",
        *(f"| {law} | {whole.broken[law]} | {every.broken[law]} |\n" for law in LAWS),
        """
## Edits by rule

| rule | own table | every base |
|---|---|---|
""",
        *(
            f"| `{rule}` | {whole.edits[rule]} | {every.edits[rule]} |\n"
            for rule in sorted({*whole.edits, *every.edits})
        ),
        """
## Findings by rule

What can't be converted without an overlay stays as it was, with a finding. In the distinct files:

| code | rule | severity | own table | every base |
|---|---|---|---|---|
""",
        *(
            f"| {key[0]} | `{key[1]}` | {key[2]} | {whole.found[key]} | {every.found[key]} |\n"
            for key in sorted({*whole.found, *every.found})
        ),
        """
## By release

With midstream's own table.

| release | files | lines | RUNs | edits | errors | warnings |
|---|---|---|---|---|---|---|
""",
        *(line(release, row) for release, row in rows.items() if row.files),
    ]
    return "".join(parts)


def line(release: str, row: Row) -> str:
    """A release's line of the page."""
    cells = [
        release, row.files, row.lines, row.runs, sum(row.edits.values()), row.count("error"),
        row.count("warning"),
    ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |\n"


def main() -> int:
    choices = argparse.ArgumentParser(prog="corpus", description=__doc__)
    choices.add_argument("releases", nargs="*", help="which ones; all of the index")
    choices.add_argument("--write", action="store_true", help="write docs/conversion.md")
    given = choices.parse_args()
    corpus = Corpus(files.cache_root())
    rows = {}
    start = time.monotonic()
    source = tracker()
    for release in given.releases or releases_on_the_index():
        snapshot = source.release(release)
        found = {path: snapshot.read(path) for path in snapshot.lock.files if is_dockerfile(path)}
        rows[release] = corpus.release(found)
        _say(line(release, rows[release]).strip())
    text = page(rows, list(corpus.known.values()), list(corpus.stressed.values()))
    if given.write:
        PAGE.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    _say(f"{time.monotonic() - start:.0f} s")
    both = (*corpus.known.values(), *corpus.stressed.values())
    return 1 if any(row.broken.total() for row in both) else 0


if __name__ == "__main__":
    sys.exit(main())
