"""The story of docs/decisions.md: three targets over five releases, by the real commands.

The tree is a copy of this repository's as it would have stood at 0.29.0: without locks, with ranges
that are open still, and without what the later releases made people write. At the end it has to be
this repository's again, and each result the one that its lock promises.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import textwrap
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from click.testing import CliRunner

from bench.measuring import ROOT
from midstream.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TARGETS = ("rocm_base", "rocm", "cuda")
WHO = "Ada Lovelace"

_CHANGES = re.compile(r"\d+ upstream changes: (\d+) taken, (\d+) facts? moved, (\d+) set aside")
_LEFT = re.compile(r"nothing was written: (?:(\d+) questions?(?:, )?)?(?:(\d+) errors?)?")
_EDIT = re.compile(r"  - id: nixl-plat\n(?:    .*\n)+")
_LATER = re.compile(r"    (?:NCCL_VERSION|BUILD_NIXL): .*\n")  # first passed at 0.32.0


class Tree:
    """The copy, and the commands that are run in it. `said` collects the page's text."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.root = folder / "tree"
        self.said: list[str] = []
        self.rows: list[tuple[str, ...]] = []
        self.open = 0  # questions
        self.release = ""
        for name in ("overlays", "upstream"):
            shutil.copytree(ROOT / name, self.root / name)
        for lock in (*self.root.rglob("lock.json"), *self.root.rglob("vllm.lock.json")):
            lock.unlink()
        (folder / "gitconfig").write_text(f"[user]\n\tname = {WHO}\n")
        (folder / "cache").mkdir()
        (folder / "cache" / "midstream").symlink_to(cache)
        self._runner = CliRunner(
            env={
                "XDG_CACHE_HOME": str(folder / "cache"),
                "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
            }
        )

    def run(self, *words: str, exit_code: int = 0) -> str:
        """What a command says. It has to end as it is said here."""
        done = self._runner.invoke(main, ["--root", str(self.root), *words])
        if done.exit_code != exit_code:
            raise AssertionError(f"{shlex.join(words)} ended with {done.exit_code}: {done.stderr}")
        return done.output.replace(f"{self.root}/", "")

    # --- what a person does ---

    def track(self, release: str) -> None:
        self.release = release
        text = self.run("track", "--release", release)
        self.head(release)
        self.show(f"midstream track --release {release}", text.splitlines()[0])

    def look(self, target: str, *codes: str, errors_before: int = 0) -> None:
        """The first rebase at a release: its summary, and the first finding of each code."""
        text = self.run("rebase", "--target", target, exit_code=1 if codes else 0)
        self.show(f"midstream rebase --target {target}", excerpt(text, codes))
        found, left = _CHANGES.search(text), _LEFT.search(text)
        if found is None:
            raise AssertionError(f"no changes are counted:\n{text}")
        asked, errors = left.groups("0") if left else ("0", "0")
        errors = str(int(errors) + errors_before)
        self.rows.append((self.release, target, *found.groups(), asked, errors))
        self.open = int(asked)

    def decide(self, target: str | None, names: tuple[str, ...], answer: str, why: str) -> None:
        """An answer in one target, or in all that ask the same."""
        where = ("--target", target) if target else ("--all",)
        words = ("decide", *where, *names, f"--{answer}", "--why", why)
        self.open -= len(names)
        text = self.run(*words, exit_code=1 if self.open else 0)
        self.show(wrapped(words), text.strip())

    def rebase(self, target: str) -> None:
        """The rebase that writes."""
        text = self.run("rebase", "--target", target)
        self.show(f"midstream rebase --target {target}", text.splitlines()[-1])

    def write(self, name: str, text: str | None = None) -> None:
        """A file as this repository has it, or with this text."""
        path = self.root / name
        path.write_text(text if text is not None else (ROOT / name).read_text())

    def without(self, name: str, *parts: re.Pattern[str] | str) -> None:
        """A file of this repository without these texts."""
        text = (ROOT / name).read_text()
        for part in parts:
            new = text.replace(part, "") if isinstance(part, str) else part.sub("", text)
            if new == text:
                raise AssertionError(f"{name} has no `{part}` to leave out")
            text = new
        self.write(name, text)

    # --- what the page says ---

    def say(self, text: str) -> None:
        self.said.append(textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False))

    def head(self, text: str) -> None:
        self.said.append(f"### {text}")

    def show(self, command: str, text: str) -> None:
        """A command and what it printed, in one block with those right before it."""
        if self.said and self.said[-1].endswith("\n```"):
            self.said[-1] = f"{self.said[-1][:-3]}$ {command}\n{text}\n```"
        else:
            self.said.append(f"```\n$ {command}\n{text}\n```")

    def proved(self) -> None:
        """The tree is this repository's now, and each result the one that its lock promises."""
        for path in sorted((ROOT / "overlays").rglob("*")):
            there = self.root / path.relative_to(ROOT)
            if path.suffix in (".yaml", ".j2") and there.read_bytes() != path.read_bytes():
                raise AssertionError(f"{path} is another one at the end of the story")
        for target in TARGETS:
            made, kept = (
                json.loads((root / "overlays" / target / "lock.json").read_bytes())
                for root in (self.root, ROOT)
            )
            if (made["result"], made["review"]) != (kept["result"], kept["review"]):
                raise AssertionError(f"the story's {target} is another one than the repository's")


def excerpt(text: str, codes: tuple[str, ...]) -> str:
    """The findings with these codes, each code once, what questions are about, and the summary."""
    blocks = [block.strip("\n") for block in text.split("\n\n")]
    about = {first: second for first, second in pairwise(blocks) if second.startswith("  then ")}
    shown: list[str] = []
    for code in codes:
        every = [block for block in blocks if re.match(rf"\w+\[{code}\]", block)]
        if not every:
            raise AssertionError(f"no {code} was said:\n{text}")
        shown.append(every[0] + "\n")
        shown += [_begun(about[every[0]]) + "\n"] if every[0] in about else []
        if len(every) > 1:
            shown.append(f"… and {len(every) - 1} more of {code}\n")
    last = [
        line
        for block in blocks
        if re.match(r"\w+: |wrote ", block)
        for line in block.splitlines()
        if "upstream instructions" not in line
    ]
    lines = "\n".join([*shown, *_fewer(last)]).splitlines()
    return "\n".join(line for line in lines if not _COMMENT.match(line))


_FILE = re.compile(r"  then  \S+:1\n  now   \S+:1\n")
_FIRST = 8  # lines of the difference between two whole files


def _begun(about: str) -> str:
    lines = about.splitlines()
    if not _FILE.match(about) or len(lines) <= _FIRST:
        return about
    return "\n".join([*lines[:_FIRST], f"    … and {len(lines) - _FIRST} lines more"])


_COMMENT = re.compile(r"    [+-]\s*#")  # upstream's prose stays upstream's


_MOST = 3  # values of one file
_WIDE = 130  # characters of a line


def _fewer(lines: list[str]) -> Iterator[str]:
    """The summary with a few of the values that moved in each file."""
    for is_value, group in groupby(lines, key=lambda line: line.startswith("    ")):
        values = [line if len(line) <= _WIDE else f"{line[:_WIDE]}…" for line in group]
        yield from values[:_MOST] if is_value else values
        if is_value and len(values) > _MOST:
            yield f"           … and {len(values) - _MOST} more"


def wrapped(words: tuple[str, ...]) -> str:
    """A command on lines that a page has room for."""
    lines, line = [], "midstream"
    for word in words:
        quoted = shlex.quote(word)
        if len(line) + len(quoted) > 92:
            lines.append(f"{line} \\")
            line = "   "
        line = f"{line} {quoted}"
    return "\n".join([*lines, line])


def told(folder: Path, cache: Path) -> Tree:
    """The story, from 0.29.0 to 0.33.0."""
    tree = Tree(folder, cache)
    _as_it_stood(tree)
    _first(tree)
    _second(tree)
    _third(tree)
    _fourth(tree)
    _fifth(tree)
    tree.proved()
    return tree


def _as_it_stood(tree: Tree) -> None:
    for name in (
        "overlays/rocm_base/overlay.yaml",
        "overlays/cuda/overlay.yaml",
        "overlays/cuda/tools/install_snapshot_runtime.sh.j2",
    ):
        (tree.root / name).unlink()
    tree.without("overlays/rocm_base/0.19/overlay.yaml", ",<0.33")
    tree.without("overlays/cuda/0.29/overlay.yaml", ",<0.31")
    tree.without("overlays/rocm/common.yaml", _EDIT)


def _first(tree: Tree) -> None:
    tree.track("0.29.0")
    for target in TARGETS:
        tree.rebase(target)
    tree.say(
        "Nothing is asked: there is nothing to compare with. The first rebase writes the locks."
    )


def _second(tree: Tree) -> None:
    tree.track("0.30.0")
    tree.look("rocm_base", "MS221")
    tree.say(
        "A third of upstream's file moved: the stage that builds ROCm's runtime stands behind "
        "`base` now, and on it. That is taken, line by line. What runs in the image is asked "
        "about."
    )
    tree.decide(
        "rocm_base", ("final / ENV ROCPROFILER_QUEUE_INTERPOSITION",), "carry",
        "it belongs to the patches of the profiler that this release builds in",
    )  # fmt: skip
    tree.rebase("rocm_base")
    tree.look("rocm")
    tree.look("cuda", "MS221")
    tree.say("Three lines that stand together are one decision, and one command:")
    names = ("CUDA_HOME", "PATH", "LD_LIBRARY_PATH")
    tree.decide(
        "cuda", tuple(f"vllm-runtime-base / ENV {name}" for name in names), "carry",
        "CUDA is in /usr/local/cuda on UBI too, and no python is in its bin",
    )  # fmt: skip
    tree.rebase("cuda")


def _third(tree: Tree) -> None:
    tree.track("0.31.0")
    tree.look("rocm_base")
    tree.look("rocm")
    tree.look("cuda", "MS242", "MS309", "MS221")
    tree.say(
        "Upstream ships a new script, which calls apt, and its release build passes arguments of "
        "a preview that isn't shipped here. That is no question but work: a script of ours, and "
        "a word on each argument. The range of 0.29 ends here; the new one extends the same "
        "`common.yaml`. It has no lock yet, so it goes on from the lock of the range before."
    )
    tree.write("overlays/cuda/0.29/overlay.yaml")
    tree.write("overlays/cuda/tools/install_snapshot_runtime.sh.j2")
    tree.without("overlays/cuda/overlay.yaml", _LATER)
    tree.decide(
        "cuda", ("vllm-runtime-base / ENV CRIU_CUDA_PLUGIN_DIR",), "carry",
        "our script puts the plugin of CRIU there as well",
    )  # fmt: skip
    tree.rebase("cuda")


def _fourth(tree: Tree) -> None:
    why = "bytecode is compiled while the image is built; an arbitrary user could not write it"
    tree.track("0.32.0")
    tree.look("rocm_base")
    tree.look("rocm", "MS221")
    tree.look("cuda", "MS242")
    tree.say(
        "The same question in both, which one answer is enough for, and two more arguments of the "
        "preview, which get their word:"
    )
    tree.write("overlays/cuda/overlay.yaml")
    tree.decide(None, ("final_common / ENV UV_COMPILE_BYTECODE",), "carry", why)
    tree.rebase("rocm")
    tree.rebase("cuda")


def _fifth(tree: Tree) -> None:
    tree.track("0.33.0")
    text = tree.run("rebase", "--target", "rocm_base", exit_code=2)
    tree.show("midstream rebase --target rocm_base", excerpt(text, ("MS223", "MS534")))
    tree.say(
        "The file at this path is another one: what was `Dockerfile.rock_base` took its place, "
        "and builds ROCm from AMD's Python packages, on a plain Ubuntu. Nothing that the overlay "
        "says is about this text. The range of 0.19 ends here, and one is written for the new "
        "file. With it:"
    )
    tree.write("overlays/rocm_base/0.19/overlay.yaml")
    tree.write("overlays/rocm_base/overlay.yaml")
    tree.look("rocm_base", "MS223", "MS221", errors_before=1)
    tree.decide(
        "rocm_base", ("@file", "base / FROM"), "accept",
        "the new range was written for this file, with UBI in the place of Ubuntu",
    )  # fmt: skip
    sdk = "ROCM_PATH ROCM_HOME HIP_PATH HIP_CLANG_PATH HIP_DEVICE_LIB_PATH"
    names = ("SITE_PACKAGES", "SDK_DEV SDK_CORE", sdk, "PYTHONPATH")
    tree.decide(
        "rocm_base", tuple(f"base / ENV {name}" for name in names), "carry",
        "the SDK is a Python package, and its paths follow the virtual environment",
    )  # fmt: skip
    tree.rebase("rocm_base")
    tree.look("rocm", "MS300", "MS221")
    tree.say(
        "The tag of the wheel is the kind of change that a merge takes and a build lets through: "
        "no Debian word stands there, and pip refuses the wheel in the last stage. An edit "
        "answers it, `nixl-plat` in `overlays/rocm/common.yaml`."
    )
    tree.write("overlays/rocm/common.yaml")
    tree.decide(
        "rocm", ("final_common / ENV UCX_ROCM_IPC_SIGPOOL_MAX_ELEMS",), "carry",
        "it tunes UCX, which is built here from the same commit",
    )  # fmt: skip
    tree.rebase("rocm")
    tree.look("cuda")
