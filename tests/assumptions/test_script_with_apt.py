from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, look, on_ubi, told
from midstream.assumptions.script_with_apt import check, find_scripts
from midstream.diagnostic import Severity

APT = "#!/bin/bash\nset -e\napt-get install -y x\n"


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("RUN bash tools/setup.sh", "tools/setup.sh"),
        ("RUN ./tools/setup.sh --all", "./tools/setup.sh"),
        ("RUN a && sh /src/setup.sh", "/src/setup.sh"),
        ("RUN /usr/local/bin/setup.sh", "/usr/local/bin/setup.sh"),
    ],
)
def test_a_script_that_calls_apt_is_found_where_it_is_called(line: str, word: str) -> None:
    (found,) = check(look(on_ubi(line), scripts={"tools/setup.sh": APT}))
    assert told([found]) == [("MS309", 2, word)]
    assert found.message == "`tools/setup.sh` calls `apt-get` in line 3"
    assert found.also is not None
    assert found.also.source[found.also.span] == "apt-get install -y x"
    assert found.help is not None
    assert found.help.startswith("files: {tools/setup.sh: {with: setup.sh.j2")


def test_a_script_is_told_once_however_often_it_is_called() -> None:
    text = on_ubi("RUN ./setup.sh", "RUN ./setup.sh")
    assert len(told(check(look(text, scripts={"setup.sh": APT})))) == 1


@pytest.mark.parametrize("line", ["RUN sh ./build_$(uname -m).sh", "RUN ./build_${ARCH}.sh"])
def test_a_name_with_a_part_that_is_known_later_is_any_of_the_scripts(line: str) -> None:
    scripts = {"build_x86_64.sh": "make\n", "build_s390x.sh": APT, "other.sh": APT}
    found = told(check(look(on_ubi(line), scripts=scripts)))
    assert [(code, number) for code, number, _ in found] == [("MS309", 2)]


@pytest.mark.parametrize(
    ("line", "scripts"),
    [
        ("RUN ./setup.sh", {"setup.sh": "dnf install -y x\n"}),
        ("RUN ./setup.sh", {"setup.sh": "# apt-get install x\necho apt-get\n"}),
        ("RUN ./setup.sh", {}),
        ("RUN ./setup.sh", {"a/setup.sh": APT, "b/setup.sh": APT}),
        ("RUN python setup.py", {"setup.py": "apt-get\n"}),
        ("RUN python setup.py", {"setup.py": '# "apt-get"\n'}),
        ("RUN a \\\n # setup.sh\n b", {"setup.sh": APT}),
        ("RUN my-setup.sh setup.sh.txt", {"setup.sh": APT}),
        ("COPY --from=x setup.sh.txt /", {"setup.sh": APT}),
    ],
)
def test_what_calls_no_apt_or_can_not_be_told_is_left(line: str, scripts: dict[str, str]) -> None:
    assert told(check(look(on_ubi(line), scripts=scripts))) == []


@pytest.mark.parametrize(
    ("lines", "marked"),
    [
        (["COPY tools/x.sh /tmp/y.sh", "RUN /tmp/y.sh"], "tools/x.sh"),
        (["COPY tools/x.sh .", "RUN ./x.sh"], "tools/x.sh"),
        (["WORKDIR /w", "RUN x.sh"], "x.sh"),
        (["RUN --mount=type=bind,source=tools/x.sh,target=/y bash /y"], "tools/x.sh"),
        (["RUN python3 tools/y.py"], "tools/y.py"),
    ],
)
def test_a_script_that_is_brought_in_under_another_name_is_found(
    lines: list[str], marked: str
) -> None:
    scripts = {"tools/x.sh": APT, "tools/y.py": 'run(["apt-get", "install", "x"])\n'}
    (found,) = check(look(on_ubi(*lines), scripts=scripts))
    assert (found.rule.code, found.source[found.span]) == ("MS309", marked)


@pytest.mark.parametrize(
    "line",
    ["ARG S=tools/x.sh", "RUN for s in tools/x.sh; do bash $s; done", "RUN bash < tools/x.sh"],
)
def test_a_script_that_is_only_named_is_a_warning_until_it_is_called(line: str) -> None:
    scripts = {"tools/x.sh": APT}
    (found,) = check(look(on_ubi(line), scripts=scripts))
    assert (found.severity, found.source[found.span]) == (Severity.WARNING, "tools/x.sh")
    (found,) = check(look(on_ubi(line, "RUN /src/x.sh"), scripts=scripts))
    assert (found.severity, found.source[found.span]) == (Severity.ERROR, "/src/x.sh")


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("COPY scripts/new.sh /new.sh", "scripts/new.sh"),
        ("RUN bash scripts/new.sh", "scripts/new.sh"),
    ],
)
def test_a_script_that_nobody_watches_is_told(line: str, marked: str) -> None:
    text = on_ubi(line, line)
    assert told(check(look(text, scripts={"tools/x.sh": "make\n"}))) == [("MS318", 2, marked)]
    assert told(check(look(text))) == []


@pytest.mark.parametrize(
    "line",
    [
        "RUN git clone https://host/x && bash x/build.sh",
        "RUN cd x && bash y/build.sh",
        "RUN ./autogen.sh && /opt/x/install.sh && bash build.sh",
        "COPY --from=other scripts/new.sh /",
        "COPY scripts/*.sh https://host/x.sh /",
    ],
)
def test_a_script_of_another_folder_is_nobodys_to_watch(line: str) -> None:
    assert told(check(look(on_ubi(line), scripts={"tools/x.sh": "make\n"}))) == []


def test_on_a_kept_base_apt_is_its_own_affair() -> None:
    text = on_ubi("RUN ./setup.sh", base=MANYLINUX)
    assert told(check(look(text, scripts={"setup.sh": APT}))) == []


def test_a_script_is_found_by_its_path_before_its_name() -> None:
    subject = look(on_ubi("RUN a"), scripts={"a/x.sh": "1", "b/x.sh": "2", "b/y.sh": "3"})

    def texts(path: str) -> list[str]:
        return [each.text for each in find_scripts(subject, path)]

    assert texts("./b/x.sh") == ["2"]
    assert texts("/opt/y.sh") == ["3"]
    assert texts("b/$NAME.sh") == ["2", "3"]
    assert texts("x.sh") == []
    assert texts("`name`.sh") == []
