"""Where Java is: Debian has the machine in the folder's name, EL hasn't, and 8 is 1.8.0 there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding, own_files
from midstream.diagnostic import Rule
from midstream.dockerfile.variables import expand
from midstream.edit import Edit
from midstream.ubi.outcome import Outcome
from midstream.ubi.tables import INSTALLERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.model import Instruction, Stage
    from midstream.ubi.subject import Subject

NAME = "java-home"

OTHER_HOME = Rule(
    "MS323",
    NAME,
    """\
**What it says.** A path below `/usr/lib/jvm` is Debian's, and what EL calls it can't be told: its
version or its machine is known only when it runs.

**Why it matters.** `JAVA_HOME` that names no folder is no error while the image is built. What
starts Java by it fails, or takes another Java.

**The way out.** Name EL's folder with an edit: `/usr/lib/jvm/java-17-openjdk`, or
`/usr/lib/jvm/jre-17-openjdk` where no `-devel` package is installed. midstream writes those where
it can tell, and `1.8.0` for 8.

**Source.** The alternatives that EL's `java-*-openjdk-headless` and `-devel` set up.
""",
)
RULES = (OTHER_HOME,)

_VARIABLE = r"\$\{?\w+\}?"
_HOME = re.compile(
    rf"(?<![\w.}}-])/usr/lib/jvm/(?:default-java(?![\w.-])"
    rf"|java-(?P<version>\d+|1\.\d+\.0|{_VARIABLE})-openjdk-(?:(?P<asked>\$\(|`)"
    rf"|(?:amd64|arm64|ppc64el|s390x|{_VARIABLE})(?P<jre>/jre)?(?![\w.-])))"
)
_DEVELOPS = re.compile(r"(?:openjdk-\d+|default)-jdk(?:-headless)?|java-.+-devel")
_RUNS = re.compile(r"(?:openjdk-\d+|default)-jre(?:-headless)?|java-.+-openjdk(?:-headless)?")
_INSTALLERS = INSTALLERS | {"apt", "apt-get"}
_WHY = "EL's home of this Java"


def convert(subject: Subject) -> Outcome:
    """EL's names, where version and machine can be told."""
    edits = []
    for stage, instruction, span in own_files(subject, _HOME, holding=("/usr/lib/jvm/",)):
        name = _on_el(subject, stage, instruction, subject.dockerfile.text(span))
        if name and instruction.flag("from") is None and not subject.is_claimed(span):
            edits.append(Edit(span, name, NAME, _WHY))
    return Outcome(tuple(edits))


def check(subject: Subject) -> Iterator[Diagnostic]:
    """What is left under Debian's name."""
    for stage, _, span in own_files(subject, _HOME, holding=("/usr/lib/jvm/",)):
        name = subject.dockerfile.text(span).removesuffix("$(").removesuffix("`")
        newest = (subject.platform.javas or ("17",))[-1]
        yield finding(
            subject, stage, OTHER_HOME, span, f"`{name}` is Debian's home of Java",
            f"name EL's with an edit: java-{newest}-openjdk, or jre-{newest}-openjdk where no "
            "-devel is installed",
        )  # fmt: skip


def _on_el(subject: Subject, stage: Stage, instruction: Instruction, name: str) -> str:
    """EL's folder; empty where it can't be told."""
    found = _HOME.fullmatch(name)
    kind = "jre" if _only_runs(subject, stage) else "java"
    if found is None or found["asked"]:
        return ""
    if found["version"] is None:
        return f"/usr/lib/jvm/{kind}"
    version = re.sub(r"1\.(\d+)\.0", r"\1", found["version"])
    number = expand(version, subject.graph.scope.at(instruction)).text
    if not number.isdecimal() or (subject.platform.javas and number not in subject.platform.javas):
        return ""
    if number == "8":
        return f"/usr/lib/jvm/{'jre' if found['jre'] else kind}-1.8.0-openjdk"
    return f"/usr/lib/jvm/{kind}-{version}-openjdk{found['jre'] or ''}"


def _only_runs(subject: Subject, stage: Stage) -> bool:
    """Whether a stage's lineage installs a Java without what `-devel` brings, and none with it."""
    names = [
        word.value
        for instruction in subject.lineage(stage)
        for command in subject.script(instruction).commands
        if command.name in _INSTALLERS
        for word in command.arguments
    ]
    return any(map(_RUNS.fullmatch, names)) and not any(map(_DEVELOPS.fullmatch, names))
