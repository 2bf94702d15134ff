"""Reading Dockerfiles by BuildKit's rules. This room knows nothing of UBI."""

from __future__ import annotations
