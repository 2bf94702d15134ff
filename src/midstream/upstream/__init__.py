"""What is tracked, and what it was when last tracked."""

from __future__ import annotations
