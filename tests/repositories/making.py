"""Repositories of tiny RPMs, made as vendors make theirs: rpmbuild, createrepo_c, modifyrepo_c."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Rpm:
    """A package to make: `files` are empty ones of its own."""

    name: str
    evr: str = "1.0-1.el9"
    arch: str = "x86_64"
    provides: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def nevra(self) -> str:
        epoch, _, rest = self.evr.rpartition(":")
        return f"{self.name}-{epoch or 0}:{rest}.{self.arch}"


def make_repository(
    folder: Path,
    rpms: Iterable[Rpm],
    *,
    arch: str = "x86_64",
    modules: str = "",
    sources: Iterable[str] = (),
    options: Iterable[str] = (),
) -> Path:
    """A repository for one architecture in a folder. `modules` is the text of a modules.yaml;
    `sources` are names of source packages; `options` more words for createrepo_c."""
    folder.mkdir(parents=True, exist_ok=True)
    waiting = list(rpms)
    while waiting:  # one spec has a name once
        names = {each.name: each for each in reversed(waiting)}
        _build(folder, list(names.values()), arch)
        waiting = [each for each in waiting if each is not names[each.name]]
    for name in sources:
        _build_source(folder, name)
    _run("createrepo_c", "--quiet", "--no-database", *options, str(folder))
    if modules:
        text = folder / "modules.yaml"
        text.write_text(modules)
        _run("modifyrepo_c", "--mdtype=modules", str(text), str(folder / "repodata"))
    return folder


def module(name: str, stream: str, rpms: Iterable[Rpm]) -> str:
    """One stream of a module, as modules.yaml has it."""
    artifacts = "".join(f"    - {each.nevra}\n" for each in rpms)
    return f"""\
---
document: modulemd
version: 2
data:
  name: {name}
  stream: "{stream}"
  version: 9040020240101
  context: deadbeef
  arch: x86_64
  summary: a test
  description: a test
  license: {{module: [MIT]}}
  artifacts:
    rpms:
{artifacts}...
"""


def default_stream(name: str, stream: str) -> str:
    return f"""\
---
document: modulemd-defaults
version: 1
data: {{module: {name}, stream: "{stream}"}}
...
"""


def _build(folder: Path, rpms: list[Rpm], arch: str) -> None:
    """One spec whose packages are all beside its own, so that each has its own version."""
    text = ["Name: none", "Version: 1", "Release: 1", "Summary: none", "License: MIT",
            "AutoReqProv: no", "%description", "none"]  # fmt: skip
    for each in rpms:
        epoch, _, rest = each.evr.rpartition(":")
        version, _, release = rest.rpartition("-")
        text += [f"%package -n {each.name}", f"Version: {version}", f"Release: {release}",
                 "Summary: a test", "AutoReqProv: no", *([f"Epoch: {epoch}"] if epoch else []),
                 *(["BuildArch: noarch"] if each.arch == "noarch" else []),
                 *(f"Provides: {what}" for what in each.provides),
                 f"%description -n {each.name}", "a test"]  # fmt: skip
    text.append("%install")
    for file in (file for each in rpms for file in each.files):
        text += [f"mkdir -p %{{buildroot}}/$(dirname {file})", f": > %{{buildroot}}{file}"]
    for each in rpms:
        text += [f"%files -n {each.name}", *each.files]
    spec = folder / "test.spec"
    spec.write_text("\n".join(text) + "\n")
    _run(
        "rpmbuild", "-bb", "--quiet", "--target", arch, "--define", f"_topdir {folder}/build",
        "--define", f"_rpmdir {folder}", "--define", "_build_id_links none",
        "--define", "debug_package %{nil}", "--define", "__os_install_post %{nil}",
        str(spec),
    )  # fmt: skip


def _build_source(folder: Path, name: str) -> None:
    spec = folder / "source.spec"
    head = f"Name: {name}\nVersion: 1\nRelease: 1\nSummary: none\nLicense: MIT\n"
    spec.write_text(f"{head}%description\nnone\n")
    _run("rpmbuild", "-bs", "--quiet", "--define", f"_topdir {folder}/build",
         "--define", f"_srcrpmdir {folder}", str(spec))  # fmt: skip


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
