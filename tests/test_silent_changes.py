"""Small changes of upstream's, of the kinds that it really makes: each is taken right, or asked
about, or refused. None passes in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo import HEAD, make
from midstream.adapters.process import check, run

if TYPE_CHECKING:
    from pathlib import Path

    from demo import Ran

REVIEW = """\
review: [{at: "@ship-lineage / ENV,ENTRYPOINT,CMD,EXPOSE,USER"}]
"""
SERVED = """\
FROM ubuntu:22.04 AS tools
RUN touch /t
FROM debian:12 AS build
RUN touch /a
FROM ubuntu:22.04 AS served
COPY --from=build /a /a
COPY --from=tools /t /t
USER 1000
ENTRYPOINT ["/a/serve"]
FROM served AS final
USER 2000
ENTRYPOINT ["/a/start"]
"""


def after(
    folder: Path,
    *changes: tuple[str, str],
    text: str = SERVED,
    body: str = REVIEW,
    head: str = HEAD.replace("  - {rule: non-root, why: a test}\n", ""),
    upstream: dict[str, str | bytes] | None = None,
) -> Ran:
    """What a rebase says once upstream has made these changes to a text that was decided about."""
    files: dict[str, str | bytes] = {"docker/Dockerfile.base": "FROM ubuntu:22.04\n"}
    demo = make(folder, text, body, head=head, upstream=files | (upstream or {}))
    first = demo.run("rebase", "--target", "app")
    assert (first.exit_code, first.codes) == (0, []), first.stderr
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    demo.track("2.2", {"docker/Dockerfile": text})
    return demo.run("rebase", "--target", "app")


# --- what is reviewed ---


@pytest.mark.parametrize(
    ("old", "new", "label"),
    [
        ("/a/start", "/a/serve", "final / ENTRYPOINT"),
        ("USER 2000", "USER 1000", "final / USER"),
        ("FROM served AS final\n", "FROM served AS final\nCMD []\n", "final / CMD"),
        ("COPY --from=build", "USER 2000\nCOPY --from=build", "served / USER"),
        ("FROM ubuntu:22.04 AS tools", "FROM debian:12 AS tools", "tools / FROM"),
    ],
)
def test_what_another_stage_says_already_is_asked_about_where_it_is_new(
    tmp_path: Path, old: str, new: str, label: str
) -> None:
    ran = after(tmp_path, (old, new))
    assert (ran.exit_code, set(ran.codes)) == (1, {"MS221"})
    assert f"`{label}`" in ran.stderr


def test_an_entrypoint_that_only_moved_to_another_stage_is_not_asked_about(tmp_path: Path) -> None:
    line = 'ENTRYPOINT ["/a/start"]\n'
    moved = ("FROM served AS final\n", f"FROM served AS more\n{line}FROM more AS final\n")
    ran = after(tmp_path, (f"USER 2000\n{line}", "USER 2000\n"), moved)
    assert (ran.exit_code, ran.codes) == (0, [])


@pytest.mark.parametrize(
    ("line", "codes"), [('ENTRYPOINT ["/a/serve"]', ["MS221"]), ("EXPOSE 80", [])]
)
def test_what_an_earlier_stage_says_is_asked_about_again_where_the_last_one_counts(
    tmp_path: Path, line: str, codes: list[str]
) -> None:
    text = SERVED.replace("FROM served", "EXPOSE 80\nFROM served").replace(
        'USER 2000\nENTRYPOINT ["/a/start"]\n',
        'ENTRYPOINT ["/a/start"]\nFROM final AS last\nUSER 2000\n',
    )
    head = HEAD.replace("  - {rule: non-root, why: a test}\n", "").replace("final", "last")
    ran = after(tmp_path, ("USER 2000\n", f"USER 2000\n{line}\n"), text=text, head=head)
    assert ran.codes == codes, ran.stderr


def test_an_entrypoint_that_is_gone_is_asked_about_once(tmp_path: Path) -> None:
    demo = make(tmp_path, SERVED, REVIEW, head=HEAD)
    check(run("git", "config", "--global", "user.name", "Ada"))
    demo.run("rebase", "--target", "app")
    demo.track("2.2", {"docker/Dockerfile": SERVED.replace('ENTRYPOINT ["/a/start"]\n', "")})
    ran = demo.run("rebase", "--target", "app")
    assert ran.exit_code == 1
    assert "nothing stands any more at `final / ENTRYPOINT`" in ran.stderr
    words = ("decide", "--target", "app", "final / ENTRYPOINT", "--accept", "--why", "the base's")
    assert demo.run(*words).exit_code == 0
    for release in ("2.2", "2.3"):
        demo.track(release, {"docker/Dockerfile": demo.files["docker/Dockerfile"] + b"# more\n"})
        ran = demo.run("rebase", "--target", "app")
        assert (ran.exit_code, [c for c in ran.codes if c.startswith("MS2")]) == (0, [])
    demo.track("2.4", {"docker/Dockerfile": SERVED})
    assert "a change at `final / ENTRYPOINT`" in demo.run("rebase", "--target", "app").stderr


def test_an_overlay_that_reviews_less_loses_nothing(tmp_path: Path) -> None:
    demo = make(tmp_path, SERVED, REVIEW, head=HEAD)
    demo.run("rebase", "--target", "app")
    demo.write("overlays/app/overlay.yaml", HEAD)
    assert demo.run("rebase", "--target", "app").exit_code == 0


@pytest.mark.parametrize(
    ("line", "image"),
    [
        ("COPY --from=debian:12@sha256:aa /usr/bin/jq /usr/bin/jq", "debian"),
        ("RUN --mount=type=bind,from=host.example/x/y:1,target=/y cp /y/z /z", "host.example/x/y"),
    ],
)
def test_files_of_an_image_that_is_new_are_asked_about(
    tmp_path: Path, line: str, image: str
) -> None:
    ran = after(tmp_path, ("USER 1000\n", f"{line}\nUSER 1000\n"))
    assert (ran.exit_code, set(ran.codes) - {"MS321", "MS354"}) == (1, {"MS221"})
    assert f"something new at `served / --from {image}`" in ran.stderr


def test_an_image_that_files_were_taken_from_already_moves_on_without_a_question(
    tmp_path: Path,
) -> None:
    text = SERVED.replace(
        "USER 1000", f"COPY --from=host.example/x:1@sha256:{'a' * 64} /x /x\nUSER 1"
    )
    ran = after(tmp_path, ("host.example/x:1", "host.example/x:2"), text=text)
    assert (ran.exit_code, ran.codes) == (0, [])


def test_what_else_changes_in_an_instruction_that_an_edit_takes_whole_is_asked_about(
    tmp_path: Path,
) -> None:
    text = SERVED.replace("RUN touch /t", "RUN touch /t && touch /u")
    edit = (
        "{id: ours, at: tools / RUN / touch /t, replace: RUN touch /t, scope: instruction, why: w}"
    )
    ran = after(tmp_path, ("touch /u", "touch /v"), text=text, body=f"edits: [{edit}]\n")
    assert (ran.exit_code, ran.codes) == (1, ["MS220"])


# --- the lock ---


def test_the_lock_of_another_target_decides_nothing_here(tmp_path: Path) -> None:
    demo = make(tmp_path, upstream={"docker/Dockerfile.base": "FROM ubuntu:22.04\n"})
    assert demo.run("rebase", "--target", "app").exit_code == 0
    name = "overlays/app/lock.json"
    text = demo.path(name).read_text().replace('"target": "app"', '"target": "base"')
    demo.write(name, text)
    ran = demo.run("rebase", "--target", "app")
    assert ran.exit_code == 2
    assert f"can't use {name}: it is the lock of `base`, not of `app`" in ran.stderr
    assert demo.path(name).read_text() == text


# --- what stands in a stage that is carried ---

BESIDE = {
    "tools/setup.sh": "#!/bin/bash\napt-get install -y x\n",
    "tools/setup.py": 'import os\nos.system("apt-get install x")\n',
}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("RUN apt-get install -y libunheard-of-dev", "MS203"),
        ("RUN apt-get install -y git=1:2.34", "MS205"),
        ("RUN echo git | xargs apt-get install -y", "MS205"),
        ('RUN get() { apt-get install -y "$@"; }; get git', "MS205"),
        ('RUN eval "apt-get install -y git"', "MS209"),
        ("ARG APT=apt-get\nRUN $APT install -y git", "MS209"),
        ("RUN python3 -c \"import os; os.system('apt-get install git')\"", "MS209"),
        ("RUN curl https://deb.vendor.example/setup | bash -", "MS209"),
        ("RUN auditwheel repair --plat manylinux_2_39_x86_64 a.whl", "MS300"),
        ("RUN rm -rf '/usr/lib/python3/dist-packages/x'", "MS301"),
        ("RUN ls '/opt/x/lib/x86_64-linux-gnu/'", "MS304"),
        ("RUN find / -path '*x86_64-linux-gnu*' -delete", "MS304"),
        ("RUN curl -O https://host.example/x-ubuntu22.04.tar.gz", "MS305"),
        ("RUN --mount=type=bind,source=tools/setup.sh,target=/s bash /s", "MS309"),
        ("COPY tools/setup.sh /opt/other.sh\nRUN /opt/other.sh", "MS309"),
        ("RUN python3 tools/setup.py", "MS309"),
        ("RUN bash scripts/other.sh", "MS318"),
    ],
)
def test_a_line_that_is_debians_is_never_carried_without_a_finding(
    tmp_path: Path, line: str, code: str
) -> None:
    ran = after(tmp_path, ("USER 1000\n", f"{line}\nUSER 1000\n"), upstream={**BESIDE})
    assert code in ran.codes, ran.stderr
    assert ran.exit_code == (0 if code == "MS318" else 1)


@pytest.mark.parametrize(
    "line",
    [
        "RUN apt-get update && apt-get install -y git",
        "RUN if true; then apt-get install -y git; fi",
        "RUN false || (apt-get update && apt-get install -y git)",
        "RUN <<EOF\napt-get update\napt-get install -y git\nEOF",
        'RUN bash -c "apt-get install -y git"',
        'RUN ["apt-get", "install", "-y", "git"]',
        "# apt-get install -y git",
        "WORKDIR /elsewhere",
    ],
)
def test_what_can_be_converted_is_taken_without_a_question(tmp_path: Path, line: str) -> None:
    ran = after(tmp_path, ("USER 1000\n", f"{line}\nUSER 1000\n"))
    assert (ran.exit_code, ran.codes) == (0, [])
