from __future__ import annotations

from datetime import date

import pytest

from midstream.configuration import ConfigurationError
from midstream.errors import Exit
from midstream.overlay.choosing import NoOverlay, targets
from midstream.overlay.load import Overlays, load_overlay
from midstream.overlay.model import (
    After,
    Args,
    Before,
    Drop,
    End,
    FactKind,
    Replace,
    Set,
    Swap,
)
from midstream.overlay.releases import NotARelease
from overlay.trees import HEAD, MAIN, Tree, app


def mistakes(tree: Tree, release: str | None = "2.1") -> list[tuple[str, str, str]]:
    """Code, place and message of everything that is wrong."""
    with pytest.raises(ConfigurationError) as caught:
        load_overlay(tree, "app", release)
    assert caught.value.exit_code == Exit.USAGE
    return [
        (
            found.rule.code,
            f"{found.source.name.removeprefix('overlays/')}:{found.source.position(found.span.start)}",
            found.message,
        )
        for found in caught.value.diagnostics
    ]


def test_every_key_of_the_format_is_read() -> None:
    overlay = load_overlay(
        Tree(
            {
                MAIN: """\
target: app
upstream: {file: demo/app, releases: ">=2,<3"}
platform: ubi10
python: {layout: venv, path: /opt/app, version: 3.10}
ship:
  stage: final
  args:
    BASE: {value: "{{ sibling('base') }}", why: our own}
  platforms: [linux/amd64]
repositories: [epel, crb]
edits:
  - {id: a, at: build / RUN / make all, args: {-j: "4", --slow: null}, why: faster,
     until: 2027-03-31, releases: ">=2.1", expect: 2}
files:
  tools/x.sh: {with: x.sh.j2, why: deb files}
facts:
  - {name: TORCH, from: requirements.txt, pin: torch}
  - {name: CUDA, arg: CUDA_VERSION}
labels: {name: app}
review: [{at: "@ship-lineage / ENV,USER"}]
waivers: [{rule: MS301, why: known, until: 2027-01-01, at: final / RUN}]
promote: {repository: registry.example/app, tags: {release: "2", all: [latest, "2.1"]}}
template: Dockerfile.j2
""",
                "overlays/app/x.sh.j2": "echo",
                "overlays/app/Dockerfile.j2": "FROM x",
            }
        ),
        "app",
        "2.1",
    )
    assert (overlay.target, overlay.folder, overlay.source.name) == ("app", "overlays/app", MAIN)
    assert (overlay.upstream.project, overlay.upstream.target) == ("demo", "app")
    assert overlay.upstream.releases == ">=2,<3"
    assert str(overlay.platform) == "ubi10"
    assert (overlay.python.layout, overlay.python.path) == ("venv", "/opt/app")
    assert overlay.python.version == "3.10"
    assert overlay.ship.stage.text == "final"
    assert overlay.ship.args["BASE"].value.source.text == "{{ sibling('base') }}"
    assert overlay.ship.args["BASE"].value.is_template
    assert overlay.ship.args["BASE"].why == "our own"
    assert [str(each) for each in overlay.ship.platforms] == ["linux/amd64"]
    assert [str(each) for each in overlay.repositories] == ["epel", "crb"]
    (edit,) = overlay.edits
    assert (edit.id, edit.why, edit.expect) == ("a", "faster", 2)
    assert edit.verb == Args({"-j": "4", "--slow": None})
    assert (edit.until, edit.releases) == (date(2027, 3, 31), ">=2.1")
    file = overlay.files["tools/x.sh"]
    assert (file.text and file.text.source.text, file.why) == ("echo", "deb files")
    torch, cuda = overlay.facts.values()
    assert (torch.kind, torch.what, torch.file) == (FactKind.PIN, "torch", "requirements.txt")
    assert (cuda.kind, cuda.what, cuda.file) == (FactKind.ARG, "CUDA_VERSION", None)
    assert overlay.labels["name"].source.text == "app"
    assert overlay.review[0].at.kinds == ("ENV", "USER")
    waiver = overlay.waivers[0]
    assert (waiver.rule, waiver.why, waiver.until) == ("MS301", "known", date(2027, 1, 1))
    assert waiver.at is not None
    assert waiver.at.stage == "final"
    assert overlay.promote is not None
    assert overlay.promote.repository.text == "registry.example/app"
    tags = {name: [t.text for t in each] for name, each in overlay.promote.tags.items()}
    assert tags == {"release": ["2"], "all": ["latest", "2.1"]}
    assert overlay.template is not None
    assert overlay.template.source.name == "overlays/app/Dockerfile.j2"


def test_a_value_knows_where_it_was_written() -> None:
    place = load_overlay(app(), "app", "2.1").platform.place
    assert place.source[place.span] == "ubi9"


@pytest.mark.parametrize(
    ("verb", "at", "kind"),
    [
        ("replace: RUN true", "a / RUN", Replace),
        ("drop: true", "a", Drop),
        ("drop: ", "a / RUN", Drop),
        ("set: x", "a / ENV / K", Set),
        ("set: {--from: x}", "a / COPY", Set),
        ("args: {-j: '1'}", "a / RUN / make", Args),
        ("swap: [a, b]", "a / RUN", Swap),
        ("before: RUN a b", "a / RUN", Before),
        ("after: [RUN a b]", "a / RUN", After),
        ("end: RUN a b", "a", End),
    ],
)
def test_each_verb_has_its_value(verb: str, at: str, kind: type) -> None:
    overlay = load_overlay(
        app(f"edits:\n  - id: x\n    at: {at}\n    why: y\n    {verb}\n"), "app", "2.1"
    )
    assert isinstance(overlay.edits[0].verb, kind)


def test_a_scope_of_instruction_takes_the_whole_instruction() -> None:
    edits = "edits: [{id: x, at: a / RUN / b, why: y, drop: true, scope: instruction}]\n"
    assert load_overlay(app(edits), "app", "2.1").edits[0].verb == Drop(whole=True)


# --- mistakes -------------------------------------------------------------------------------


def edit(text: str) -> str:
    return f"edits:\n  - {{{text}}}\n"


@pytest.mark.parametrize(
    ("body", "code", "where", "message"),
    [
        ("edit: []\n", "MS502", "5:1", "unknown key `edit`"),
        (edit("id: x, at: a / RUN, drop: true"), "MS503", "6:5", "`why` is missing"),
        (edit("id: x, at: a / RUN, drop: true, why: ''"), "MS503", "6:43", "`why` is empty"),
        (edit("at: a / RUN, drop: true, why: y"), "MS503", "6:5", "`id` is missing"),
        (edit("id: x, drop: true, why: y"), "MS503", "6:5", "`at` is missing"),
        (edit("id: x, at: a / RUN, why: y"), "MS512", "6:5", "an edit needs a verb"),
        (
            edit("id: x, at: a / RUN, why: y, drop: true, set: z"),
            "MS512",
            "6:5",
            "an edit has one verb, found `drop` and `set`",
        ),
        (edit("id: x, at: a / RUN, why: y, dorp: true"), "MS502", "6:34", "unknown key `dorp`"),
        (
            edit("id: x, at: a / RUN / ~(, why: y, drop: true"),
            "MS514",
            "6:17",
            "`(` is not a regular expression: missing ), unterminated subpattern at position 0",
        ),
        (
            edit("id: x, at: a / RUN / ~x*, why: y, drop: true"),
            "MS514",
            "6:17",
            "`x*` matches everything, since it matches nothing",
        ),
        (
            edit("id: x, at: a / RNU, why: y, drop: true"),
            "MS514",
            "6:17",
            "`RNU` is no instruction",
        ),
        (
            edit("id: x, at: '@shp / RUN', why: y, drop: true"),
            "MS514",
            "6:17",
            "`@shp` is no stage",
        ),
        (
            edit("id: x, at: a /, why: y, drop: true"),
            "MS514",
            "6:17",
            "`a /` is not `stage / KIND / phrase`",
        ),
        (
            edit("id: x, at: a / RUN / it's, why: y, drop: true"),
            "MS514",
            "6:17",
            "a quote in `it's` is never closed",
        ),
        (
            edit("id: x, at: a / RUN, why: y, drop: true, until: soon"),
            "MS504",
            "6:53",
            "`soon` is no day",
        ),
        (
            edit("id: x, at: a / RUN, why: y, drop: true, expect: 0"),
            "MS504",
            "6:54",
            "`expect` is a number from 1 on, found `0`",
        ),
        (
            edit("id: x, at: a / RUN, why: y, drop: true, expect: many"),
            "MS504",
            "6:54",
            "`expect` is a number from 1 on, found `many`",
        ),
        (
            edit("id: x, at: a / RUN, why: y, drop: true, releases: new"),
            "MS504",
            "6:56",
            "`new` is no range of releases",
        ),
        (
            edit("id: x, at: a / RUN, why: y, drop: true, releases: ''"),
            "MS504",
            "6:56",
            "`` is no range of releases",
        ),
        (
            edit("id: x, at: a / RUN, why: y, drop: false"),
            "MS504",
            "6:40",
            "`drop: false` does nothing",
        ),
        (
            edit("id: x, at: a / RUN, why: y, set: z, scope: instruction"),
            "MS504",
            "6:49",
            "only `replace` and `drop` have a `scope`",
        ),
        (
            edit("id: x, at: a / RUN, why: y, drop: true, scope: all"),
            "MS504",
            "6:53",
            "expected command or instruction, found `all`",
        ),
        (
            edit("id: x, at: a / RUN, why: y, replace: no.sh.j2"),
            "MS515",
            "6:43",
            "there is no fragment `no.sh.j2`",
        ),
        (
            edit("id: x, at: a / RUN, why: y, replace: {file: ../../x.j2}"),
            "MS515",
            "6:50",
            "there is no fragment `../../x.j2`",
        ),
        (
            edit("id: x, at: a / RUN, why: y, replace: {file: a, text: b}"),
            "MS504",
            "6:43",
            "expected either `file` or `text`",
        ),
        (
            edit("id: x, at: a / RUN, why: y, replace: overlay.yaml"),
            "MS504",
            "6:43",
            "`overlay.yaml` may be a text, or the file of that name",
        ),
        (
            edit("id: x, at: a / RUN, why: y, replace: null"),
            "MS504",
            "6:43",
            "`replace` is empty",
        ),
        (
            edit("id: x, at: a / RUN, why: y, swap: [a]"),
            "MS504",
            "6:40",
            "expected two texts, [old, new]",
        ),
        (edit("id: x, at: a / RUN, why: y, set: {}"), "MS504", "6:39", "nothing is listed here"),
        (edit("id: x, at: a / RUN, why: y, before: []"), "MS504", "6:42", "nothing is listed here"),
        (
            edit("id: x, at: a / RUN, why: y, end: x y"),
            "MS513",
            "6:17",
            "`end` takes a stage alone, without an instruction",
        ),
        (
            edit("id: x, at: a / ENV / K, why: y, args: {-a: b}"),
            "MS513",
            "6:17",
            "`args` needs a phrase that finds a command: `stage / RUN / words`",
        ),
        (
            edit("id: x, at: a, why: y, set: b"),
            "MS513",
            "6:17",
            "the address needs an instruction: `stage / KIND`",
        ),
        ("python: {layout: conda}\n", "MS504", "5:18", "expected system or venv, found `conda`"),
        ("python: {layout: venv}\n", "MS504", "5:9", "a venv needs its absolute `path`"),
        (
            "python: {layout: system, path: /x}\n",
            "MS504",
            "5:32",
            "only a venv has a `path`",
        ),
        ("files: {a: {with: a.j2}}\n", "MS503", "5:12", "`why` is missing"),
        ("facts: [{name: A}]\n", "MS503", "5:9", "expected one of arg, pin, json, regex"),
        (
            "facts: [{name: A, pin: torch}]\n",
            "MS503",
            "5:9",
            "`pin` is read from a file: `from` is missing",
        ),
        (
            "facts: [{name: a-b, arg: A}]\n",
            "MS504",
            "5:16",
            "`a-b` can't be used as `facts.a-b`",
        ),
        (
            "facts: [{name: A, from: f, json: x}]\n",
            "MS504",
            "5:34",
            "`x` is no JSON pointer",
        ),
        (
            "facts: [{name: A, from: f, regex: x}]\n",
            "MS504",
            "5:35",
            "expected one group, the value, found 0",
        ),
        (
            "facts: [{name: A, from: f, regex: '['}]\n",
            "MS504",
            "5:35",
            "not a regular expression: unterminated character set at position 0",
        ),
        ("extends: nobody\n", "MS516", "5:10", "no overlay for `nobody`"),
        ("extends: _shared/x.yaml\n", "MS516", "5:10", "there is no `overlays/_shared/x.yaml`"),
        ("drop_edits: {a: why}\n", "MS516", "5:14", "no edit `a` is inherited"),
        ("drop_edits: {a: }\n", "MS503", "5:17", "say why: `drop_edits: {ID: WHY}`"),
        ("review: [{at: /}]\n", "MS514", "5:15", "`/` is not `stage / KIND / phrase`"),
        ("edits: {}\n", "MS504", "5:8", "expected a list, found a mapping"),
    ],
)
def test_a_mistake_is_shown_at_its_line(body: str, code: str, where: str, message: str) -> None:
    assert (code, f"app/overlay.yaml:{where}", message) in mistakes(app(body))


def test_all_mistakes_are_shown_at_once() -> None:
    body = "edit: []\nedits:\n  - {id: x, at: a / RNU}\n  - {at: a / RUN, why: y, drop: true}\n"
    codes = [code for code, _, _ in mistakes(app(body))]
    assert codes == ["MS502", "MS503", "MS514", "MS512", "MS503"]


def test_two_edits_of_one_name_show_both_places() -> None:
    body = """\
edits:
  - {id: x, at: a / RUN, drop: true, why: y}
  - {id: x, at: b / RUN, drop: true, why: y}
"""
    with pytest.raises(ConfigurationError) as caught:
        load_overlay(app(body), "app", "2.1")
    (found,) = caught.value.diagnostics
    assert (found.rule.code, found.source.position(found.span.start).line) == ("MS511", 7)
    assert found.also is not None
    assert found.also.source.position(found.also.span.start).line == 6


def test_the_parts_that_every_overlay_needs_are_missed() -> None:
    found = mistakes(Tree({MAIN: "target: app\n"}))
    assert [message for _, _, message in found] == [
        "`upstream` is missing",
        "`platform` is missing",
        "`ship: {stage: …}` is missing",
    ]


def test_an_overlay_in_the_wrong_folder_is_told_so() -> None:
    tree = Tree({MAIN: HEAD.replace("target: app", "target: other")})
    assert ("MS504", "app/overlay.yaml:1:9") in [(code, at) for code, at, _ in mistakes(tree)]


@pytest.mark.parametrize("text", ["", "[", "- a", "? [a]: b\n", "a: {b", "\x00", "target: [x]\n"])
def test_a_file_that_is_no_overlay_is_no_traceback(text: str) -> None:
    assert mistakes(Tree({MAIN: text}))


def test_an_upstream_without_a_target_is_a_mistake() -> None:
    tree = Tree({MAIN: HEAD.replace("demo/app", "demo")})
    assert mistakes(tree)[0][2] == "expected project/target, such as vllm/rocm, found `demo`"


# --- ranges ---------------------------------------------------------------------------------


def ranged(folder: str, releases: str, *, platform: str = "ubi9") -> dict[str, str]:
    text = HEAD.replace(">=2", releases).replace("ubi9", platform)
    return {f"overlays/app/{folder}/overlay.yaml".replace("//", "/"): text}


def test_the_overlay_whose_range_holds_the_release_is_taken() -> None:
    tree = Tree({**ranged("", ">=2"), **ranged("old", ">=1,<2", platform="ubi10")})
    assert str(load_overlay(tree, "app", "1.5").platform) == "ubi10"
    assert load_overlay(tree, "app", "1.5").folder == "overlays/app/old"
    assert str(load_overlay(tree, "app", "2.0").platform) == "ubi9"


def test_a_release_that_no_range_holds_lists_the_ranges() -> None:
    tree = Tree({**ranged("", ">=2"), **ranged("old", ">=1,<2")})
    with pytest.raises(NoOverlay) as caught:
        load_overlay(tree, "app", "0.9")
    assert caught.value.exit_code == Exit.USAGE
    assert "no overlay of `app` is for 0.9" in caught.value.message
    assert "`>=2`" in caught.value.message
    assert "`>=1,<2`" in caught.value.message
    assert [found.source[found.span] for found in caught.value.diagnostics] == ['">=2"', '">=1,<2"']


def test_a_release_that_two_ranges_hold_is_refused() -> None:
    tree = Tree({**ranged("a", ">=2"), **ranged("b", ">=1")})
    with pytest.raises(NoOverlay, match="2 overlays of `app`"):
        load_overlay(tree, "app", "2.5")


def test_a_range_with_a_mistake_is_shown_and_not_passed_over() -> None:
    tree = Tree({**ranged("", "newer"), **ranged("old", ">=1,<2")})
    assert ("MS504", "app/overlay.yaml:2:38", "`newer` is no range of releases") in mistakes(tree)


def test_a_candidate_is_older_than_its_release() -> None:
    tree = Tree(ranged("", ">=2"))
    with pytest.raises(NoOverlay):
        load_overlay(tree, "app", "2.0rc1")
    assert load_overlay(tree, "app", "2.1rc1").target == "app"


def test_a_text_without_a_release_takes_the_targets_own_overlay() -> None:
    tree = Tree({**ranged("", ">=2"), **ranged("old", ">=1,<2", platform="ubi10")})
    assert str(load_overlay(tree, "app", None).platform) == "ubi9"


def test_a_name_that_is_no_release_is_refused() -> None:
    with pytest.raises(NotARelease, match="`main` is not a release"):
        load_overlay(app(), "app", "main")


def test_an_overlay_without_a_range_is_for_every_release() -> None:
    tree = Tree({MAIN: HEAD.replace(', releases: ">=2"', "")})
    assert load_overlay(tree, "app", "0.1").target == "app"


def test_a_target_without_an_overlay_lists_those_that_have_one() -> None:
    with pytest.raises(NoOverlay) as caught:
        load_overlay(app(), "other", "2.1")
    assert caught.value.help == "there are `app`"


def test_targets_are_the_folders_with_an_overlay() -> None:
    tree = Tree({**ranged("old", ">=1"), "overlays/_shared/overlay.yaml": "", "overlays/x/a": ""})
    assert targets(tree) == ("app",)


# --- fragments ------------------------------------------------------------------------------


def replace(value: str) -> str:
    return edit(f"id: x, at: a / RUN, why: y, replace: {value}")


@pytest.mark.parametrize(
    "place", ["overlays/app", "overlays/_shared/fragments", "overlays/_shared"]
)
def test_a_fragment_is_found_beside_the_overlay_and_among_the_shared_ones(place: str) -> None:
    tree = Tree({MAIN: HEAD + replace("x.j2"), f"{place}/x.j2": "RUN made"})
    verb = load_overlay(tree, "app", "2.1").edits[0].verb
    assert isinstance(verb, Replace)
    assert (verb.text.source.name, verb.text.inline) == (f"{place}/x.j2", False)


def test_a_ranged_overlay_finds_the_fragments_of_its_target() -> None:
    files = {"overlays/app/old/overlay.yaml": HEAD + replace("x.j2"), "overlays/app/x.j2": "RUN a"}
    assert load_overlay(Tree(files), "app", "2.1").edits[0].id == "x"


def test_the_nearest_fragment_of_a_name_wins() -> None:
    files = {MAIN: HEAD + replace("x.j2"), "overlays/app/x.j2": "near"}
    tree = Tree({**files, "overlays/_shared/fragments/x.j2": "far"})
    verb = load_overlay(tree, "app", "2.1").edits[0].verb
    assert isinstance(verb, Replace)
    assert verb.text.source.text == "near"


@pytest.mark.parametrize(
    ("written", "text"),
    [("RUN make", "RUN make"), ("{text: x.j2}", "x.j2"), ('"RUN a\\n"', "RUN a\n")],
)
def test_a_text_may_stand_in_the_overlay_itself(written: str, text: str) -> None:
    verb = load_overlay(app(replace(written)), "app", "2.1").edits[0].verb
    assert isinstance(verb, Replace)
    assert (verb.text.source.text, verb.text.inline) == (text, True)


# --- extends --------------------------------------------------------------------------------

SHARED = """\
platform: ubi10
repositories: [epel]
labels: {name: shared, vendor: us}
edits:
  - {id: a, at: a / RUN, drop: true, why: shared}
  - {id: b, at: b / RUN, drop: true, why: shared}
  - {id: c, at: c / RUN, drop: true, why: shared}
review: [{at: a / ENV}]
"""
CHILD = """\
extends: _shared/serving.yaml
repositories: [crb]
labels: {name: app}
drop_edits: {c: not here}
edits:
  - {id: d, at: d / RUN, drop: true, why: own}
  - {id: b, at: b / ENV, drop: true, why: own}
"""


def test_edits_are_inherited_and_replaced_by_id() -> None:
    tree = Tree({MAIN: HEAD + CHILD, "overlays/_shared/serving.yaml": SHARED})
    overlay = load_overlay(tree, "app", "2.1")
    assert [(e.id, e.why) for e in overlay.edits] == [("a", "shared"), ("b", "own"), ("d", "own")]
    assert str(overlay.platform) == "ubi9"
    assert [str(each) for each in overlay.repositories] == ["epel", "crb"]
    assert {k: v.source.text for k, v in overlay.labels.items()} == {"name": "app", "vendor": "us"}
    assert len(overlay.review) == 1
    assert [source.name for source in overlay.sources] == [MAIN, "overlays/_shared/serving.yaml"]
    assert overlay.edits[0].place.source.name == "overlays/_shared/serving.yaml"


def test_a_mistake_in_what_is_inherited_names_that_file() -> None:
    tree = Tree(
        {MAIN: HEAD + "extends: _shared/x.yaml\n", "overlays/_shared/x.yaml": "a: b\nedits: 1\n"}
    )
    assert [(code, at) for code, at, _ in mistakes(tree)] == [
        ("MS502", "_shared/x.yaml:1:1"),
        ("MS504", "_shared/x.yaml:2:8"),
    ]


def test_another_targets_overlay_is_inherited_for_the_same_release() -> None:
    other = HEAD.replace("target: app", "target: other")
    tree = Tree(
        {
            MAIN: "target: app\nupstream: {file: demo/app}\nextends: other\n",
            "overlays/other/overlay.yaml": other.replace(">=2", "<2"),
            "overlays/other/new/overlay.yaml": other.replace("ubi9", "ubi10"),
        }
    )
    overlay = load_overlay(tree, "app", "2.1")
    assert (overlay.target, str(overlay.platform), overlay.ship.stage.text) == (
        "app",
        "ubi10",
        "final",
    )


def test_a_circle_of_extends_is_shown() -> None:
    tree = Tree(
        {
            MAIN: HEAD + "extends: _shared/a.yaml\n",
            "overlays/_shared/a.yaml": "extends: _shared/b.yaml\n",
            "overlays/_shared/b.yaml": "extends: _shared/a.yaml\n",
        }
    )
    assert mistakes(tree) == [
        (
            "MS516",
            "_shared/b.yaml:1:10",
            "`extends` goes round in a circle: overlays/_shared/a.yaml -> "
            "overlays/_shared/b.yaml -> overlays/_shared/a.yaml",
        )
    ]


def test_one_file_that_is_inherited_twice_is_no_conflict() -> None:
    shared = "edits: [{id: a, at: a / RUN, drop: true, why: y}]\n"
    tree = Tree(
        {
            MAIN: HEAD + "extends: [_shared/b.yaml, _shared/c.yaml]\n",
            "overlays/_shared/a.yaml": shared,
            "overlays/_shared/b.yaml": "extends: _shared/a.yaml\n",
            "overlays/_shared/c.yaml": "extends: _shared/a.yaml\n",
        }
    )
    assert [each.id for each in load_overlay(tree, "app", "2.1").edits] == ["a"]


def test_two_edits_of_one_id_from_two_files_must_be_decided() -> None:
    one = "edits: [{id: a, at: a / RUN, drop: true, why: y}]\n"
    files = {
        MAIN: HEAD + "extends: [_shared/b.yaml, _shared/c.yaml]\n",
        "overlays/_shared/b.yaml": one,
        "overlays/_shared/c.yaml": one,
    }
    assert mistakes(Tree(files))[0][:2] == ("MS516", "app/overlay.yaml:5:10")
    files[MAIN] += "drop_edits: {a: neither}\n"
    assert load_overlay(Tree(files), "app", "2.1").edits == ()


# --- one release after the other --------------------------------------------------------------

INHERITING = {
    MAIN: "target: app\nupstream: {file: demo/app}\nextends: other\n",
    "overlays/other/overlay.yaml": HEAD.replace("app", "other").replace(">=2", ">=1,<2"),
    "overlays/other/new/overlay.yaml": HEAD.replace("app", "other").replace("ubi9", "ubi10"),
}


def test_an_overlay_is_one_for_all_releases_that_have_it_of_the_same_files() -> None:
    overlays = Overlays(Tree(INHERITING))
    for release, platform in (("2.1", "ubi10"), ("1.5", "ubi9"), ("2.2", "ubi10")):
        overlay = overlays.of("app", release)
        assert overlay == load_overlay(Tree(INHERITING), "app", release)
        assert str(overlay.platform) == platform
    assert overlays.of("app", "2.1") is overlays.of("app", "2.2")
    assert overlays.of("app", "2.1") is not overlays.of("other", "2.1")


def test_what_is_wrong_at_one_release_is_said_whenever_it_is_asked_for_and_at_no_other() -> None:
    overlays = Overlays(Tree(INHERITING))
    for _ in range(2):
        assert overlays.of("app", "1.5").target == "app"
        with pytest.raises(ConfigurationError) as caught:
            overlays.of("app", "0.9")
        messages = [found.message for found in caught.value.diagnostics]
        assert messages[0].startswith("no overlay of `other` is for 0.9")
        assert len(messages) == 3  # and what it would have inherited


def test_a_file_is_read_once_for_several_releases() -> None:
    tree = Tree(INHERITING)
    overlays = Overlays(tree)
    overlays.of("app", "2.1")
    tree.files.clear()
    assert overlays.of("app", "2.2").target == "app"
    assert overlays.places("app") == ("overlays/app",)
