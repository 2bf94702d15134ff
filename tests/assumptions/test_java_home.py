from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, converted, look, on_ubi, told
from demo import ROOT
from midstream.adapters.files import Tree
from midstream.assumptions.java_home import check, convert
from midstream.overlay.tables import load_tables
from midstream.source import Span

JVM = "/usr/lib/jvm"
UBI10 = "registry.access.redhat.com/ubi10/ubi:10.2"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("java-17-openjdk-amd64", "java-17-openjdk"),
        ("java-11-openjdk-arm64/", "java-11-openjdk/"),
        ("java-21-openjdk-${TARGETARCH}/bin", "java-21-openjdk/bin"),
        ("java-1.17.0-openjdk-amd64", "java-17-openjdk"),
        ("java-8-openjdk-amd64", "java-1.8.0-openjdk"),
        ("java-1.8.0-openjdk-amd64", "java-1.8.0-openjdk"),
        ("java-8-openjdk-amd64/jre", "jre-1.8.0-openjdk"),
        ("default-java", "java"),
    ],
)
def test_els_name_takes_the_place_of_debians(before: str, after: str) -> None:
    line = "ENV JAVA_HOME={}/{}"
    text = converted(convert, on_ubi(line.format(JVM, before)))
    assert text == on_ubi(line.format(JVM, after))
    assert told(check(look(text))) == []


@pytest.mark.parametrize(
    ("install", "after"),
    [
        ("apt-get install -y openjdk-17-jre-headless", "jre-17-openjdk"),
        ("dnf install -y java-17-openjdk-headless", "jre-17-openjdk"),
        ("dnf install -y java-17-openjdk java-17-openjdk-devel", "java-17-openjdk"),
        ("apt-get install -y openjdk-17-jdk openjdk-17-jre", "java-17-openjdk"),
    ],
)
def test_a_java_without_its_compiler_has_a_home_of_its_own(install: str, after: str) -> None:
    lines = (f"RUN {install}", f"ENV JAVA_HOME={JVM}/java-17-openjdk-amd64")
    assert converted(convert, on_ubi(*lines)) == on_ubi(lines[0], f"ENV JAVA_HOME={JVM}/{after}")


def test_a_java_that_the_platform_has_not_got_is_left_and_found() -> None:
    ubi10 = load_tables(Tree(ROOT), "ubi10").platform
    text = on_ubi(f"ENV JAVA_HOME={JVM}/java-17-openjdk-amd64", base=UBI10)
    assert converted(convert, text, platform=ubi10) == text
    (found,) = check(look(text, platform=ubi10))
    assert (found.rule.code, "java-21-openjdk" in (found.help or "")) == ("MS323", True)
    newer = on_ubi(f"ENV JAVA_HOME={JVM}/java-21-openjdk-amd64", base=UBI10)
    assert converted(convert, newer, platform=ubi10) == newer.replace("-amd64", "")


def test_a_version_in_a_variable_stays_one_where_its_value_is_known() -> None:
    before = on_ubi("ARG V=17", f"ENV JAVA_HOME={JVM}/java-${{V}}-openjdk-amd64")
    assert converted(convert, before) == before.replace("-amd64", "")
    old = on_ubi("ARG V=8", f"ENV JAVA_HOME={JVM}/java-${{V}}-openjdk-amd64")
    assert converted(convert, old).endswith(f"ENV JAVA_HOME={JVM}/java-1.8.0-openjdk\n")


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        (f"ENV JAVA_HOME={JVM}/java-$V-openjdk-amd64", f"{JVM}/java-$V-openjdk-amd64"),
        (f"RUN ls {JVM}/java-17-openjdk-$(dpkg --print-architecture)",
         f"{JVM}/java-17-openjdk-$("),
        (f"COPY --from=final {JVM}/java-17-openjdk-amd64 /j", f"{JVM}/java-17-openjdk-amd64"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_left_and_found(line: str, marked: str) -> None:
    text = on_ubi("RUN a") + f"FROM final\n{line}\n"
    assert converted(convert, text) == text
    assert told(check(look(text))) == [("MS323", 4, marked)]


@pytest.mark.parametrize(
    "line",
    [
        f"ENV JAVA_HOME={JVM}/java-17-openjdk",
        f"COPY --from=eclipse-temurin:17 {JVM}/java-17-openjdk-amd64 /j",
        f"ENV JAVA_HOME=/opt{JVM}/java-17-openjdk-amd64",
        f"RUN ls {JVM}/java-17-openjdk-amd64-old {JVM}/default-java-2",
    ],
)
def test_what_only_looks_like_it_is_left(line: str) -> None:
    assert converted(convert, on_ubi(line)) == on_ubi(line)
    assert told(check(look(on_ubi(line)))) == []


def test_what_an_edit_owns_and_a_kept_base_are_left() -> None:
    text = on_ubi(f"ENV A={JVM}/default-java")
    claimed = (Span(text.index("ENV"), len(text)),)
    assert converted(convert, text, claimed=claimed) == text
    kept = on_ubi(f"ENV A={JVM}/default-java", base=MANYLINUX)
    assert converted(convert, kept) == kept
    assert told(check(look(kept))) == []
