"""`python -m midstream` is `midstream`."""

from __future__ import annotations

from midstream.cli import main

if __name__ == "__main__":
    main(prog_name="midstream")
