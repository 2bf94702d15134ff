from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, MINIMAL, UBI, on_ubi, told, view
from midstream.checks.root_home import check
from midstream.diagnostic import Severity

OURS = "RUN useradd --uid 2000 --gid 0 app", "USER 2000"  # of root's group, as user.j2 makes it
THEIRS = "RUN useradd --uid 2000 app", "USER 2000"  # of a group of its own


def found(*lines: str, base: str = UBI) -> list[tuple[str, int, str]]:
    return told(check(view(on_ubi(*lines, base=base))))


# --- packages in a user's folder ---


@pytest.mark.parametrize("user", [OURS, THEIRS])
@pytest.mark.parametrize(
    "command",
    [
        "pip install --user flask",
        "pip3.12 install -q --user flask",
        "python3 -m pip install --user flask",
    ],
)
def test_packages_in_root_s_own_folder_are_found(user: tuple[str, ...], command: str) -> None:
    (only,) = check(view(on_ubi(f"RUN {command}", *user)))
    assert told([only]) == [("MS365", 2, "--user")]
    assert only.severity is Severity.WARNING


@pytest.mark.parametrize(
    "lines",
    [
        ("RUN pip install flask",),
        ("RUN pip list --user",),
        ("RUN PYTHONUSERBASE=/opt/x pip install --user flask",),
        ("ENV PYTHONUSERBASE=/opt/x", "RUN pip install --user flask"),
        ("ENV HOME=/opt/app", "RUN pip install --user flask"),
        ("RUN export HOME=/opt/app && pip install --user flask",),
        ("USER 2000", "RUN pip install --user flask"),
        ("RUN pip install --user flask", "ENV HOME=/root"),
        ("RUN systemctl --user install x",),
    ],
)
def test_packages_that_the_user_finds_are_fine(lines: tuple[str, ...]) -> None:
    assert found(*lines, *OURS) == []


def test_where_the_image_runs_as_root_all_of_it_is_right() -> None:
    assert found("RUN pip install --user x && uv python install 3.12", "WORKDIR /root") == []
    assert found("RUN pip install --user x", "USER root:0") == []


# --- the Python of uv ---

VENV = "uv venv --python 3.12 /opt/venv"


@pytest.mark.parametrize(
    ("lines", "marked"),
    [
        ((f"RUN {VENV}",), VENV),
        (("ARG V=3.11", "RUN uv venv -p $V /v"), "uv venv -p $V /v"),
        (("RUN uv sync --python=cpython-3.12.4",), "uv sync --python=cpython-3.12.4"),
        (("RUN uv python install 3.12",), "uv python install 3.12"),
        (("RUN uv venv --managed-python /v",), "uv venv --managed-python /v"),
        (("RUN dnf install -y python3.11", f"RUN {VENV}"), VENV),
    ],
)
def test_a_python_that_is_downloaded_into_root_s_home_is_found(
    lines: tuple[str, ...], marked: str
) -> None:
    line = len(lines) + 1
    assert found(*lines, *THEIRS) == [("MS365", line, marked)]
    assert found(*lines, *OURS) == []  # root's group may read there


@pytest.mark.parametrize(
    "lines",
    [
        ("ENV UV_PYTHON_INSTALL_DIR=/opt/uv", f"RUN {VENV}"),
        (f"RUN UV_PYTHON_INSTALL_DIR=/opt/uv {VENV}",),
        (f"RUN export XDG_DATA_HOME=/opt && {VENV}",),
        ("ENV UV_PYTHON_DOWNLOADS=never", f"RUN {VENV}"),
        ("RUN dnf install -y python3.12-devel", f"RUN {VENV}"),
        ("RUN uv venv --python 3.9 /v",),
        ("RUN uv venv --python /usr/bin/python3.12 /v",),
        ("RUN uv venv /v && uv pip install --python 3.12 x",),
        (f"RUN {VENV} --no-managed-python",),
        ("RUN uv python install 3.12 -i /opt/uv",),
        ("RUN make altinstall", f"RUN {VENV}"),
        ("ENV HOME=/opt/app", f"RUN {VENV}"),
    ],
)
def test_a_python_that_was_there_or_goes_elsewhere_is_fine(lines: tuple[str, ...]) -> None:
    assert found(*lines, *THEIRS) == []


def test_what_an_image_that_nobody_describes_has_is_not_guessed() -> None:
    assert found(f"RUN {VENV}", *THEIRS, base=MANYLINUX) == []
    assert len(found("RUN uv python install 3.12", *THEIRS, base=MANYLINUX)) == 1
    assert len(found("RUN uv venv --python 3.9 /v", *THEIRS, base=MINIMAL)) == 1


# --- how it starts ---


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ('ENTRYPOINT ["/root/.local/bin/uv", "run"]', '["/root/.local/bin/uv", "run"]'),
        ("CMD exec /root/run", "exec /root/run"),
        ('CMD ["python3", "/root/app.py"]', '["python3", "/root/app.py"]'),
        ("WORKDIR /root/app", "/root/app"),
        ("WORKDIR /root", "/root"),
    ],
)
def test_an_image_that_starts_in_root_s_home_is_found(line: str, marked: str) -> None:
    assert found(line, *THEIRS) == [("MS365", 2, marked)]
    assert found(line, *OURS) == []


@pytest.mark.parametrize(
    "lines",
    [
        ('ENTRYPOINT ["/usr/local/bin/uv", "--cache", "/rooted"]',),
        ("WORKDIR /root", "WORKDIR /opt"),
        ("RUN curl https://a/install.sh | sh", "ENV PATH=/root/.local/bin:$PATH"),
    ],
)
def test_what_it_doesnt_start_with_is_no_matter(lines: tuple[str, ...]) -> None:
    assert found(*lines, *THEIRS) == []


def test_a_command_that_an_entrypoint_took_away_is_not_run() -> None:
    text = f"FROM {UBI} AS a\nCMD /root/run\nFROM a\nRUN useradd app\nUSER app\n"
    assert told(check(view(text))) == [("MS365", 2, "/root/run")]
    entry = 'ENTRYPOINT ["/opt/run"]\n'
    assert told(check(view(text + entry))) == []
    assert told(check(view(text + entry + "CMD /root/x\n"))) == [("MS365", 7, "/root/x")]


# --- who it runs as ---


@pytest.mark.parametrize(
    ("lines", "is_found"),
    [
        (("USER 2000",), False),  # no entry in /etc/passwd: root's group
        (("USER 2000:0",), False),
        (("USER 2000:2000",), True),
        (("RUN useradd -g root -u 7 app", "USER 7"), False),
        (("RUN useradd -u 7 --gid=0 app", "USER app"), False),
        (("RUN groupadd app && useradd -g app app", "USER app"), True),
        (("RUN useradd app", "USER app:root"), False),
    ],
)
def test_the_group_decides_who_may_read(lines: tuple[str, ...], is_found: bool) -> None:
    assert bool(found("WORKDIR /root", *lines)) is is_found
