"""What a Dockerfile takes for granted about its platform: converted, or found, one file each.

`convert(subject)` looks at upstream's text and changes what is mechanical. `check(subject)` looks
at a result and finds what would build and run wrong, or not build at all.
"""

from __future__ import annotations
