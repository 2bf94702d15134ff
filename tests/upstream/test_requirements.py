from __future__ import annotations

from midstream.source import Source
from midstream.upstream.requirements import read_requirements, with_included

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
