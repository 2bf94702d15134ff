"""Promises that a Dockerfile is held to, one a file."""

from __future__ import annotations
