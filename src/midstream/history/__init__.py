"""Upstream then and now: what moved, what is watched, what people decided about it."""

from __future__ import annotations
