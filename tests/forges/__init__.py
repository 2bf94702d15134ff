"""A forge on 127.0.0.1 that speaks as GitHub and as GitLab do, and what can go wrong."""

from __future__ import annotations
