from __future__ import annotations

import pytest

from assumptions.looking import UBI, VENV, converted, look, on_ubi, told
from midstream.assumptions.python_layout import check, convert
from midstream.source import Span


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RUN rm -f /usr/local/lib/python3.12/dist-packages/a.so",
         "RUN rm -f /opt/app/lib/python3.12/site-packages/a.so"),
        ("COPY a /usr/lib/python3.9/dist-packages/",
         "COPY a /opt/app/lib/python3.9/site-packages/"),
        ("ENV P=/usr/local/lib/python${PYTHON_VERSION}/dist-packages",
         "ENV P=/opt/app/lib/python${PYTHON_VERSION}/site-packages"),
        ("RUN ls /usr/lib64/python3.12/site-packages",
         "RUN ls /opt/app/lib/python3.12/site-packages"),
    ],
)  # fmt: skip
def test_with_a_virtual_environment_its_one_folder_takes_the_place(before: str, after: str) -> None:
    assert converted(convert, on_ubi(before), python=VENV) == on_ubi(after)


def test_with_the_systems_layout_nothing_is_converted_and_the_folder_is_found() -> None:
    text = on_ubi("RUN rm -f /usr/local/lib/python3.12/dist-packages/a.so")
    assert converted(convert, text) == text
    assert told(check(look(text))) == [("MS301", 2, "dist-packages")]


def test_a_folder_that_is_no_systems_is_left_and_found() -> None:
    text = on_ubi("RUN ls /data/dist-packages")
    assert converted(convert, text, python=VENV) == text
    assert told(check(look(text, python=VENV))) == [("MS301", 2, "dist-packages")]


def test_debians_folder_for_every_python_3_has_no_counterpart_in_an_environment() -> None:
    text = on_ubi("ENV PYTHONPATH=/usr/lib/python3/dist-packages")
    assert converted(convert, text, python=VENV) == text
    assert told(check(look(text, python=VENV))) == [("MS301", 2, "dist-packages")]


def test_what_an_edit_owns_is_left_alone() -> None:
    text = on_ubi("RUN ls /usr/lib/python3/dist-packages")
    claimed = (Span(text.index("RUN"), len(text)),)
    assert converted(convert, text, python=VENV, claimed=claimed) == text


def test_els_own_folders_are_fine() -> None:
    text = f"FROM {UBI}\nRUN ls /opt/app/lib64/python3.12/site-packages # dist-packages\n"
    assert told(check(look(text.replace(" # dist-packages", "")))) == []


BUILDER = "registry.access.redhat.com/ubi9/python-312:9.8"


def test_a_builder_has_its_packages_in_an_environment_of_its_own() -> None:
    folder = "/usr/local/lib/python3.12/site-packages"
    text = on_ubi(f"COPY --from=b {folder} {folder}", base=BUILDER)
    ours = "/opt/app-root/lib/python3.12/site-packages"
    assert converted(convert, text) == on_ubi(f"COPY --from=b {ours} {ours}", base=BUILDER)


@pytest.mark.parametrize("taken", ["/usr/local", "/usr/local/bin", "/usr/local/bin/pip3"])
def test_programs_taken_from_where_a_builder_has_none_are_found(taken: str) -> None:
    text = f"FROM {BUILDER} AS b\n" + on_ubi(f"COPY --from=b {taken} /x")
    assert told(check(look(text))) == [("MS301", 3, taken)]
    assert told(check(look(text.replace(BUILDER, UBI)))) == []
    assert told(check(look(text.replace(taken, "/usr/local/bin/tool")))) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('CMD ["/usr/local/bin/python", "a.py"]', 'CMD ["/opt/app-root/bin/python", "a.py"]'),
        ("RUN /usr/local/bin/pip3.12 list", "RUN /opt/app-root/bin/pip3.12 list"),
        ("ENV PYTHON=/usr/local/bin/python3", "ENV PYTHON=/opt/app-root/bin/python3"),
    ],
)
def test_a_builders_python_is_named_where_it_is(before: str, after: str) -> None:
    assert converted(convert, on_ubi(before, base=BUILDER)) == on_ubi(after, base=BUILDER)
    assert told(check(look(on_ubi(after, base=BUILDER)))) == []
    assert converted(convert, on_ubi(before)) == on_ubi(before)


@pytest.mark.parametrize(
    "line",
    [
        "RUN ln -s /opt/x/python /usr/local/bin/python",
        "COPY python /usr/local/bin/python",
        "RUN ls /usr/local/bin/python3-config /opt/usr/local/bin/python",
    ],
)
def test_a_python_that_is_put_there_is_left(line: str) -> None:
    assert converted(convert, on_ubi(line, base=BUILDER)) == on_ubi(line, base=BUILDER)
    assert told(check(look(on_ubi(line, base=BUILDER)))) == []


def test_a_link_to_a_builders_python_is_left_and_found() -> None:
    text = on_ubi("RUN ln -s /usr/local/bin/python /opt/python", base=BUILDER)
    assert converted(convert, text) == text
    (found,) = check(look(text))
    assert found.message == "no Python is there in this image; it is `/opt/app-root/bin/python`"


def test_a_packages_program_is_run_from_the_builders_environment() -> None:
    line = 'ENTRYPOINT ["/usr/local/bin/gunicorn", "app"]'
    found = told(check(look(on_ubi("RUN pip install gunicorn", line, base=BUILDER))))
    assert found == [("MS301", 3, "/usr/local/bin/gunicorn")]
    assert told(check(look(on_ubi(line)))) == []
    ours = on_ubi("COPY gunicorn /usr/local/bin/", line, base=BUILDER)
    assert told(check(look(ours))) == []
