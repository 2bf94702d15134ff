"""A RUN and what became of it run the same commands, or say which edit explains that they don't."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from adapters.test_sandbox import refusing
from commands.running import run
from demo import HEAD, ROOT, make
from midstream.adapters.files import Tree
from midstream.converting import convert
from midstream.dockerfile.scan import parse
from midstream.edit import Edit
from midstream.overlay.tables import load_tables
from midstream.rebasing.assembly import assemble
from midstream.source import Source, Span
from midstream.tracing.proving import RULES, trace

if TYPE_CHECKING:
    from pathlib import Path

    from midstream.tracing.proving import Traced
    from releases import Releases

UBUNTU = "FROM ubuntu:24.04\n"


def traced(folder: Path, text: str, *planted: tuple[str, str, str]) -> Traced:
    """Convert a text, and trace it. `planted` are (text, other text, rule): what is found there is
    changed as if that rule had done so, beside what the conversion does."""
    source = Source("Dockerfile", UBUNTU + text)
    done = convert(source, load_tables(Tree(ROOT), "ubi9"))
    assert done.subject is not None
    edits = list(done.assembled.edits)
    for old, new, rule in planted:
        start = source.text.index(old)
        span = Span(start, start + len(old))
        edits = [each for each in edits if not each.span.overlaps(span)]
        edits.append(Edit(span, new, rule))
    assembled = assemble("Dockerfile", source.text, edits)
    return trace(done.subject, parse(assembled.source), assembled, folder)


def messages(found: Traced) -> list[str]:
    return [f"{each.rule.code} {each.message}" for each in found.findings]


BUILD = """\
ARG JOBS=4
RUN apt-get update && apt-get install -y --no-install-recommends git curl \\
    && rm -rf /var/lib/apt/lists/* \\
    && make -j "$JOBS" all > /opt/log \\
    && make install || exit 1
"""


def test_a_run_that_was_converted_runs_the_same(tmp_path: Path) -> None:
    found = traced(tmp_path, BUILD)
    assert (found.findings, found.runs, found.remembered) == ((), 1, 0)


def test_what_was_proved_once_is_remembered_until_something_changes(tmp_path: Path) -> None:
    traced(tmp_path, BUILD)
    assert traced(tmp_path, BUILD).remembered == 1
    assert traced(tmp_path, BUILD.replace("JOBS=4", "JOBS=5")).remembered == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\\\n    && make install", "", "what became of `make install`"),
        ("\" all", "\" some", "what became of `make -j ${JOBS} all > …`"),
        ("-j \"$JOBS\" ", "", "what became of `make -j ${JOBS} all > …`"),
        (" > /opt/log", "", "what became of `make -j ${JOBS} all > …`"),
        ("log \\\n    && make install", "log; make install", "`make install`, which upstream"),
        (" > /opt/log \\\n    && make install", " && make install > /opt/log", "became of `make"),
        ("> /opt/log", "> /tmp/lag", "leaves other things behind"),
        ("> /opt/log \\\n    &&", "> /opt/log;", "`make install`, which upstream doesn't run"),
        (" || exit 1", "", ""),
        ("make install", "touch /x && make install", "`touch /x`, which upstream doesn't run"),
        ("git curl", "jq", "what became of `apt-get install"),
    ],
)  # fmt: skip
def test_what_a_rule_has_no_business_with_is_found(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    found = messages(traced(tmp_path, BUILD, (old, new, "apt-to-dnf")))
    assert bool(found) == bool(said)
    assert all(each.startswith("MS270") and said in each for each in found)


def test_commands_in_another_order_are_found(tmp_path: Path) -> None:
    text = "RUN apt-get install -y git && first && second\n"
    found = traced(tmp_path, text, ("first", "second", "x"), ("second", "first", "y"))
    assert not found.findings  # both are an overlay's, which answers for them
    found = traced(tmp_path, text, ("first && second", "second && first", "apt-to-dnf"))
    assert messages(found) == ["MS270 nothing explains what became of `first`"]


def test_an_edit_of_an_overlay_explains_what_it_covers_and_nothing_beside(tmp_path: Path) -> None:
    text = "RUN apt-get install -y git && make -j 4 all && make install\n"
    assert not traced(tmp_path, text, ("4", "8", "fewer")).findings
    assert not traced(tmp_path, text, (" && make -j 4 all", "", "no-build")).findings
    swallowed = ("git && make -j 4 all", "git", "apt-to-dnf")
    assert len(traced(tmp_path, text, swallowed).findings) == 1


@pytest.mark.parametrize(
    "text",
    [
        "RUN for i in 1 2 3; do apt-get update && apt-get install -y git && break; sleep 5; done\n",
        'RUN if [ "$A" = yes ]; then apt-get install -y jq; make; else apt-get clean; fi\n',
        "RUN bash -lc 'set -e; f() { apt-get install -y git; }; f && make'\n",
        "RUN <<EOF\nset -e\napt-get update\napt-get install -y git\nmake\nEOF\n",
        "RUN curl -L k | gpg --dearmor > /etc/apt/keyrings/k.gpg && apt-get install -y git && x\n",
        "RUN add-apt-repository -y ppa:deadsnakes/ppa && apt-get install -y python3.12-dev && x\n",
        "RUN echo 'tzdata tzdata/Areas select Europe' | debconf-set-selections && x\n",
        "RUN adduser --disabled-password --gecos '' --uid 7 me && x\n",
        'RUN A=$(dpkg --print-architecture) && apt-get install -y git && x "$A"\n',
        'RUN ["/bin/bash", "-c", "apt-get install -y git && make"]\n',
        "RUN apt-get update\n",
        'RUN V=3.12 && apt-get install -y python${V}-dev && case "$V" in 3.12) a;; *) b;; esac\n',
        'SHELL ["/bin/bash", "-eo", "pipefail", "-c"]\nRUN apt-get install -y git; a | b\n',
        "ONBUILD RUN apt-get install -y git && make\n",
        "RUN a || apt-get update && make\n",
        "RUN a || rm -rf /var/lib/apt/lists/* && apt-get update && make || b\n",
        "RUN apt-get install -y git && echo 'a\\nb' > /opt/x && make\n",
        'SHELL ["/bin/bash", "-c"]\nRUN apt-get install -y git && echo \'a\\nb\' > /opt/x\n',
        "RUN apt-get install -y git && rm -rf /opt/x /var/lib/apt/lists/* && make\n",
        "RUN apt-get update && curl k | gpg --dearmor | tee /etc/apt/keyrings/k > /dev/null && x\n",
        "RUN ls /usr/lib/x86_64-linux-gnu && apt-get install -y ccache && make\n",
        'RUN echo "A=/usr/lib/$(uname -m)-linux-gnu/x.so:$A" >> ~/.bashrc && make\n',
        "RUN cp a.crt /usr/local/share/ca-certificates/ && update-ca-certificates && make\n",
        "RUN rm /usr/lib/python3.12/EXTERNALLY-MANAGED && make\n",
        "RUN ln -s /usr/local/bin/python3 /usr/bin/python3 && make\n",
        "RUN JAVA_HOME=/usr/lib/jvm/java-8-openjdk-amd64 make\n",
        "RUN apt-get install -y locales && localedef -i en_US -f UTF-8 en_US.UTF-8 && make\n",
    ],
)
def test_each_construct_runs_as_before(tmp_path: Path, text: str) -> None:
    found = traced(tmp_path, text)
    assert messages(found) == []
    assert found.runs == 1


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ('RUN if [ "$A" = yes ]; then apt-get install -y git; make; fi\n', "make", ":"),
        ('RUN [ -f /x ] || apt-get install -y git && make\n', "make", ":"),
        ('RUN case $A in b) apt-get install -y git; make;; esac\n', "make", ":"),
        ("RUN apt-get install -y git && { a || { b && c; }; }\n", "b &&", "b;"),
        ("RUN apt-get install -y git && set -e; a\n", "set -e", "set +e"),
        ("RUN apt-get install -y git && export A=1 && make\n", "A=1", "A=2"),
        ("RUN apt-get install -y git && (cd /x && make)\n", "cd /x &&", ""),
        ("RUN apt-get install -y git && echo 'a\\nb' > /opt/x\n", "echo", "printf '%s\\n'"),
        ("RUN apt-get install -y git && rm -rf /opt/x /var/lib/apt/lists/*\n", "/opt/x ", ""),
        ("RUN apt-get install -y git && cat > /etc/x <<EOF\nb\nEOF\n", "\nb\n", "\nc\n"),
    ],
)  # fmt: skip
def test_a_change_is_found_where_only_one_branch_shows_it(
    tmp_path: Path, text: str, old: str, new: str
) -> None:
    found = traced(tmp_path, text, (old, new, "apt-to-dnf"))
    assert [each.rule.code for each in found.findings] == (["MS270"] if "set" not in old else [])


def test_the_finding_shows_both_lists_and_when_it_is_so(tmp_path: Path) -> None:
    found = traced(tmp_path, BUILD, ("&& make install", "; make install", "apt-to-dnf"))
    (each,) = found.findings
    assert each.help is not None
    assert each.help.splitlines()[0] == (
        "where every file is there and JOBS=${JOBS}, "
        "and where `apt-get install -y --no-install-recommends git curl` fails:"
    )
    assert "upstream: exit" not in each.help
    assert "result:   make install" in each.help.splitlines()
    assert each.span == Span(29, 32)


# --- real releases ---


LOCKED = json.loads((ROOT / "upstream/vllm.lock.json").read_bytes())["release"]


@pytest.mark.releases
@pytest.mark.parametrize(
    ("release", "at_least"),
    [(LOCKED, {"rocm": 10, "rocm_base": 3, "cuda": 5}), ("0.11.0", {"cuda": 5, "rocm": 2})],
)
def test_every_target_of_a_release_runs_the_same(
    releases: Releases,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    release: str,
    at_least: dict[str, int],
) -> None:
    releases.files(release)
    (tmp_path / "midstream").mkdir()
    for name in ("blobs", "releases"):
        (tmp_path / "midstream" / name).symlink_to(releases.cache / name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ran = run(ROOT, "--json", "check", "--all", "--trace", "--release", release)
    codes = {each["code"] for each in ran.document["findings"]}
    assert not {rule.code for rule in RULES} & codes
    traced = dict(re.findall(r"^(\w+): (\d+) changed RUNs traced", ran.err, re.MULTILINE))
    assert all(int(traced[target]) >= number for target, number in at_least.items())


# --- as a person types it ---

BODY = "edits:\n  - {id: faster, at: build / RUN / make -j, args: {-j: '8'}, why: a test}\n"


def test_check_traces_a_targets_runs(tmp_path: Path) -> None:
    ran = make(tmp_path, body=BODY).run("check", "--target", "app", "--trace")
    assert ran.exit_code == 0, ran.stderr
    assert "app: 2 changed RUNs traced, 0 of them earlier" in ran.stderr


def test_a_target_from_a_template_has_nothing_to_trace(tmp_path: Path) -> None:
    demo = make(
        tmp_path, head=HEAD + "template: Dockerfile.j2\n", app__Dockerfile_j2="FROM a AS final\n"
    )
    assert "app: 0 changed RUNs traced" in demo.run("check", "--target", "app", "--trace").stderr


def test_check_traces_nothing_of_a_file_alone(tmp_path: Path) -> None:
    demo = make(tmp_path)
    path = demo.write("Dockerfile", "FROM a\n")
    ran = demo.run("check", str(path), "--trace")
    assert ran.exit_code == 2
    assert "midstream convert --trace" in ran.stderr


def test_where_no_sandbox_can_be_check_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = make(tmp_path / "demo")
    refusing(tmp_path, monkeypatch)
    ran = demo.run("check", "--all", "--trace")
    assert ran.exit_code == 3
    assert ran.codes.count("MS271") == 1
    assert "Operation not permitted" in ran.stderr
