"""Registries for tests: Debian's real one, a double that behaves, and faults for both.

`debian` starts the real `docker-registry`; `double` is the distribution API in this process, with
what the real one lacks; `proxy` stands in front of either; `faults` are what goes wrong on the way;
`images` makes what is pushed; `look` reads a registry without any code of midstream.
"""

from __future__ import annotations
