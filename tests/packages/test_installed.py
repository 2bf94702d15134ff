from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assumptions.looking import sibling
from conversions.subjects import subject
from midstream.packages.installed import installs

if TYPE_CHECKING:
    from midstream.packages.claims import Claim
    from midstream.ubi.subject import Sibling

UBI = "FROM registry.access.redhat.com/ubi9/ubi:9.8 AS final\n"


def claims(
    text: str,
    *,
    head: str = UBI,
    repositories: tuple[str, ...] = (),
    siblings: dict[str, Sibling] | None = None,
) -> list[Claim]:
    of = subject(head + text, repositories=repositories, siblings=siblings)
    return list(installs(of, "app"))


def wanted(text: str, *, head: str = UBI) -> list[str]:
    return [each.wanted for each in claims(text, head=head)]


@pytest.mark.parametrize(
    ("run", "found"),
    [
        ("dnf install -y git make", ["git", "make"]),
        ("dnf -y --setopt tsflags=nodocs install --enablerepo x git", ["git"]),
        ("microdnf install --nodocs 'pkgconfig(x)' /usr/bin/vi", ["pkgconfig(x)", "/usr/bin/vi"]),
        ("yum install -y git && dnf clean all && dnf remove -y tar", ["git"]),
        ("dnf module enable -y nodejs:20 && dnf upgrade -y", []),
        ("dnf install -y ./x.rpm https://a.example/b.rpm git", ["git"]),
        ("bash -c 'dnf install -y git'", ["git"]),
        ("apt-get install -y git; echo dnf install tar", []),
    ],
)
def test_the_arguments_of_install_are_claims(run: str, found: list[str]) -> None:
    assert wanted(f"RUN {run}\n") == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ARG V=3.12\nRUN dnf install -y python${V}-devel\n", ["python3.12-devel"]),
        ("ENV V=1\nENV N=a$V\nRUN dnf install $N\n", ["a1"]),
        ("RUN P='git make' && dnf install -y $P\n", ["git", "make"]),
        ('RUN P="git \\\n    make" && P="$P tar" && dnf install $P\n', ["git", "make", "tar"]),
        ("ARG V=2\nRUN P=a-$V && dnf install ${P}\n", ["a-2"]),
        ("RUN for p in git make; do dnf install -y $p; done\n", ["git", "make"]),
        ("RUN V=$(cat x) && dnf install -y a-${V}-b\n", ["a-${V}-b"]),
        ("RUN dnf install -y a-$(cat x | tr . -)\n", ["a-${…}"]),
        ("ARG V\nRUN dnf install -y a-${V}\n", ["a-${V}"]),
    ],
)
def test_variables_are_filled_in_as_far_as_they_are_known(text: str, found: list[str]) -> None:
    assert wanted(text) == found


@pytest.mark.parametrize("word", ["$P", "${P}", "$(cat packages)", "@development"])
def test_a_word_that_names_nothing_is_a_claim_that_nobody_can_check(word: str) -> None:
    (claim,) = claims(f"RUN dnf install -y {word}\n")
    assert claim.wanted == ""
    assert f"`{word}`" in claim.unsure


def test_what_only_some_builds_install_is_marked() -> None:
    text = 'RUN dnf install -y a && if [ "$X" ]; then dnf install -y b; fi\n'
    assert [(each.wanted, each.perhaps) for each in claims(text)] == [("a", False), ("b", True)]


def test_a_stage_that_is_no_ubi_is_said_to_be_passed_over() -> None:
    head = "FROM quay.io/fedora/fedora:40 AS tools\n"
    (claim,) = claims("RUN dnf install -y git\nRUN dnf install -y tar\n", head=head)
    assert (claim.wanted, claim.foreign, claim.place.at) == ("", True, "Dockerfile:1")
    assert claim.unsure.startswith("what `tools` installs isn't looked up")
    assert claims("RUN dnf clean all\n", head=head) == []


def test_a_claim_names_its_stage_and_the_row_that_it_comes_by() -> None:
    git, strange = claims("RUN dnf install -y git strange\n")
    assert (git.target, git.within) == ("app", "stage final")
    assert git.row is not None
    assert git.row.debian == "git"
    assert strange.row is None
    assert strange.place.at == "Dockerfile:2"


def test_a_row_with_a_variable_is_known_whatever_it_is_called() -> None:
    (claim,) = claims("RUN dnf install -y cuda-nvcc-${DASH}\n")
    assert claim.row is not None
    assert claim.row.debian == "cuda-nvcc-${CUDA_VERSION_DASH}"


def test_the_repositories_are_ubi_and_those_of_the_overlay() -> None:
    (claim,) = claims("RUN dnf install -y git\n", repositories=("centos-stream",))
    assert (claim.repositories, claim.unsure) == (("ubi", "centos-stream"), "")


def test_a_sibling_brings_its_repositories() -> None:
    base = sibling("quay.example/base", repositories=frozenset(("epel",)))
    (claim,) = claims("RUN dnf install -y git\n", head="FROM quay.example/base\n", siblings=base)
    assert claim.repositories == ("ubi", "epel")


def test_an_image_of_a_vendor_brings_the_vendors_repository() -> None:
    head = "FROM nvcr.io/nvidia/cuda:13.0.1-devel-ubi9\n"
    (claim,) = claims("RUN dnf install -y git\n", head=head)
    assert claim.repositories == ("ubi", "cuda")


def test_a_file_of_repositories_that_is_copied_makes_a_stage_unsure() -> None:
    (claim,) = claims("COPY x.repo /etc/yum.repos.d/\nRUN dnf install -y git\n")
    assert claim.unsure == "its stage sets up a repository of its own"


def test_epel_is_known_where_the_text_itself_enables_it() -> None:
    text = "RUN rpm -ivh https://x.example/epel-release-latest-9.noarch.rpm\n"
    (claim,) = claims(text + "RUN dnf install -y git\n")
    assert claim.repositories == ("ubi", "epel")


def test_what_the_overlay_sets_up_is_nothing_of_its_own() -> None:
    from conversions.subjects import tables

    command = tables("ubi9")[0].repositories["centos-stream"].set_up["dnf"]
    (claim,) = claims(f"RUN {command} && dnf install -y git\n", repositories=("centos-stream",))
    assert claim.unsure == ""


@pytest.mark.parametrize(
    "run",
    [
        "dnf config-manager --add-repo https://x.example/x.repo",
        "curl -o /etc/yum.repos.d/x.repo https://x.example/x.repo",
        "rpm -i https://x.example/vendor-release-9.rpm",
        "rpm -i https://x.example/vendor-repo-rhel9-1.rpm",
        "subscription-manager register",
        "dnf module enable -y nodejs:20",
    ],
)
def test_a_repository_of_its_own_makes_a_stage_unsure(run: str) -> None:
    head = f"{UBI.replace('final', 'base')}RUN {run}\nFROM base AS final\n"
    (claim,) = claims("RUN dnf install -y git\n", head=head)
    assert claim.unsure == "its stage sets up a repository of its own"
