"""The fixtures: `tests/conftest.py` gives them to every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from repositories.double import Served
from repositories.making import Rpm, make_repository, module

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NODE = Rpm("nodejs", "1:20.1-1.module+el9.4.0+1")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of repositories, as `baseos/x86_64`; nobody changes them.

    s390x lacks `jq`, and has no EPEL packages but `ccache`; `nodejs` is only in a module's stream.
    """
    top = tmp_path_factory.mktemp("repositories")
    for arch in ("x86_64", "s390x"):
        base = [Rpm("git", "2.43.5-1.el9", arch), Rpm("git", "2.47.1-1.el9", arch)]
        base += [Rpm("tar", arch=arch)] if arch == "s390x" else []
        streams = [
            Rpm("vim-enhanced", arch=arch, provides=("vim = 9",), files=("/usr/bin/vim",)),
            Rpm("mta-a", arch=arch, provides=("mta",)),
            Rpm("mta-b", arch=arch, provides=("mta",)),
            *(Rpm(f"python3.{n}-devel", f"3.{n}.1-1.el9", arch) for n in (11, 12)),
            Rpm("python3-devel", "3.9.1-1.el9", arch, provides=("python3.9-devel = 3.9.1",)),
            Rpm("tzdata", "2024a-1.el9", "noarch"),
            *([Rpm("jq", arch=arch), _NODE] if arch == "x86_64" else []),
        ]
        modules = module("nodejs", "20", [_NODE]) if arch == "x86_64" else ""
        make_repository(top / "baseos" / arch, base, arch=arch, options=["--xz"])
        make_repository(top / "appstream" / arch, streams, arch=arch, modules=modules)
    fedora = [Rpm("ccache", "3.7-1.el9"), Rpm("sox", "14-1.el9"), Rpm("git", "9-1.el9")]
    make_repository(top / "epel" / "x86_64", fedora)
    make_repository(top / "epel" / "s390x", [Rpm("ccache", arch="s390x")], arch="s390x")
    make_repository(top / "stream" / "x86_64", [Rpm("libaio-devel"), Rpm("jq", "1.7-1.el9")])
    make_repository(
        top / "stream" / "s390x", [Rpm("libaio-devel", arch="s390x")], arch="s390x"
    )  # fmt: skip
    return top


@pytest.fixture
def served(made: Path) -> Iterator[Served]:
    with Served(made) as running:
        yield running
