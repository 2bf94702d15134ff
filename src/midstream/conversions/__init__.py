"""Rewrites that are mechanical on the platform, one a file."""

from __future__ import annotations
