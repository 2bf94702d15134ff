"""All assumptions, in the order in which their findings are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstream.assumptions import (
    compiler_name,
    debian_account,
    debian_file,
    debian_layout,
    debian_program,
    distro_name,
    duplicate_user,
    foreign_files,
    glibc_tag,
    install_libdir,
    java_home,
    left_out_docs,
    linker_folder,
    linux_gnu,
    manylinux_python,
    missing_tool,
    preloaded_library,
    python_layout,
    python_name,
    script_with_apt,
    shell_dialect,
    system_flag,
    system_python,
    tool_path,
)
from midstream.ubi.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.ubi.subject import Subject

CONVERTING = (python_layout, system_flag, system_python, shell_dialect, debian_file, java_home)
CHECKING = (
    glibc_tag, python_layout, system_flag, system_python, linux_gnu, distro_name, manylinux_python,
    missing_tool, duplicate_user, script_with_apt, install_libdir, tool_path,
    linker_folder, preloaded_library, debian_file, compiler_name, debian_account,
    foreign_files, python_name, java_home, debian_program, debian_layout,
    left_out_docs,
)  # fmt: skip


def convert_all(subject: Subject) -> Outcome:
    """What is mechanical about the platform's assumptions, as edits of upstream's text."""
    return Outcome.merged(each.convert(subject) for each in CONVERTING)


def check_all(subject: Subject) -> Iterator[Diagnostic]:
    """What a result takes for granted and the platform hasn't."""
    for each in CHECKING:
        yield from each.check(subject)
