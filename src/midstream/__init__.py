"""Carry upstream Dockerfiles onto UBI, prove the result, and promote the images."""

from __future__ import annotations

__version__ = "0.1.0"
