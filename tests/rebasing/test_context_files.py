"""Files of ours in the place of upstream's: what the result does to take them, and what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo import make
from midstream.configuration import ConfigurationError
from midstream.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Demo
    from midstream.rebasing.flow import Rebased

SCRIPT = "#!/bin/sh\napt-get update\napt-get install -y git\n"
OURS = "#!/bin/sh\ndnf install -y git\n"
FILES = "files:\n  tools/setup.sh: {with: setup.sh, why: for UBI}\n"


def project(
    folder: Path, body: str, *, ours: str = OURS, name: str = "setup.sh", more: str = FILES
) -> Demo:
    """`FROM ubuntu` with these lines, an upstream script, and ours in its place."""
    demo = make(
        folder, f"FROM ubuntu:22.04 AS final\n{body}", more, upstream={"tools/setup.sh": SCRIPT}
    )
    demo.write(f"overlays/app/{name}", ours)
    return demo


def rebased(
    folder: Path, body: str, *, ours: str = OURS, more: str = FILES
) -> tuple[Demo, Rebased]:
    demo = project(folder, body, ours=ours, more=more)
    return demo, demo.rebase()


def lines(done: Rebased) -> list[str]:
    """The result, without what stands before the lines of the stage."""
    return done.result.text.splitlines()[2:]


COPIES = {
    "the file alone": (
        "COPY tools/setup.sh /tmp/setup.sh\nRUN /tmp/setup.sh\n",
        "COPY --from=midstream-files --chmod=0755 tools/setup.sh /tmp/setup.sh",
    ),
    "with flags of its own": (
        "COPY --chown=1:0 --chmod=700 ./tools/setup.sh /tmp/\nRUN /tmp/setup.sh\n",
        "COPY --from=midstream-files --chown=1:0 --chmod=700 ./tools/setup.sh /tmp/",
    ),
    "by ADD": (
        "ADD tools/setup.sh /tmp/setup.sh\nRUN /tmp/setup.sh\n",
        "COPY --from=midstream-files --chmod=0755 tools/setup.sh /tmp/setup.sh",
    ),
    "in exec form": (
        'COPY ["tools/setup.sh", "/tmp/"]\nRUN /tmp/setup.sh\n',
        'COPY --from=midstream-files --chmod=0755 ["tools/setup.sh", "/tmp/"]',
    ),
}


@pytest.mark.parametrize(("body", "line"), COPIES.values(), ids=COPIES)
def test_a_copy_of_the_file_alone_takes_ours(tmp_path: Path, body: str, line: str) -> None:
    _, done = rebased(tmp_path, body)
    assert done.is_proved, done.findings
    assert lines(done)[0] == line


FOLDERS = {
    "beside others": ("COPY tools/setup.sh a.txt /srv/", "tools/setup.sh /srv/setup.sh"),
    "by a glob": ("COPY tools/*.sh /srv/", "tools/setup.sh /srv/setup.sh"),
    "in its folder": ("COPY --chown=1 tools /srv/t", "tools/setup.sh /srv/t/setup.sh"),
    "in the whole context": ("COPY . .", "tools/setup.sh ./tools/setup.sh"),
}


@pytest.mark.parametrize(("copy", "ours"), FOLDERS.values(), ids=FOLDERS)
def test_what_takes_more_than_the_file_is_followed_by_ours(
    tmp_path: Path, copy: str, ours: str
) -> None:
    _, done = rebased(tmp_path, f"{copy}\nRUN sh setup.sh\n")
    owner = " --chown=1" if "chown" in copy else ""
    assert done.is_proved, done.findings
    assert lines(done)[:2] == [copy, f"COPY --from=midstream-files{owner} --chmod=0755 {ours}"]


def test_a_checkout_in_which_nobody_runs_the_script_stays_clean(tmp_path: Path) -> None:
    body = (
        "COPY tools/setup.sh /tmp/setup.sh\nRUN /tmp/setup.sh\n"
        "FROM ubuntu:22.04 AS wheel\nCOPY . .\nRUN make\n"
        "FROM final AS final2\nCOPY --from=wheel /x /x\n"
    )
    demo, _ = rebased(tmp_path, body)
    text = demo.path("overlays/app/overlay.yaml").read_text()
    demo.write("overlays/app/overlay.yaml", text.replace("stage: final", "stage: final2"))
    done = demo.rebase()
    assert done.result.text.count("midstream-files") == 1


MOUNTS = {
    "the file alone": (
        "--mount=type=bind,source=tools/setup.sh,target=/setup.sh",
        "--mount=type=bind,source=tools/setup.sh,target=/setup.sh,from=midstream-files",
    ),
    "its folder": (
        "--mount=type=bind,src=tools,target=/t",
        "--mount=type=bind,src=tools,target=/t "
        "--mount=type=bind,from=midstream-files,source=tools/setup.sh,target=/t/setup.sh",
    ),
    "the whole context": (
        "--mount=target=/src",
        "--mount=target=/src "
        "--mount=type=bind,from=midstream-files,source=tools/setup.sh,target=/src/tools/setup.sh",
    ),
}


@pytest.mark.parametrize(("mount", "ours"), MOUNTS.values(), ids=MOUNTS)
def test_a_mount_brings_ours(tmp_path: Path, mount: str, ours: str) -> None:
    _, done = rebased(tmp_path, f"RUN {mount} sh tools/setup.sh\n")
    assert done.is_proved, done.findings
    assert lines(done)[0] == f"RUN {ours} sh tools/setup.sh"


def test_mounts_of_a_stage_or_of_a_cache_are_left_alone(tmp_path: Path) -> None:
    mounts = "--mount=type=cache,target=/c --mount=type=bind,from=alpine,source=/,target=/a"
    _, done = rebased(tmp_path, f"COPY tools/setup.sh /s\nRUN {mounts} /s\n")
    assert f"RUN {mounts} /s" in lines(done)


def test_the_ledger_and_the_lock_know_the_replacement(tmp_path: Path) -> None:
    demo, done = rebased(tmp_path, "COPY tools/setup.sh /s\nRUN /s\n")
    copied = next(each for each in done.ledger.entries if each.keyword == "COPY")
    assert (str(copied.fate), copied.reasons[0].by) == ("edited", "files:tools/setup.sh")
    assert demo.run("rebase", "--target", "app").exit_code == 0
    assert "files:tools/setup.sh" in demo.json("overlays/app/lock.json")["edits"]


def test_upstreams_new_text_of_a_replaced_file_is_asked_about(tmp_path: Path) -> None:
    demo, _ = rebased(tmp_path, "COPY tools/setup.sh /s\nRUN /s\n")
    assert demo.run("rebase", "--target", "app").exit_code == 0
    demo.track("2.2", {"tools/setup.sh": SCRIPT + "apt-get install -y make\n"})
    assert [each.id for each in demo.rebase().questions] == ["files:tools/setup.sh"]


def test_the_build_is_given_the_folder_of_our_files(tmp_path: Path) -> None:
    demo, _ = rebased(tmp_path, "COPY tools/setup.sh /s\nRUN /s\n")
    demo.run("rebase", "--target", "app")
    folder = "rendered/demo/app.files"
    assert demo.path(f"{folder}/tools/setup.sh").read_text() == OURS
    said = demo.run("build-args", "--target", "app").stdout
    assert f"--build-context midstream-files={folder}" in said
    bake = demo.run("build-args", "--target", "app", "--format", "bake").stdout
    assert f'"midstream-files": "{folder}"' in bake


def test_only_a_file_that_is_called_a_template_is_filled_in(tmp_path: Path) -> None:
    ours = "#!/bin/sh\necho ${#LIST} {{ release }}\n"
    copy = "COPY tools/setup.sh /s\nRUN /s\n"
    _, plain = rebased(tmp_path / "plain", copy, ours=ours)
    assert plain.files["tools/setup.sh"] == ours
    ours, files = "#!/bin/sh\necho {{ release }}\n", FILES.replace("setup.sh,", "setup.sh.j2,")
    demo = project(tmp_path / "other", copy, ours=ours, name="setup.sh.j2", more=files)
    assert demo.rebase().files["tools/setup.sh"] == "#!/bin/sh\necho 2.1\n"


def test_a_file_that_nothing_takes_is_an_error(tmp_path: Path) -> None:
    _, done = rebased(tmp_path, "RUN make\n")
    assert [found.message for found in done.findings if found.is_error] == [
        "nothing that ships takes `tools/setup.sh`"
    ]


def test_a_file_that_upstream_has_no_more_is_an_error(tmp_path: Path) -> None:
    demo, _ = rebased(tmp_path, "COPY tools /t\nRUN make\n")
    demo.track("2.2", {"tools/setup.sh": None})
    messages = [found.message for found in demo.rebase().findings if found.is_error]
    assert messages == ["upstream has no `tools/setup.sh`"]


def test_a_fragment_of_ours_may_take_the_file_itself(tmp_path: Path) -> None:
    edit = (
        "edits:\n  - id: own\n    at: final / COPY\n    why: a test\n    replace: |\n"
        "      COPY --from=midstream-files tools/setup.sh /s\n"
    )
    _, done = rebased(tmp_path, "COPY tools/setup.sh /s\nRUN sh /s\n", more=FILES + edit)
    assert done.is_proved, done.findings
    assert lines(done)[0] == "COPY --from=midstream-files tools/setup.sh /s"


def test_a_script_of_ours_is_read_as_upstreams_was(tmp_path: Path) -> None:
    _, done = rebased(tmp_path, "COPY tools/setup.sh /s\nRUN tools/setup.sh\n", ours=SCRIPT)
    assert "script-with-apt" in [found.rule.name for found in done.findings if found.is_error]


def test_upstreams_own_file_is_taken_with_texts_swapped(tmp_path: Path) -> None:
    swap = FILES.replace("with: setup.sh", 'swap: [["apt-get update\\n", ""], [apt-get, dnf]]')
    _, done = rebased(tmp_path, "COPY tools/setup.sh /s\nRUN /s\n", more=swap)
    assert done.files["tools/setup.sh"] == "#!/bin/sh\ndnf install -y git\n"
    assert "COPY --from=midstream-files --chmod=0755 tools/setup.sh /s" in lines(done)


def test_a_text_to_swap_that_upstream_has_no_more_is_an_error(tmp_path: Path) -> None:
    swap = FILES.replace("with: setup.sh", "swap: [yum, dnf]")
    with pytest.raises(UsageError, match="`yum` stands nowhere in upstream's tools"):
        rebased(tmp_path, "COPY tools/setup.sh /s\nRUN /s\n", more=swap)


@pytest.mark.parametrize("entry", ["{why: x}", "{with: setup.sh, swap: [a, b], why: x}"])
def test_a_file_is_ours_or_upstreams_with_swaps(tmp_path: Path, entry: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        rebased(tmp_path, "COPY tools /t\n", more=f"files:\n  tools/setup.sh: {entry}\n")
    assert "expected either `with`" in caught.value.diagnostics[0].message


VENV = "python: {layout: venv, path: /opt/v}\n"


def test_a_script_that_installs_beside_the_virtual_environment_is_found(tmp_path: Path) -> None:
    ours = "#!/bin/sh\nuv pip install --system dist/*.whl\n"
    body = "COPY tools/setup.sh /s\nRUN sh tools/setup.sh\n"
    _, done = rebased(tmp_path / "a", body, ours=ours, more=VENV + FILES)
    assert [(f.rule.code, f.span) for f in done.findings if f.is_error and f.also] == [
        ("MS302", done.findings[0].span)
    ]
    _, alone = rebased(tmp_path / "b", body, ours=ours)
    assert "MS302" not in [found.rule.code for found in alone.findings]


def test_an_overlay_maps_a_base_image_for_itself(tmp_path: Path) -> None:
    ubi = "registry.access.redhat.com/ubi9/ubi:9.8"
    image = f"images:\n  - {{match: 'vendor/sdk:*', to: '{ubi}', why: x}}\n"
    text = "FROM vendor/sdk:24.04 AS final\nRUN apt-get install -y git\n"
    done = make(tmp_path / "a", text, image).rebase()
    assert done.is_proved, done.findings
    assert f"FROM {ubi} AS final\nRUN dnf install -y --nodocs git\n" in done.result.text
    assert not make(tmp_path / "b", text).rebase().is_proved
