from __future__ import annotations

import pytest

from midstream.packages.answers import (
    Answers,
    Sighting,
    answer,
    asked_for,
    is_known,
)
from midstream.packages.evr import Evr
from midstream.packages.modules import Modules
from midstream.packages.primary import Kept, Rpm


def rpms(*nevrs: str, arch: str = "x86_64") -> dict[str, list[Rpm]]:
    """`name evr` each."""
    found: dict[str, list[Rpm]] = {}
    for name, evr in (each.split() for each in nevrs):
        found.setdefault(name, []).append(Rpm(name, arch, Evr.parse(evr)))
    return found


KEPT = Kept(
    by_name=rpms(
        "git 2.1-1",
        "git 2.10-1",
        "libnccl-devel 2.31.2-1+cuda13.0",
        "a-1 5-1",
        "a 1-2",
        "b-1 2-9",
        "b 1-2",
    ),
    by_capability={"vim": rpms("vim-enhanced 9-1")["vim-enhanced"]},
    by_file={"/usr/bin/vi": rpms("vim-minimal 9-1")["vim-minimal"]},
)


def answered(wanted: str, modules: Modules | None = None) -> list[tuple[str, str, str]]:
    found = answer(wanted, "ubi/baseos", KEPT, modules or Modules())
    return [(each.name, each.evr, each.by) for each in found]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("git", [("git", "2.10-1", "name")]),
        ("git.x86_64", [("git", "2.10-1", "name")]),
        ("git.noarch", []),
        ("git-2.1", [("git", "2.1-1", "name")]),
        ("git-2.1-1.x86_64", [("git", "2.1-1", "name")]),
        ("git-2.2", []),
        ("libnccl-devel-2.31.2-1+cuda13.0", [("libnccl-devel", "2.31.2-1+cuda13.0", "name")]),
        ("a-1", [("a-1", "5-1", "name")]),
        ("a-1-2", [("a", "1-2", "name")]),
        ("b-1-2", [("b", "1-2", "name")]),
        ("vim", [("vim-enhanced", "9-1", "provides")]),
        ("vim >= 8", [("vim-enhanced", "9-1", "provides")]),
        ("/usr/bin/vi", [("vim-minimal", "9-1", "file")]),
        ("nothing", []),
    ],
)
def test_an_argument_is_resolved_as_dnf_does(
    wanted: str, found: list[tuple[str, str, str]]
) -> None:
    assert answered(wanted) == found


def test_a_variable_stands_for_a_version_and_a_star_for_anything() -> None:
    names = (
        "cuda-nvcc-13-0",
        "cuda-nvcc-12-8",
        "cuda-nvcc-extra",
        "python3.12-devel",
        "python3-devel",
    )
    kept = Kept(by_name=rpms(*(f"{name} 1-1" for name in names)))

    def found(wanted: str) -> list[str]:
        return [each.name for each in answer(wanted, "r", kept, Modules())]

    assert found("cuda-nvcc-${CUDA_VERSION_DASH}") == ["cuda-nvcc-12-8", "cuda-nvcc-13-0"]
    assert found("cuda-nvcc-$V") == ["cuda-nvcc-12-8", "cuda-nvcc-13-0"]
    assert found("python${V}-devel") == ["python3-devel", "python3.12-devel"]
    assert found("cuda-*") == ["cuda-nvcc-12-8", "cuda-nvcc-13-0", "cuda-nvcc-extra"]


def test_what_dnf_sees_comes_before_what_a_module_hides() -> None:
    hidden = Modules({"git-0:2.10-1.x86_64": ("git:new",)})
    assert answered("git", hidden) == [("git", "2.1-1", "name")]
    every = {f"git-0:{evr}.x86_64": ("git:new",) for evr in ("2.10-1", "2.1-1")}
    (only,) = answer("git", "ubi/baseos", KEPT, Modules(every))
    assert (only.evr, only.streams) == ("2.10-1", ("git:new",))


def test_all_that_may_answer_is_asked_for() -> None:
    asked = asked_for(["git-2.1-1", "vim >= 8", "/usr/bin/vi", "a-${V}"])
    assert {"git", "git-2.1", "git-2.1-1"} <= asked.names
    assert "vim" in asked.capabilities
    assert asked.files == {"/usr/bin/vi"}
    assert len(asked.shapes) == 1


def test_a_name_found_for_another_question_is_known() -> None:
    nvcc = Sighting("cuda/cuda", "cuda-nvcc-13-0", "1-1")
    answers = Answers("ubi9", "x86_64", {}, {"cuda-nvcc-${V}": (nvcc,), "git": ()})
    assert answers.find("cuda-nvcc-13-0") == (nvcc,)
    assert answers.find("git") == ()
    assert answers.find("cuda-nvcc-12-0") is None
    assert answers.find("cuda-nvcc-${W}") is None


def test_a_variable_alone_names_nothing() -> None:
    assert is_known("python${V}")
    assert not is_known("${PACKAGES}")
    assert not is_known("$A-${B}")
