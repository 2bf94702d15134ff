from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo import PROJECT, ROOT
from midstream.cli import Workspace
from midstream.commands import workspace as at
from midstream.configuration import ConfigurationError
from midstream.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def workspace(root: Path, **projects: str) -> Workspace:
    (root / "upstream").mkdir()
    for name, text in projects.items():
        (root / "upstream" / f"{name}.yaml").write_text(text)
    return Workspace(root, json=False, strict=False, verbose=False)


def test_a_folder_without_upstreams_is_no_overlay_tree(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no upstream/") as caught:
        at.projects(workspace(tmp_path))
    assert "--root" in (caught.value.help or "")


def test_the_only_project_needs_no_name(tmp_path: Path) -> None:
    tree = workspace(tmp_path, demo=PROJECT)
    assert at.project(tree, None).name == at.project(tree, "demo").name == "demo"
    with pytest.raises(UsageError, match="no project `other`"):
        at.project(tree, "other")


def test_one_of_several_projects_has_to_be_named(tmp_path: Path) -> None:
    tree = workspace(tmp_path, demo=PROJECT, other=PROJECT.replace("project: demo", "project: x"))
    assert [each.name for each in at.projects(tree)] == ["demo", "x"]
    with pytest.raises(UsageError, match="there are several projects") as caught:
        at.project(tree, None)
    assert caught.value.help == "known: demo, x"


def test_mistakes_in_a_project_are_shown_with_their_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        at.projects(workspace(tmp_path, demo=PROJECT + "nonsense: 1\n"))
    assert [found.source.name for found in caught.value.diagnostics] == ["upstream/demo.yaml"]


def test_a_project_that_was_never_tracked_has_no_lock(tmp_path: Path) -> None:
    tree = workspace(tmp_path, demo=PROJECT)
    assert at.lock(tree, "demo") is None
    assert at.lock_path(tree, "demo") == tmp_path / "upstream" / "demo.lock.json"
    assert at.tracker(at.project(tree, None)).project.name == "demo"


def test_the_tables_are_the_trees_own_or_else_midstreams(tmp_path: Path) -> None:
    tree = workspace(tmp_path, demo=PROJECT)
    assert at.shared_tree(tree).root == ROOT
    (tmp_path / "overlays" / "_shared").mkdir(parents=True)
    (tmp_path / "overlays" / "_shared" / "images.yaml").write_text("[]")
    assert at.shared_tree(tree).root == tmp_path
