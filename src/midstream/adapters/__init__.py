"""The only doors to the outside: processes, files, git, registries, the package index."""

from __future__ import annotations
