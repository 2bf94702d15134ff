"""What the platform is: its packages, its images, and what each base brings along."""

from __future__ import annotations
