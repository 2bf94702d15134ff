"""Real git repositories: made in a folder, served over file:// and by git's own daemon."""

from __future__ import annotations
