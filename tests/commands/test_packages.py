from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

import demo
from serving import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from repositories.double import Served

REPOSITORIES = """\
ubi:
  title: UBI's own
  metadata:
    baseos: {baseurl: "URL/baseos/$basearch/"}
    appstream: {baseurl: "URL/appstream/$basearch"}
epel:
  title: EPEL
  set_up: {dnf: "dnf install -y https://epel.example/epel-release-latest-{release}.noarch.rpm"}
  metadata: {epel: {metalink: "URL/metalink?repo=epel-{release}&arch=$basearch"}}
centos-stream:
  title: CentOS Stream
  provides: [rhel, crb]
  metadata: {stream: {baseurl: "URL/stream/$basearch"}}
rhel:
  title: a subscribed build host
  provides: [crb]
vendor:
  title: a vendor's, for one architecture
  metadata: {vendor: {baseurl: "URL/stream/x86_64", arches: [x86_64]}}
rocm:
  title: its address is the overlay's
"""

ROWS = """\
git: {rpm: git}
make: {rpm: git}
vim: {rpm: vim}
tzdata: {rpm: tzdata}
ccache: {rpm: ccache, from: epel}
libaio-dev: {rpm: libaio-devel, from: rhel}
"python${V}-dev": {rpm: "python${V}-devel"}
less: {drop: nobody needs it}
"""
LOCK = "overlays/packages.lock.json"
TABLE = "overlays/_shared/packages.yaml"
REPOMD = "/appstream/x86_64/repodata/repomd.xml"


class Scene:
    """The demo's tree with tables of few rows, over the served repositories."""

    def __init__(self, folder: Path, served: Served) -> None:
        self.served = served
        self.demo = demo.make(folder)
        self.repositories = REPOSITORIES.replace("URL", served.url)
        self.shared("repositories.yaml", self.repositories)
        self.shared("packages.yaml", ROWS)
        for arch in ("x86_64", "s390x"):
            served.metalink(f"/metalink?repo=epel-9&arch={arch}", f"epel/{arch}")

    def shared(self, name: str, text: str) -> None:
        self.demo.write(f"overlays/_shared/{name}", text)

    def row(self, row: str) -> None:
        """The table with one more row, in its ninth line."""
        self.shared("packages.yaml", f"{ROWS}{row}\n")

    def overlay(self, body: str, head: str = demo.HEAD) -> None:
        self.demo.write("overlays/app/overlay.yaml", head + body)

    def run(self, *words: str) -> demo.Ran:
        return self.demo.run("packages", *words)

    def document(self, *words: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.run(*words, "--json").stdout)
        return content

    def found(self, *words: str) -> list[tuple[str, str, int, str, str]]:
        """Code, severity, line of the table, message and context of each finding."""
        return [
            (each["code"], each["severity"], each["line"], each["message"], each["context"])
            for each in self.document("verify", *words)["findings"]
        ]

    def installed(self, words: str, before: str = "") -> list[dict[str, Any]]:
        """What is found about a result with a RUN of these words."""
        self.overlay(before + EDIT.replace("WORDS", words))
        found: list[dict[str, Any]] = self.document("verify", "--target", "app")["findings"]
        return found


EDIT = """
edits:
  - id: tool
    at: "@ship"
    why: a test
    end: {text: 'RUN WORDS'}
"""


@pytest.fixture
def scene(tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr("midstream.packages.reading._FIRST_PAUSE", 0.0)
    return Scene(tmp_path, served)


INTEL = "ubi9 for x86_64"
BOTH = ("--arch", "x86_64", "--arch", "s390x")


# --- rows of the table ---


def test_rows_that_hold_are_counted(scene: Scene) -> None:
    done = scene.run("verify")
    assert done.exit_code == 0
    assert done.codes == []
    assert done.stdout.splitlines()[1].split() == ["ubi9", "x86_64", "5", "9", "9", "0", "0", "0"]
    assert done.stderr == "reading 5 repositories of ubi9 for x86_64\n"


def test_a_row_of_python_is_looked_up_for_each_version_of_the_platform(scene: Scene) -> None:
    scene.row('"python${V}-pip": {rpm: "python${V}-devel python${V}-pip"}')
    assert [message for _, _, _, message, _ in scene.found()] == [
        f"there is no package `python3.{n}-pip` in `ubi`" for n in (9, 11, 12)
    ]


@pytest.mark.parametrize(
    ("row", "code", "severity", "message"),
    [
        ("x: {rpm: xyz}", "MS572", "error", "there is no package `xyz` in `ubi`"),
        ("x: {rpm: git xyz}", "MS572", "error", "there is no package `xyz` in `ubi`"),
        ("x: {rpm: 'a-${V}'}", "MS572", "error", "there is no package `a-${V}` in `ubi`"),
        ("x: {rpm: xyz, from: rhel}", "MS572", "error",
         "there is no package `xyz` in `centos-stream` or `rhel`"),
        ("x: {rpm: sox}", "MS573", "error", "`sox` is in `epel`, and its row names `ubi`"),
        ("x: {rpm: sox, from: crb}", "MS573", "error",
         "`sox` is in `epel`, and its row names `crb`"),
        ("x: {rpm: git, from: epel}", "MS573", "info",
         "`git` is in UBI too, though its row names `epel`"),
        ("x: {rpm: nodejs}", "MS574", "error",
         "`nodejs` is only in streams of modules: nodejs:20"),
        ("x: {rpm: nodejs, from: epel}", "MS572", "error",
         "there is no package `nodejs` in `epel`"),
        ("x: {rpm: mta}", "MS575", "warning",
         "`mta` is no package, and several provide it: `mta-a`, `mta-b`"),
        ("sox: {drop: there is none}", "MS576", "info",
         "`sox` is dropped, and `epel` has a package of that name"),
        ("x: {rpm: xyz, from: rocm}", "MS577", "warning",
         "`xyz` can't be looked up: nothing says where `rocm` can be read"),
    ],
)  # fmt: skip
def test_a_row_that_does_not_hold_is_shown_at_its_line(
    scene: Scene, row: str, code: str, severity: str, message: str
) -> None:
    scene.row(row)
    assert scene.found() == [(code, severity, 9, message, INTEL)]
    done = scene.run("verify")
    assert done.exit_code == (1 if severity == "error" else 0)
    assert f"--> {TABLE}:9:1" in done.stderr
    assert scene.run("verify", "--strict").exit_code == (0 if severity == "info" else 1)


@pytest.mark.parametrize("rpm", ["/usr/bin/vim", "git-2.43.5", "'g*'", "'mta-*'", "tzdata.noarch"])
def test_a_file_a_version_and_a_pattern_hold_too(scene: Scene, rpm: str) -> None:
    scene.row(f"x: {{rpm: {rpm}}}")
    assert scene.found() == []


def test_what_only_some_architectures_lack_is_a_warning(scene: Scene) -> None:
    scene.row("jq: {rpm: jq}")
    assert scene.found(*BOTH) == [
        ("MS572", "warning", 9, "there is no package `jq` in `ubi`", "ubi9 for s390x")
    ]
    scene.row("x: {rpm: xyz}")
    assert scene.found(*BOTH) == [
        ("MS572", "error", 9, "there is no package `xyz` in `ubi`", "ubi9 for x86_64, s390x")
    ]


def test_a_row_of_a_repository_for_other_architectures_is_set_aside(scene: Scene) -> None:
    scene.row("x: {rpm: libaio-devel, from: vendor}")
    intel, mainframe = scene.document("verify", *BOTH)["builds"]
    assert (intel["found"], intel["aside"]) == (10, 0)
    assert (mainframe["found"], mainframe["aside"]) == (9, 1)
    assert "vendor/vendor" in intel["repositories"]
    assert "vendor/vendor" not in mainframe["repositories"]


def test_the_architectures_are_those_that_the_overlays_are_built_for(scene: Scene) -> None:
    both = "{stage: final, platforms: [linux/s390x, linux/amd64]}"
    scene.overlay("", demo.HEAD.replace("{stage: final}", both))
    builds = scene.document("verify")["builds"]
    assert [each["arch"] for each in builds] == ["s390x", "x86_64"]
    (build,) = scene.document("verify", "--arch", "s390x")["builds"]
    assert build["arch"] == "s390x"


def test_a_tree_without_overlays_has_its_table_checked(scene: Scene) -> None:
    shutil.rmtree(scene.demo.path("upstream"))
    shutil.rmtree(scene.demo.path("overlays/app"))
    (build,) = scene.document("verify")["builds"]
    assert (build["platform"], build["arch"], build["found"]) == ("ubi9", "x86_64", 9)


def test_nothing_is_locked_where_there_is_no_tree(scene: Scene, tmp_path: Path) -> None:
    done = scene.demo.run("packages", "lock", "--root", str(tmp_path / "empty"))
    assert done.exit_code == 2
    assert not (tmp_path / "empty").exists()


def test_a_platform_may_be_named(scene: Scene) -> None:
    scene.served.metalink("/metalink?repo=epel-10&arch=x86_64", "epel/x86_64")
    (build,) = scene.document("verify", "--platform", "ubi10")["builds"]
    assert (build["platform"], build["failed"]) == ("ubi10", [])
    assert scene.run("verify", "--platform", "ubi11").exit_code == 2


# --- what can go wrong outside ---


@pytest.mark.parametrize(
    ("fault", "exit_code"),
    [(Fault(status=404), 3), (Fault(status=403), 6), (Fault(status=503), 7), (Fault(part=0.5), 7)],
)
def test_a_repository_that_cannot_be_read_is_no_missing_package(
    scene: Scene, fault: Fault, exit_code: int
) -> None:
    scene.served.faults[REPOMD] = fault
    done = scene.run("verify")
    assert done.exit_code == exit_code
    assert done.codes == []
    assert f"error: ubi/appstream for x86_64: `{scene.served.url}{REPOMD}`" in done.stderr
    counts = "ubi9 x86_64 4, 1 not read 9 4 0 5 0"
    assert done.stdout.splitlines()[1].split() == counts.split()
    (build,) = scene.document("verify")["builds"]
    assert [each["repository"] for each in build["failed"]] == ["ubi/appstream"]


def test_metadata_that_is_not_what_was_promised_ends_with_5(scene: Scene) -> None:
    primary = scene.served.file("appstream/x86_64/repodata/*-primary.xml.*")
    scene.served.extra[primary] = b"<metadata/>"
    done = scene.run("verify")
    assert done.exit_code == 5
    assert "is not what repomd.xml promises" in done.stderr


def test_a_table_that_says_nowhere_where_to_read_is_a_mistake(scene: Scene) -> None:
    scene.shared("repositories.yaml", "ubi: {title: x}\nepel: {title: x}\nrhel: {title: x}\n")
    done = scene.run("verify")
    assert done.exit_code == 2
    assert "no repository says where it can be read" in done.stderr


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ("{a: {}}", "give it one of `baseurl:`, `metalink:`, `mirrorlist:`, `repofile:`"),
        ("{a: {baseurl: 'https://a', metalink: 'https://b'}}", "give it one of"),
        ("{a: {baseurl: 'ftp://a'}}", "`ftp://a` is no address"),
        ("{a: {baseurl: 'https://a', arches: [amd64]}}", "no architecture `amd64`"),
        ("{a: {url: 'https://a'}}", "unknown key `url`"),
    ],
)
def test_what_is_wrong_with_an_address_is_shown(scene: Scene, metadata: str, said: str) -> None:
    scene.shared("repositories.yaml", f"ubi: {{title: x, metadata: {metadata}}}\n")
    done = scene.run("verify")
    assert done.exit_code == 2
    assert said in done.stderr
    assert "overlays/_shared/repositories.yaml:1:" in done.stderr


# --- what results install ---


def test_what_a_result_installs_is_looked_up_in_what_the_target_enables(scene: Scene) -> None:
    (build,) = scene.document("verify", "--all")["builds"]
    assert (build["platform"], build["arch"]) == ("ubi9", "x86_64")
    assert (build["wanted"], build["found"], list(build["packages"])) == (1, 1, ["git"])
    assert scene.document("verify", "--target", "app")["findings"] == []


def test_what_nobody_has_is_shown_where_it_is_installed(scene: Scene) -> None:
    (found,) = scene.installed("dnf install -y xyz")
    assert (found["code"], found["severity"]) == ("MS572", "error")
    assert found["message"] == "there is no package `xyz` in `ubi`"
    assert found["file"] == "rendered/demo/Dockerfile.app.ubi"
    assert found["context"] == f"{INTEL}; app, written by `tool`, stage final"


def test_what_a_row_brought_is_shown_at_the_row_and_where_it_is_installed(scene: Scene) -> None:
    scene.shared("packages.yaml", ROWS.replace("make: {rpm: git}", "make: {rpm: makke}"))
    (found,) = scene.document("verify", "--target", "app")["findings"]
    assert (found["file"], found["line"]) == (TABLE, 2)
    assert found["also"] == {
        "note": "`app` installs it", "file": "docker/Dockerfile", "line": 6, "column": 46,
    }  # fmt: skip


def test_what_is_in_a_repository_that_the_target_does_not_enable_is_said(scene: Scene) -> None:
    (found,) = scene.installed("dnf install -y sox")
    assert found["code"] == "MS573"
    assert found["message"] == "`sox` is in `epel`, which `app` doesn't enable"
    assert found["help"] == "add `epel` to `repositories:` of the overlay"
    enabled = scene.installed("dnf install -y sox", "repositories: [epel]\n")
    assert [each["code"] for each in enabled if "sox" in each["message"]] == []


def test_what_only_some_builds_install_is_a_warning(scene: Scene) -> None:
    (found,) = scene.installed("if true; then dnf install -y xyz; fi")
    assert found["severity"] == "warning"


def test_where_a_stage_has_repositories_of_its_own_nobody_can_say(scene: Scene) -> None:
    own = "dnf config-manager --add-repo https://x.example/x && dnf install -y"
    (found,) = scene.installed(f"{own} xyz")
    assert (found["code"], found["severity"]) == ("MS577", "warning")
    assert found["message"] == "`xyz` was not found, and its stage sets up a repository of its own"
    assert scene.installed(f"{own} jq") == []


def test_a_stage_that_is_no_ubi_is_told_of_as_news(scene: Scene) -> None:
    ubi = "registry.access.redhat.com/ubi9/ubi:9.8"
    rows = f"{{match: ubuntu, to: '{ubi}', why: x}}", "{match: vendor/tools, keep: true, why: x}"
    scene.shared("images.yaml", "".join(f"- {row}\n" for row in rows))
    text = demo.DOCKERFILE.replace("${BASE} AS build", "vendor/tools:1 AS build")
    text = text.replace("apt-get update && apt-get", "dnf")
    scene.demo.track("2.2", {"docker/Dockerfile": text})
    (found,) = scene.document("verify", "--target", "app")["findings"]
    assert (found["code"], found["severity"]) == ("MS577", "info")
    assert found["message"].startswith("what `build` installs isn't looked up")


def test_a_result_is_never_excused_by_what_others_are_built_for(scene: Scene) -> None:
    """UBI can't be read here, and the vendor has nothing for s390x."""
    start = scene.repositories.index("epel:")
    scene.shared("repositories.yaml", "ubi: {title: x}\n" + scene.repositories[start:])
    scene.overlay("repositories: [vendor]\n")
    (found,) = scene.document("verify", "--target", "app", "--arch", "s390x")["findings"]
    assert (found["code"], found["context"]) == (
        "MS577",
        "ubi9 for s390x; app, demo 2.1, stage build",
    )


def test_what_is_known_only_when_it_runs_is_said(scene: Scene) -> None:
    (found,) = scene.installed("dnf install -y $(cat packages)")
    assert (found["code"], found["severity"]) == ("MS577", "warning")
    assert "what `$(cat packages)` stands for is known only when it runs" in found["message"]


def test_a_package_that_dnf_takes_from_another_repository_is_said(scene: Scene) -> None:
    """EPEL has a newer git than UBI; the vendor has jq 1.0, as UBI does, and CentOS Stream 1.7."""
    (found,) = scene.installed("dnf install -y git", "repositories: [epel]\n")
    assert (found["code"], found["severity"]) == ("MS579", "warning")
    assert "from `epel` (9-1.el9), and its row names `ubi` (2.47.1-1.el9)" in found["message"]
    scene.row("x: {rpm: jq, from: vendor}")
    here = scene.repositories.replace("/stream/x86_64", "/appstream/x86_64")
    scene.shared("repositories.yaml", here)
    both = "repositories: [vendor, centos-stream]\n"
    (found,) = scene.installed("dnf install -y jq", both)
    assert (found["code"], found["severity"]) == ("MS579", "warning")
    assert found["message"] == (
        "dnf takes `jq` from `centos-stream` (1.7-1.el9), and its row names `vendor` (1.0-1.el9)"
    )
    later = 'set_up: {dnf: "printf priority=200 > /etc/yum.repos.d/x.repo"}'
    scene.shared(
        "repositories.yaml",
        here.replace("title: CentOS Stream", f"title: CentOS Stream\n  {later}"),
    )
    assert scene.installed("dnf install -y jq", both) == []


def test_a_target_with_errors_is_said(scene: Scene) -> None:
    scene.shared("packages.yaml", ROWS.replace("make: {rpm: git}\n", ""))
    done = scene.run("verify", "--target", "app")
    assert done.exit_code == 1
    assert "what `app` installs isn't known: its result has errors" in done.stderr
    assert "midstream rebase --target app" in done.stderr


def test_a_platform_is_the_tables_and_not_a_targets(scene: Scene) -> None:
    assert scene.run("verify", "--target", "app", "--platform", "ubi10").exit_code == 2


# --- the lock ---


def test_a_lock_holds_what_the_rows_stand_for(scene: Scene) -> None:
    done = scene.run("lock")
    assert done.exit_code == 0
    assert "ubi9 x86_64 git  not known -> git-2.47.1-1.el9 (ubi/baseos), git-9-1.el9" in done.stdout
    assert "ubi9 x86_64 less  not known -> not there" in done.stdout
    content = scene.demo.json(LOCK)["platforms"]["ubi9"]["x86_64"]
    assert list(content["repositories"]) == [
        "centos-stream/stream", "epel/epel", "ubi/appstream", "ubi/baseos", "vendor/vendor",
    ]  # fmt: skip
    (vim,) = content["packages"]["vim"]
    assert vim == {
        "repository": "ubi/appstream", "name": "vim-enhanced", "evr": "1.0-1.el9", "by": "provides",
    }  # fmt: skip
    assert content["packages"]["python3.9-devel"][0]["name"] == "python3-devel"


def test_the_same_repositories_give_the_same_lock(scene: Scene) -> None:
    scene.run("lock")
    before = scene.demo.path(LOCK).read_bytes()
    scene.demo.path(LOCK).unlink()
    scene.run("lock")
    assert scene.demo.path(LOCK).read_bytes() == before
    assert scene.run("lock").stdout == ""


def test_a_check_writes_nothing(scene: Scene) -> None:
    assert scene.run("lock", "--check").exit_code == 1
    assert not scene.demo.path(LOCK).exists()
    scene.run("lock")
    assert scene.run("lock", "--check").exit_code == 0
    scene.row("jq: {rpm: jq}")
    done = scene.run("lock", "--check")
    assert done.exit_code == 1
    assert done.stdout.startswith("ubi9 x86_64 jq  not known -> jq-1.0-1.el9 (ubi/appstream)")


def test_nothing_is_locked_unless_all_could_be_read(scene: Scene) -> None:
    scene.run("lock")
    before = scene.demo.path(LOCK).read_bytes()
    scene.row("jq: {rpm: jq}")
    scene.served.faults[REPOMD] = Fault(status=503)
    done = scene.run("lock")
    assert done.exit_code == 7
    assert f"{LOCK} was left as it is" in done.stderr
    assert scene.demo.path(LOCK).read_bytes() == before


def test_a_lock_of_one_architecture_leaves_the_others(scene: Scene) -> None:
    scene.run("lock")
    scene.run("lock", "--arch", "s390x")
    assert list(scene.demo.json(LOCK)["platforms"]["ubi9"]) == ["s390x", "x86_64"]
    scene.run("lock")
    assert list(scene.demo.json(LOCK)["platforms"]["ubi9"]) == ["x86_64"]


def test_the_lock_answers_where_there_is_no_network(scene: Scene) -> None:
    rows = ["jq: {rpm: jq}", "x: {rpm: nodejs}", "y: {rpm: xyz}", "sox: {drop: none}",
            "z: {rpm: git, from: epel}", "r: {rpm: r, from: rocm}", "m: {rpm: mta}"]  # fmt: skip
    scene.row("\n".join(rows))
    online = scene.found()
    assert {code for code, *_ in online} == {f"MS57{n}" for n in (2, 3, 4, 5, 6, 7)}
    scene.run("lock")
    scene.served.stop()
    assert scene.found("--offline") == online


def test_the_lock_answers_for_results_as_well(scene: Scene) -> None:
    scene.overlay(EDIT.replace("WORDS", "dnf install -y jq"))
    scene.run("lock")
    (found,) = scene.document("verify", "--offline", "--all")["findings"]
    assert (found["code"], found["message"]) == ("MS578", "the lock doesn't know `jq`")
    assert found["help"] == "run: midstream packages lock --all"
    scene.run("lock", "--all")
    scene.served.stop()
    assert scene.found("--offline", "--all") == []


def test_a_row_that_is_newer_than_the_lock_is_said(scene: Scene) -> None:
    scene.run("lock")
    scene.row("jq: {rpm: jq}")
    assert scene.found("--offline") == [("MS578", "error", 9, "the lock doesn't know `jq`", INTEL)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), f"there is no {LOCK}"),
        (("--arch", "s390x"), f"{LOCK} doesn't know `ubi` of ubi9 for s390x"),
    ],
)
def test_a_lock_that_is_not_there_is_said(scene: Scene, words: tuple[str, ...], said: str) -> None:
    if words:
        scene.run("lock")
    done = scene.run("verify", "--offline", *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "run: midstream packages lock" in done.stderr


def test_a_repository_that_is_newer_than_the_lock_is_said(scene: Scene) -> None:
    scene.run("lock")
    more = f'more: {{title: x, metadata: {{a: {{baseurl: "{scene.served.url}/epel/$basearch"}}}}}}'
    scene.shared("repositories.yaml", f"{scene.repositories}{more}\n")
    done = scene.run("verify", "--offline")
    assert done.exit_code == 2
    assert f"{LOCK} doesn't know `more` of ubi9 for x86_64" in done.stderr


def test_what_a_lock_changed_is_one_document(scene: Scene) -> None:
    content = scene.document("lock")
    assert content["kind"] == "packages lock"
    assert content["builds"] == ["ubi9 x86_64"]
    assert {"package": "ubi9 x86_64 less", "before": None, "after": ""} in content["moved"]
