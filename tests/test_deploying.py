"""What runs midstream unattended: each file by its schema, and its commands in their order."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from demo import ROOT
from forges.double import TOKEN, ForgeDouble
from gits.repository import Repository
from schemas import against, complaints
from sync.scene import stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sync.scene import Scene

WORKFLOW = ROOT / ".github" / "workflows" / "sync.yml"
HOURLY = ROOT / "deploy" / "github-hourly.yml"
GITLAB = ROOT / "deploy" / "gitlab" / "sync.yml"
TEKTON = ROOT / "deploy" / "tekton"
_ON: Any = True  # what YAML 1.1 makes of `on`
OBJECTS = ROOT / "tests" / "deploying.schema.json"


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


# --- by their schemas ---


def test_the_workflows_are_as_github_wants_them() -> None:
    assert complaints("vendor.github-workflows", WORKFLOW, HOURLY) == ""
    assert complaints("custom.github-workflows-require-timeout", WORKFLOW) == ""


def test_nothing_from_outside_is_put_into_a_script() -> None:
    """An input or a branch's name in `run:` is a command; in `env:` it is a text."""
    jobs = documents(WORKFLOW)[0]["jobs"]
    scripts = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert scripts
    assert not any("${{" in script for script in scripts)


def test_actions_are_pinned_to_a_commit() -> None:
    uses = re.findall(r"uses: (\S+)", WORKFLOW.read_text())
    assert uses
    assert all(re.search(r"@[0-9a-f]{40}$", each) for each in uses)


def test_no_schedule_is_at_a_full_hour() -> None:
    (hourly,) = documents(HOURLY)
    assert [each["cron"] for each in dict(hourly)[_ON]["schedule"]] == ["17 * * * *"]
    assert documents(TEKTON / "cronjob.yaml")[0]["spec"]["schedule"] == "17 * * * *"


def test_the_gitlab_jobs_are_as_gitlab_wants_them() -> None:
    assert complaints("vendor.gitlab-ci", GITLAB) == ""
    jobs = documents(GITLAB)[0]
    assert {job["resource_group"] for job in jobs.values()} == {"midstream-sync"}


def test_the_objects_of_the_cluster_are_as_their_references_say(tmp_path: Path) -> None:
    files = []
    for path in sorted(TEKTON.glob("*.yaml")):
        for number, content in enumerate(documents(path)):
            each = tmp_path / f"{path.stem}-{number}.json"
            each.write_text(json.dumps(content))
            files.append(each)
    assert len(files) == 7
    assert against(OBJECTS, *files) == ""


def test_every_parameter_that_a_task_wants_is_given() -> None:
    tasks = {
        d["metadata"]["name"]: d
        for name in ("task", "plan")
        for d in documents(TEKTON / f"{name}.yaml")
    }
    (pipeline,) = documents(TEKTON / "pipeline.yaml")
    for used in pipeline["spec"]["tasks"]:
        declared = tasks[used["taskRef"]["name"]]["spec"]["params"]
        given = {p["name"] for p in used["params"] + used.get("matrix", {}).get("params", [])}
        assert {p["name"] for p in declared if "default" not in p} <= given
        assert given <= {p["name"] for p in declared}


def test_the_containerfile_passes_midstreams_own_checks(tmp_path: Path) -> None:
    for profile in ("community", "redhat"):
        done = subprocess.run(
            [sys.executable, "-m", "midstream", "check", str(ROOT / "Containerfile"), "--profile", profile],  # noqa: E501
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(tmp_path)},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


# --- run ---


@pytest.fixture
def forge() -> Iterator[ForgeDouble]:
    with ForgeDouble() as running:
        yield running


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """The overlays are in the midstream's repository, and their clone is where CI works."""
    made = stage(tmp_path, base=True)
    tree = Repository(made.tree.root / "tree")
    tree.git("init", "--quiet", "--initial-branch=main", ".")
    tree.git("remote", "add", "origin", made.midstream.url)
    tree.git("add", "--all")
    tree.git("commit", "--quiet", "-m", "Overlays")
    tree.git("push", "--quiet", "--force", "origin", "main")
    return made


def environment(scene: Scene, forge: ForgeDouble) -> dict[str, str]:
    """A machine of CI: `midstream` on PATH, and a forge."""
    programs = scene.tree.root / "bin"
    programs.mkdir(exist_ok=True)
    shim = programs / "midstream"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m midstream "$@"\n')
    shim.chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": os.environ["HOME"],
        "PYTHONPATH": str(ROOT / "src"),
        "XDG_CACHE_HOME": str(scene.tree.root / "cache"),
        "GITHUB_API_URL": forge.url,
        "CI_API_V4_URL": forge.url,
        "MIDSTREAM_FORGE_REPOSITORY": "https://forge.example/team/midstream.git",
    }


def bash(script: str, folder: Path, env: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder, env=dict(env), capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_workflow_plans_what_moved_and_syncs_each(scene: Scene, forge: ForgeDouble) -> None:
    jobs = documents(WORKFLOW)[0]["jobs"]
    env = environment(scene, forge)
    matrix = planned(scene, jobs, env)
    assert matrix == ["app", "base"]
    for target in matrix:
        run_steps(scene, jobs["sync"], {**env, "TARGET": target})
    assert sorted(pull.branch for pull in forge.pulls) == ["midstream/app", "midstream/base"]
    assert scene.tip("app") is not None
    assert (
        "Carry" in (scene.tree.root / "summary").read_text()
        or "midstream carried" in (scene.tree.root / "summary").read_text()
    )
    assert planned(scene, jobs, env) == []
    scene.dockerfile("next")
    assert planned(scene, jobs, env) == ["app"]


def test_the_workflow_plans_by_what_it_is_told_to_follow(scene: Scene, forge: ForgeDouble) -> None:
    """The branch has moved on from the release: that is no news to who follows releases."""
    jobs = documents(WORKFLOW)[0]["jobs"]
    env = {**environment(scene, forge), "FOLLOW": "v*"}
    scene.upstream.tag("v2.1")
    scene.dockerfile("next")
    for target in planned(scene, jobs, env):
        run_steps(scene, jobs["sync"], {**env, "TARGET": target})
    assert "MODE=fast" in scene.result()
    assert planned(scene, jobs, env) == []
    assert planned(scene, jobs, {**env, "FOLLOW": ""}) == ["app", "base"]


def planned(scene: Scene, jobs: Mapping[str, Any], env: Mapping[str, str]) -> list[str]:
    out = scene.tree.root / "output"
    out.write_text("")
    run_steps(scene, jobs["plan"], {**env, "GITHUB_OUTPUT": str(out)})
    said = dict(line.split("=", 1) for line in out.read_text().splitlines())
    names = [each["target"] for each in json.loads(said["matrix"])["include"]]
    assert said["any"] == ("true" if names else "false")
    return names


def run_steps(scene: Scene, job: Mapping[str, Any], env: Mapping[str, str]) -> None:
    """Every step of a job but what fetches and installs."""
    known = {"BASE": "main", "FOLLOW": "", "QUIET": "0m", "MIDSTREAM_GIT_TOKEN": TOKEN}
    for step in job["steps"]:
        if "run" in step and step["name"] != "install":
            wanted = step.get("env", {})
            assert set(wanted) <= {*known, "TARGET"}
            given = {name: env.get(name, known[name]) for name in wanted if name in known}
            summary = {"GITHUB_STEP_SUMMARY": str(scene.tree.root / "summary")}
            bash(step["run"], scene.tree.root / "tree", {**env, **given, **summary})


def test_the_gitlab_jobs_sync_and_watch(scene: Scene, forge: ForgeDouble) -> None:
    jobs = documents(GITLAB)[0]
    env = {
        **environment(scene, forge), "CI_DEFAULT_BRANCH": "main", "MIDSTREAM_TOKEN": TOKEN,
        "CI_PROJECT_URL": scene.midstream.url.removesuffix(".git"),
    }  # fmt: skip
    Repository(scene.tree.root / "tree").git("checkout", "--quiet", "--detach")
    bash("\n".join(jobs["midstream:sync"]["script"]), scene.tree.root / "tree", env)
    assert len(forge.pulls) == 2
    assert (scene.tree.root / "tree" / "described" / "app.md").exists()
    # Its images are on a registry that isn't there, which is told and stops nothing.
    bash("\n".join(jobs["midstream:watch"]["script"]), scene.tree.root / "tree", env)


def test_the_tasks_of_the_pipeline_plan_and_sync(scene: Scene, forge: ForgeDouble) -> None:
    env = {**environment(scene, forge), "REPOSITORY": scene.midstream.url, "BASE": "main"}
    result = scene.tree.root / "result"
    given = {"RESULT": str(result), "MIDSTREAM_GIT_TOKEN": TOKEN}
    bash(script_of("plan"), scene.tree.root, {**env, **given})
    assert json.loads(result.read_text()) == ["app", "base"]
    for target in json.loads(result.read_text()):
        more = {"TARGET": target, "FORGE": "gitlab", "MIDSTREAM_GIT_TOKEN": TOKEN}
        bash(script_of("task"), scene.tree.root, {**env, **more})
    assert sorted(pull.branch for pull in forge.pulls) == ["midstream/app", "midstream/base"]
    bash(script_of("plan"), scene.tree.root, {**env, **given})
    assert json.loads(result.read_text()) == []


def script_of(name: str) -> str:
    (task,) = documents(TEKTON / f"{name}.yaml")
    (step,) = task["spec"]["steps"]
    script: str = step["script"]
    return script


def test_the_cron_job_starts_a_run_of_the_pipeline(tmp_path: Path) -> None:
    container = documents(TEKTON / "cronjob.yaml")[0]["spec"]["jobTemplate"]["spec"]["template"][
        "spec"
    ]["containers"][0]
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "oc").write_text(
        f'#!/bin/sh\n[ "$*" = "create -f -" ] && cat > {tmp_path}/run.yaml\n'
    )
    (programs / "oc").chmod(0o755)
    env = {each["name"]: each["value"] for each in container["env"]}
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    bash(container["args"][0], tmp_path, {**env, **path})
    assert against(OBJECTS, tmp_path / "run.yaml") == ""
    (run,) = documents(tmp_path / "run.yaml")
    (pipeline,) = documents(TEKTON / "pipeline.yaml")
    assert run["spec"]["pipelineRef"]["name"] == pipeline["metadata"]["name"]
    given = {each["name"] for each in run["spec"]["params"]}
    wanted = {p["name"] for p in pipeline["spec"]["params"] if "default" not in p}
    assert given == wanted
