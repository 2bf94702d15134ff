"""Checking files against a JSON Schema with the tool that people use for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT / "schemas"


def complaints(schema: str, *files: Path) -> str:
    """What is wrong with files; nothing where they are right. `schema` is the name of one of ours,
    or of one that the tool brings along."""
    which = ["--schemafile", str(SCHEMAS / f"{schema}.schema.json")]
    if schema.startswith(("vendor.", "custom.")):
        which = ["--builtin-schema", schema]
    return _run(*which, *(str(each) for each in files))


def against(schema: Path, *files: Path) -> str:
    """What is wrong with files by a schema that stands anywhere."""
    return _run("--schemafile", str(schema), *(str(each) for each in files))


def is_schema(*files: Path) -> str:
    return _run("--check-metaschema", *(str(each) for each in files))


def _run(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *words],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr if done.returncode else ""
