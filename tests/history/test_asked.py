from __future__ import annotations

from typing import TYPE_CHECKING

from demo import DOCKERFILE, make

if TYPE_CHECKING:
    from pathlib import Path

REVIEW = """\
review:
  - {at: "@ship / ENV", why: what is set}
  - {at: "@ship / ENTRYPOINT", why: what is started}
"""


def test_a_question_is_shown_with_the_review_that_wants_to_ask_it(tmp_path: Path) -> None:
    demo = make(tmp_path, body=REVIEW)
    assert demo.run("rebase", "--target", "app").exit_code == 0
    changed = DOCKERFILE.replace("/opt/app/run", "/opt/app/go").replace(
        "MODE=fast", "MODE=fast\nENV NEW=1"
    )
    demo.track("2.2", {"docker/Dockerfile": changed})
    asked = demo.rebaser().rebase("app").asked
    assert {name: each.why for name, each in asked.items()} == {
        "final / ENV NEW": "what is set",
        "final / ENTRYPOINT": "what is started",
    }
