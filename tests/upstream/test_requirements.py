from __future__ import annotations

import pytest

from midstream.source import Source
from midstream.upstream.requirements import File, files_in, read_requirements, with_included

TEXT = """\
# what the app needs
-r common.txt
--extra-index-url https://x.example/cu130   # wheels
torch == 2.9.0+cpu ; platform_machine == "x86_64"
torch==2.9.0; platform_machine != "x86_64"
uvicorn[standard] >= 0.3, < 1  # a note
tri-ton @ https://x.example/v3.5/triton-3.5-cp312.whl
plain
numpy==2.2.6 \\
    --hash=sha256:00ff \\
    --hash=sha256:11ff
"""


def test_every_requirement_is_read_with_its_marker() -> None:
    found = read_requirements(Source("requirements/app.txt", TEXT))
    assert [(each.name, each.spec) for each in found] == [
        ("--extra-index-url", "https://x.example/cu130"),
        ("torch", "==2.9.0+cpu"),
        ("torch", "==2.9.0"),
        ("uvicorn", ">=0.3,<1"),
        ("tri-ton", "https://x.example/v3.5/triton-3.5-cp312.whl"),
        ("plain", ""),
        ("numpy", "==2.2.6"),
    ]
    assert found[1].key == ("torch", 'platform_machine == "x86_64"')


def test_one_version_is_told_from_a_range() -> None:
    source = Source("r.txt", "a==1.2+cpu\nb===3\nc==1.*\nd>=1\ne==1,!=2\n")
    assert [each.version for each in read_requirements(source)] == ["1.2", "3", None, None, None]


def test_a_wheel_an_archive_or_a_tag_is_one_version_too() -> None:
    source = Source(
        "r.txt",
        "tri-ton @ https://x.example/tri_ton-3.8.0%2Bcpu-cp312-abi3-linux_x86_64.whl ; m\n"
        "a @ https://x.example/a-1.2.tar.gz#sha256=00\n"
        "b @ git+https://x.example/b.git@v1.2.post1#egg=b\n"
        "c @ git+https://x.example/c@d6f998a034\n"
        "d @ https://x.example/archive/v1.2.tar.gz\n",
    )
    found = [each.version for each in read_requirements(source)]
    assert found == ["3.8.0", "1.2", "1.2.post1", None, None]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "https://x/flash_infer-0.2.5%2bcu128-cp38-abi3-linux_x86_64.whl",
            ("flash_infer", "0.2.5"),
        ),
        ("/w/a-1.0-1-py3-none-any.whl[all]", ("a", "1.0")),
        ("${X:-https://x/a-1.0-cp${V//./}-cp${V-a-b}-linux.whl}", None),
        ("${X:-https://x/a-1.0-cp${V//./}-none-any.whl}", ("a", "1.0")),
        ("a-1.0-$TAG-none-linux_$(uname -m).whl", ("a", "1.0")),
        ("a-${V}-py3-none-any.whl", None),
        ("$A-1.0-py3-none-any.whl", None),
        ("a-1.$MINOR-py3-none-any.whl", None),
        ("dist/*.whl", None),
        ("a-1.0-py3-none-any.whl.metadata", None),
        ("https://x/a-1.2.3.tar.gz", ("a", "1.2.3")),
        ("https://x/a-b-1.2.3.zip#egg=a", ("a-b", "1.2.3")),
        ("https://x/archive/v1.2.3.tar.gz", None),
        ("a-$V.tar.gz", None),
        ("a-1.2-linux-x86_64.tar.gz", None),
    ],
)
def test_a_file_s_name_says_package_and_version(text: str, found: tuple[str, str] | None) -> None:
    assert list(files_in(text, archives=True)) == ([File(*found)] if found else [])


def test_an_archive_counts_only_where_it_is_a_package_s() -> None:
    assert list(files_in("https://x/protobuf-21.12.tar.gz", archives=False)) == []


def test_a_requirement_stands_where_it_is_written() -> None:
    source = Source("r.txt", "# x\n  torch==1 # y\n")
    (found,) = read_requirements(source)
    assert source[found.span] == "torch==1 # y"


def test_what_a_file_takes_along_is_found_beside_it_and_once() -> None:
    files = {
        "requirements/app.txt": "-r common.txt\n-c ../limits.txt\n",
        "requirements/common.txt": "--requirement=app.txt\n-r missing.txt\n",
        "limits.txt": "x<2\n",
    }
    found = with_included(
        ["requirements/app.txt"], lambda path: Source(path, files[path]) if path in files else None
    )
    assert list(found) == ["requirements/app.txt", "requirements/common.txt", "limits.txt"]
