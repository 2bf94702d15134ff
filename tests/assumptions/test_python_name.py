from __future__ import annotations

import pytest

from assumptions.looking import MANYLINUX, MINIMAL, UBI, VENV, look, on_ubi, sibling, told
from midstream.assumptions.python_name import check
from midstream.diagnostic import Severity

INSTALL = "RUN dnf install -y python3.12 python3.12-pip"


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("RUN python3 -m pip install flask", "python3"),
        ("RUN /usr/bin/python3 setup.py build", "/usr/bin/python3"),
        ("RUN cd /a && sudo python app.py", "python"),
        ("RUN pip3 install flask", "pip3"),
        ("RUN pip install flask", "pip"),
        ('CMD ["python3", "app.py"]', "python3"),
        ("HEALTHCHECK CMD python3 ask.py", "python3"),
        ("RUN ln -s /usr/bin/python3 /usr/local/bin/python", "/usr/bin/python3"),
    ],
)
def test_a_name_that_leads_to_no_installed_python_is_found(line: str, marked: str) -> None:
    assert told(check(look(on_ubi(INSTALL, line)))) == [("MS322", 3, marked)]


def test_what_the_name_is_and_what_to_type_are_said() -> None:
    python, pip = check(look(on_ubi(INSTALL, "RUN python3 a.py && pip3 list")))
    assert python.message == (
        "`python3` is 3.9 here, which dnf runs on; what was installed is called `python3.12`"
    )
    assert "ln -s /usr/bin/python3.12 /usr/local/bin/python3" in (python.help or "")
    assert pip.message == "`pip3` isn't there; what was installed is called `pip3.12`"
    assert "call `python3.12 -m pip`" in (pip.help or "")


def test_a_version_in_a_variable_is_filled_in() -> None:
    text = on_ubi("ARG V=3.11", "RUN dnf install -y python${V}-devel && python3 setup.py build")
    (found,) = check(look(text))
    assert "is called `python3.11`" in found.message
    same = on_ubi("ARG V=3.9", "RUN dnf install -y python${V} && python3 a.py")
    assert told(check(look(same))) == []


def test_a_base_without_a_python_has_no_such_name() -> None:
    text = on_ubi("RUN microdnf install -y python3.12 && python3 a.py", base=MINIMAL)
    (found,) = check(look(text))
    assert found.message.startswith("`python3` isn't there;")


@pytest.mark.parametrize(
    "line",
    [
        "RUN ln -sf /usr/bin/python3.12 /usr/local/bin/python3",
        "RUN update-alternatives --install /usr/local/bin/python3 python3 /usr/bin/python3.12 1",
        "ENV PATH=/opt/venv/bin:$PATH",
        "RUN . /opt/venv/bin/activate",
        "RUN export PATH=/opt/venv/bin:$PATH",
        "COPY --from=other /usr/local /usr/local",
        "RUN cd Python-3.12.4 && ./configure && make install",
    ],
)
def test_a_name_that_was_given_a_python_is_fine(line: str) -> None:
    assert told(check(look(on_ubi(INSTALL, line, "RUN python3 a.py")))) == []


@pytest.mark.parametrize(
    "line",
    [
        "RUN curl https://a/get-pip.py | python3.12",
        "RUN python3.12 /tmp/get-pip.py",
        "RUN python3.12 -m ensurepip --upgrade",
        "RUN python3.12 -m pip install --upgrade pip",
    ],
)
def test_pip_that_installs_itself_brings_its_names_and_no_python(line: str) -> None:
    text = on_ubi(INSTALL, line, "RUN pip install flask && pip3 list", "RUN python3 a.py")
    assert told(check(look(text))) == [("MS322", 5, "python3")]
    other = on_ubi(INSTALL, "RUN python3.12 -m pip install flask", "RUN pip list")
    assert told(check(look(other))) == [("MS322", 4, "pip")]


def test_a_folder_on_path_that_brings_no_python_changes_nothing() -> None:
    text = on_ubi(INSTALL, "ENV PATH=/usr/local/cuda/bin:/opt/rh/gcc-toolset-13/root/usr/bin:$PATH")
    assert told(check(look(text + "RUN python3 a.py\n"))) == [("MS322", 4, "python3")]


@pytest.mark.parametrize(
    "text",
    [
        on_ubi("RUN python3 a.py"),
        on_ubi("RUN python3 a.py", INSTALL),
        on_ubi(INSTALL, "RUN python3.12 a.py && /usr/local/bin/python3 b.py && echo python3"),
        on_ubi(INSTALL, "RUN python3 a.py", base=MANYLINUX),
        on_ubi(INSTALL, "RUN pip3 list", base="registry.access.redhat.com/ubi9/python-312:9.8"),
    ],
)
def test_what_is_as_it_should_be_is_fine(text: str) -> None:
    assert told(check(look(text))) == []


@pytest.mark.parametrize("base", [UBI, MINIMAL, "nvidia/cuda:13.0.2-base-ubi9"])
@pytest.mark.parametrize("name", ["pip", "pip3"])
def test_pip_is_in_no_image_that_isn_t_made_for_python(base: str, name: str) -> None:
    (found,) = check(look(on_ubi(f"RUN {name} install flask && pip list", base=base)))
    assert told([found]) == [("MS307", 2, name)]
    assert found.severity is Severity.WARNING
    help_ = "install `python3.12-pip` before, and call `python3.12 -m pip`, or waive MS307"
    assert (found.help or "").startswith(help_)


@pytest.mark.parametrize(
    "line",
    [
        "RUN dnf install -y python3-pip && pip3 list",
        "RUN dnf install -y python3.9-pip && pip list",
        "RUN python3 -m ensurepip && pip list",
        "RUN curl https://a/get-pip.py | python3 && pip list",
        "RUN if command -v pip; then pip list; fi",
        "RUN python3 -m venv /v && . /v/bin/activate && pip list",
        "RUN /opt/x/bin/pip list && uv pip list && python3 -m pip list",
        "ENV PATH=/opt/venv/bin:$PATH\nRUN pip list",
        "COPY --from=a /b/pip /usr/local/bin/pip\nRUN pip list",
        "FROM pytorch/manylinux2_28-builder:cuda13.0\nRUN pip list",
        "FROM registry.access.redhat.com/ubi9/python-312-minimal:9.8\nRUN pip list",
    ],
)
def test_a_pip_that_something_brought_is_fine(line: str) -> None:
    assert told(check(look(on_ubi(line)))) == []


def test_a_parent_s_pip_is_its_child_s() -> None:
    text = on_ubi("RUN dnf install -y python3-pip") + "FROM final\nRUN pip list\n"
    assert told(check(look(text))) == []


def test_it_is_said_once_in_a_lineage_and_not_beside_dnfs_own() -> None:
    text = on_ubi(INSTALL, "RUN python3 a.py", "RUN python3 b.py")
    text += "FROM final\nRUN python3 c.py\n"
    assert told(check(look(text))) == [("MS322", 3, "python3")]
    by_path = on_ubi(INSTALL, "RUN /usr/bin/python3 a.py")
    assert told(check(look(by_path, python=VENV))) == []


def test_a_sibling_is_taken_as_it_is() -> None:
    text = on_ubi(INSTALL, "RUN python3 a.py", base="quay.io/a/b:1")
    assert told(check(look(text, siblings=sibling("quay.io/a/b:1")))) == []
