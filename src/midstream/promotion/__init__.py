"""Giving a tested digest its names, and proving it."""

from __future__ import annotations
