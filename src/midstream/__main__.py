"""Where a run begins: `midstream`, and `python -m midstream`."""

from __future__ import annotations

import gc


def main() -> None:
    # What is read lives as long as the process, so looking for garbage is seldom worth its time;
    # importing what a short run needs is a good part of it.
    gc.set_threshold(100_000, 20, 20)
    from midstream.cli import main as command_line

    try:
        command_line(prog_name="midstream")
    finally:
        gc.freeze()  # or Python looks through all of it once more before it ends


if __name__ == "__main__":
    main()
