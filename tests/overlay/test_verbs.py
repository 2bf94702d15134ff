from __future__ import annotations

import pytest

from midstream.errors import Exit
from midstream.overlay.model import Effect
from midstream.overlay.template import BadTemplate
from midstream.rebasing.assembly import assemble
from overlay.edits import carried_out, edited, refused

TEXT = """\
ARG BASE=ubuntu
FROM ${BASE} AS build
# comments stay
RUN --mount=type=cache,target=/c make -j 4 all \\
    # and these
    && ./configure --prefix=/usr --with-x --name old \\
    && bash -c 'strip a && strip b'
FROM build AS final
ENV A=1 B="two words" \\
    # why
    C=3
COPY --from=build --chown=0 /a /b
ENTRYPOINT ["app", "serve", "--port", "80"]
"""


def body(text: str, edits: str, **more: str) -> str:
    """What edits make of a shipped stage with these instructions."""
    head = "FROM a AS final\n"
    return edited(head + text, edits, **more).removeprefix(head)


def test_an_instruction_is_replaced_whole() -> None:
    made = edited(TEXT, "{id: x, at: final / COPY, replace: COPY . /c, why: w}")
    assert made == TEXT.replace("COPY --from=build --chown=0 /a /b", "COPY . /c")


def test_one_command_is_replaced_and_the_rest_of_the_chain_mounts_and_comments_stay() -> None:
    made = edited(TEXT, "{id: x, at: build / RUN / make all, replace: ninja all, why: w}")
    assert made == TEXT.replace("make -j 4 all", "ninja all")


def test_a_command_inside_a_quoted_script_is_replaced_in_its_quotes() -> None:
    made = edited(TEXT, "{id: x, at: build / RUN / strip b, replace: \"echo 'b'\", why: w}")
    assert made == TEXT.replace("&& strip b'", "&& echo '\\''b'\\'''")


def test_a_scope_of_instruction_replaces_what_stands_around_the_command_too() -> None:
    edit = "{id: x, at: build / RUN / make, scope: instruction, replace: x.j2, why: w}"
    made = edited(TEXT, edit, values={"n": 2}, **{"app/x.j2": "RUN {{ n }}\n\n\n"})
    before, _, rest = TEXT.partition("RUN ")
    assert made == f"{before}RUN 2\n{rest[rest.index('FROM build') :]}"


def test_a_key_of_an_environment_is_replaced() -> None:
    made = edited(TEXT, "{id: x, at: final / ENV / B, replace: B=3 D=4, why: w}")
    assert made == TEXT.replace('B="two words"', "B=3 D=4")


def test_an_exec_form_is_replaced_word_by_word() -> None:
    made = edited(TEXT, "{id: x, at: final / ENTRYPOINT / app, replace: \"run 'a b'\", why: w}")
    assert made.endswith('ENTRYPOINT ["run", "a b"]\n')


def test_an_exec_form_takes_no_text_that_is_no_list_of_words() -> None:
    edit = '{id: x, at: final / ENTRYPOINT / app, replace: "run \'a", why: w}'
    ((code, line, message),) = refused(TEXT, edit)
    assert (code, line) == ("MS524", 6)
    assert "can't be split into the words of an exec form" in message


@pytest.mark.parametrize(
    ("run", "phrase", "left"),
    [
        ("a && b && c", "a", "b && c"),
        ("a && b && c", "b", "a && c"),
        ("a && b && c", "c", "a && b"),
        ("a \\\n && b \\\n && c", "b", "a \\\n && c"),
        ("a \\\n && b \\\n && c", "c", "a \\\n && b"),
        ("a; b", "b", "a; :"),
        ("a", "a", ":"),
        ("if a; then b; fi", "b", "if a; then :; fi"),
        ("a | b && c", "b", "a | : && c"),
    ],
)
def test_a_dropped_command_leaves_the_others_to_run_as_if_it_had_gone_well(
    run: str, phrase: str, left: str
) -> None:
    edit = f"{{id: x, at: final / RUN / {phrase}, drop: true, why: w}}"
    assert body(f"RUN {run}\nRUN z\n", edit) == f"RUN {left}\nRUN z\n"


@pytest.mark.parametrize(
    ("run", "left"),
    [
        ("x 1 && x 2 && c", "c"),
        ("x 1 && b && x 2 && c", "b && c"),
        ("c && x 1 && x 2", "c"),
        ("c \\\n && x 1 \\\n && x 2", "c"),
        ("c && x 1 && d && x 2", "c && d"),
        ("x 1 && x 2", ":"),
        ("c && x 1 && x 2; d", "c; d"),
        ("c || x 1 && x 2 && d", "c || : && d"),
    ],
)
def test_neighbours_are_dropped_together(run: str, left: str) -> None:
    edit = "{id: x, at: final / RUN / x, expect: 2, drop: true, why: w}"
    assert body(f"RUN {run}\nRUN z\n", edit) == f"RUN {left}\nRUN z\n"


def test_neighbours_are_dropped_together_though_two_edits_ask() -> None:
    edits = """
        {id: one, at: final / RUN / a, drop: true, why: first}
        {id: two, at: final / RUN / b, drop: true, why: second}
        {id: again, at: final / RUN / a, drop: true, why: a second time}
    """
    text = "FROM a AS final\nRUN a && b && c\n"
    wanted = carried_out(text, edits)
    assert assemble("", text, wanted.edits).source.text.endswith("RUN c\n")
    assert [touch.id for touch in wanted.touches] == ["one", "two", "again"]


def test_an_instruction_is_dropped_with_its_line() -> None:
    made = edited(TEXT, "{id: x, at: final / COPY, drop: true, why: w}")
    assert made == TEXT.replace("COPY --from=build --chown=0 /a /b\n", "")


@pytest.mark.parametrize("text", ['CMD ["a", "b"]', "CMD a b", "HEALTHCHECK CMD a"])
def test_the_only_command_of_what_the_image_runs_is_dropped_with_its_instruction(
    text: str,
) -> None:
    kind = text.split()[0]
    assert body(f"{text}\nUSER 1\n", f"{{id: x, at: final / {kind} / a, drop: true, why: w}}") == (
        "USER 1\n"
    )


@pytest.mark.parametrize(
    ("key", "left"),
    [("A", "ENV B=2 \\\n  C=3\n"), ("B", "ENV A=1 C=3\n"), ("C", "ENV A=1 B=2\n")],
)
def test_one_pair_is_dropped_and_the_others_stay(key: str, left: str) -> None:
    edit = f"{{id: x, at: final / ENV / {key}, drop: true, why: w}}"
    assert body("ENV A=1 B=2 \\\n  C=3\n", edit) == left


@pytest.mark.parametrize(
    ("values", "left"),
    [
        ("{A: null, B: null}", "ENV C=3\n"),
        ("{B: null, C: null}", "ENV A=1\n"),
        ("{A: null, C: null}", "ENV B=2\n"),
        ("{A: null, B: null, C: null}", ""),
        ("{A: null, B: 7}", "ENV B=7 C=3\n"),
    ],
)
def test_several_pairs_are_taken_out_of_one_instruction(values: str, left: str) -> None:
    edit = f"{{id: x, at: final / ENV, set: {values}, why: w}}"
    assert body("ENV A=1 B=2 C=3\n", edit) == left


def test_one_pair_of_what_an_onbuild_carries_is_dropped_alone() -> None:
    edit = "{id: x, at: final / ENV / A, drop: true, why: w}"
    assert body("ONBUILD ENV A=1 B=2\n", edit) == "ONBUILD ENV B=2\n"


def test_a_whole_stage_is_dropped_with_the_comments_above_it() -> None:
    text = "FROM a AS b\nRUN b\n\n# about c\nFROM b AS c\nRUN c\nFROM c AS final\n"
    wanted = carried_out(text, "{id: x, at: c, drop: true, why: w}")
    made = assemble("", text, wanted.edits).source.text
    assert made == "FROM a AS b\nRUN b\nFROM c AS final\n"
    assert [touch.effect for touch in wanted.touches] == [Effect.DROPPED, Effect.DROPPED]


@pytest.mark.parametrize(
    ("before", "at", "value", "after"),
    [
        ("ENV A=1 B=2", "ENV / A", "3", "ENV A=3 B=2"),
        ("ENV A=1", "ENV / A", "x y", 'ENV A="x y"'),
        ("ENV A=1", "ENV / A", '"x y"', 'ENV A="x y"'),
        ("ENV A=1", "ENV / A", 'say "x y" B=2', 'ENV A="say \\"x y\\" B=2"'),
        ("ENV A=1", "ENV / A", "/x:${PATH}", "ENV A=/x:${PATH}"),
        ("ENV A some words", "ENV / A", "other words", "ENV A other words"),
        ("ARG A", "ARG / A", "3", "ARG A=3"),
        ("USER root", "USER", "2000", "USER 2000"),
        ('CMD ["a"]', "CMD", "[b]", "CMD [b]"),
        ("ONBUILD USER root", "USER", "2000", "ONBUILD USER 2000"),
    ],
)
def test_set_gives_what_is_addressed_another_value(
    before: str, at: str, value: str, after: str
) -> None:
    quoted = value.replace("'", "''")
    edit = f"{{id: x, at: final / {at}, set: '{quoted}', why: w}}"
    assert body(f"{before}\n", edit) == f"{after}\n"


@pytest.mark.parametrize(
    ("before", "values", "after"),
    [
        ("ENV A=1 B=2", "{B: 3}", "ENV A=1 B=3"),
        ("ENV A=1", "{Z: 1, Y: x y, X: 3}", 'ENV A=1 Z=1 Y="x y" X=3'),
        ("LABEL a.b=1", "{a.b: 2, c: 3}", "LABEL a.b=2 c=3"),
        ("ONBUILD ENV A=1", "{A: 2}", "ONBUILD ENV A=2"),
        ("COPY --from=a /x /y", "{--from: b}", "COPY --from=b /x /y"),
        ("COPY --from=a  /x /y", "{--from: null}", "COPY /x /y"),
        ("COPY /x /y", "{--chown: '0', --link: ''}", "COPY --chown=0 --link /x /y"),
        ("COPY --link /x /y", "{--link: null}", "COPY /x /y"),
        ("RUN --network=none a", "{--network: null}", "RUN a"),
    ],
)
def test_set_gives_keys_and_flags_other_values(before: str, values: str, after: str) -> None:
    kind = before.removeprefix("ONBUILD ").split()[0]
    edit = f"{{id: x, at: final / {kind}, set: {values}, why: w}}"
    assert body(f"{before}\n", edit) == f"{after}\n"


@pytest.mark.parametrize(
    ("text", "edit", "said"),
    [
        ("RUN a", "at: final / RUN, set: b", "`set` without a key takes a key's place"),
        ("RUN a", "at: final / RUN / a, set: b", "`set` without a key takes a key's place"),
        ("RUN a", "at: final / RUN, set: {A: b}", "`RUN` has no keys"),
        ("ENV A b", "at: final / ENV, set: {B: c}", "`ENV name value` takes one key"),
        ("ENV A=b", "at: final / ENV, set: {B: null}", "there is no `B` to take out"),
        ("COPY a b", "at: final / COPY, set: {--from: null}", "there is no `--from` to take out"),
        (
            "RUN --mount=type=cache,target=/a --mount=type=cache,target=/b x",
            "at: final / RUN, set: {--mount: x}",
            "there are 2 `--mount`, and which is meant can't be told",
        ),
        ("COPY x y", "at: 'final / * / x', args: {-x: y}", "`args` needs a command"),
        ("RUN a x", "at: final / RUN / a, args: {-x: null}", "`a` has no `-x` to take out"),
        (
            "RUN pip install --no-deps torch",
            "at: final / RUN / pip, args: {--no-deps: null}",
            "whether `torch` is the value of `--no-deps` can't be told",
        ),
        ("RUN a x", "at: final / RUN / a, swap: [y, z]", "`y` stands nowhere in what"),
    ],
)
def test_a_verb_that_can_not_be_done_there_is_refused(text: str, edit: str, said: str) -> None:
    ((code, line, message),) = refused(f"FROM a AS final\n{text}\n", f"{{id: x, {edit}, why: w}}")
    assert (code, line) == ("MS524", 6)
    assert message.startswith(f"`x`: {said}")


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        ("{--prefix: /opt}", "--prefix=/usr", "--prefix=/opt"),
        ("{--name: new}", "--name old", "--name new"),
        ("{--with-x: null}", " --with-x", ""),
        ("{--prefix: null}", " --prefix=/usr", ""),
        ("{--with-x: all}", "--with-x", "--with-x all"),
        ("{--with-x: ''}", "--with-x", "--with-x"),
        ("{--z: '1', -a: '2', -DX: '3', -q: ''}", "old", "old --z=1 -a 2 -DX=3 -q"),
    ],
)
def test_args_changes_options_of_one_command_alone(options: str, before: str, after: str) -> None:
    edit = f"{{id: x, at: build / RUN / configure, args: {options}, why: w}}"
    assert edited(TEXT, edit) == TEXT.replace(before, after)


@pytest.mark.parametrize(
    ("options", "made"),
    [
        ("{--port: '90'}", '["app", "serve", "--port", "90"]'),
        ("{--host: '::'}", '["app", "serve", "--port", "80", "--host=::"]'),
        ("{-v: '', -n: a b}", '["app", "serve", "--port", "80", "-v", "-n", "a b"]'),
    ],
)
def test_args_of_an_exec_form_are_words_of_their_own(options: str, made: str) -> None:
    edit = f"{{id: x, at: final / ENTRYPOINT / app, args: {options}, why: w}}"
    assert edited(TEXT, edit).endswith(f"ENTRYPOINT {made}\n")


def test_args_with_a_value_for_a_bare_option_of_an_exec_form() -> None:
    edit = "{id: x, at: final / CMD / a, args: {-q: all}, why: w}"
    assert body('CMD ["a", "-q"]\n', edit) == 'CMD ["a", "-q", "all"]\n'


def test_a_command_in_a_script_of_an_exec_form_is_shell_again() -> None:
    edit = "{id: x, at: final / CMD / b, args: {-q: a}, why: w}"
    made = body('CMD ["sh", "-c", "b 1 && c"]\n', edit)
    assert made == 'CMD ["sh", "-c", "b 1 -q a && c"]\n'


def test_swap_changes_text_for_text_in_what_is_addressed_alone() -> None:
    edit = "{id: x, at: build / RUN / configure, swap: [/usr, /opt], why: w}"
    assert edited(TEXT, edit) == TEXT.replace("=/usr", "=/opt")


def test_swap_counts_texts() -> None:
    edits = "{id: x, at: final / RUN, swap: [aa, b], why: w}"
    text = "FROM a AS final\nRUN aa aaa\n"
    ((code, _, message),) = refused(text, edits)
    assert (code, message) == ("MS521", "`x` finds 2 places at `final / RUN`, not 1")
    assert edited(text, edits.replace("swap", "expect: 2, swap")).endswith("RUN b ba\n")


def test_texts_are_put_before_and_after_an_instruction_and_at_a_stages_end() -> None:
    edits = """
        {id: b, at: final / COPY, before: "USER 0", why: w}
        {id: a, at: final / COPY, after: ["USER 1", "USER 2"], why: w}
        {id: e, at: "@ship", end: "USER 3", why: w}
        {id: f, at: build, end: "USER 4", why: w}
    """
    copy = "COPY --from=build --chown=0 /a /b\n"
    expected = TEXT.replace(copy, f"USER 0\n{copy}USER 1\nUSER 2\n")
    expected = expected.replace("FROM build AS", "USER 4\nFROM build AS")
    assert edited(TEXT, edits) == f"{expected}USER 3\n"


def test_several_texts_at_one_place_keep_the_overlays_order() -> None:
    edits = """
        {id: z, at: "@ship", end: "USER 1", why: w}
        {id: a, at: final / USER, after: "USER 2", why: w}
        {id: m, at: "@ship", end: "USER 3", why: w}
    """
    assert body("USER 0\n", edits) == "USER 0\nUSER 1\nUSER 2\nUSER 3\n"


def test_a_phrase_that_finds_two_commands_of_one_instruction_is_one_place_to_put_text() -> None:
    edit = "{id: x, at: build / RUN / strip, after: USER 1, why: w}"
    assert edited(TEXT, edit).count("USER 1\n") == 1


def test_a_text_behind_a_last_line_without_an_ending_starts_a_line_of_its_own() -> None:
    edit = '{id: x, at: "@ship", end: ["USER 1", "USER 2"], why: w}'
    assert body("USER 0", edit) == "USER 0\nUSER 1\nUSER 2\n"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_texts_of_ours_take_the_files_line_endings(ending: str) -> None:
    text = "FROM a AS final\nUSER 0\nRUN x\n".replace("\n", ending)
    edits = """
        {id: x, at: final / USER, replace: {file: x.j2}, why: w}
        {id: y, at: "@ship", end: {file: y.j2}, why: w}
    """
    made = edited(text, edits, **{"app/x.j2": "ENV A=1 \\\n B=2\n", "app/y.j2": "USER 1\r\n\r\n"})
    assert made == "FROM a AS final\nENV A=1 \\\n B=2\nRUN x\nUSER 1\n".replace("\n", ending)


def test_an_edit_for_other_releases_is_not_made() -> None:
    edit = '{id: x, at: final / COPY, drop: true, why: w, releases: ">=3"}'
    assert edited(TEXT, edit) == TEXT
    assert edited(TEXT, edit, release="3.0") != TEXT


def test_an_edit_is_made_until_its_day_by_upstreams_date_and_then_a_warning() -> None:
    edit = "{id: x, at: final / COPY, drop: true, why: w, until: 2026-06-01}"
    assert "COPY" not in edited(TEXT, edit, date="2026-06-01T23:59:59Z")
    assert refused(TEXT, edit, date="2026-06-02T00:00:00Z") == [
        ("MS523", 6, "`x` was for releases until 2026-06-01; this one is of 2026-06-02")
    ]


@pytest.mark.parametrize(
    ("edit", "code", "message"),
    [
        ("at: final / RUN / nix, swap: [a, b]", "MS520",
         "`x` finds nothing at `final / RUN / nix`"),
        ("at: build / RUN / strip, drop: true", "MS521",
         "`x` finds 2 places at `build / RUN / strip`, not 1"),
        ("at: finl, end: USER 1", "MS522", "there is no stage `finl`"),
        ("at: '*', end: USER 1", "MS521", "`x` finds 2 places at `*`, not 1"),
    ],
)  # fmt: skip
def test_an_edit_that_does_not_fit_is_a_finding_and_the_others_are_made(
    edit: str, code: str, message: str
) -> None:
    edits = f"{{id: x, {edit}, why: w}}\n{{id: y, at: final / COPY, drop: true, why: w}}"
    wanted = carried_out(TEXT, edits)
    assert [(found.rule.code, found.message) for found in wanted.found] == [(code, message)]
    assert [each.rule for each in wanted.edits] == ["y"]


def test_a_drop_of_what_is_gone_is_a_warning_and_of_what_was_renamed_an_error() -> None:
    assert refused(TEXT, "{id: x, at: final / RUN / nix, drop: true, why: w}") == [
        ("MS527", 6, "`x`: what it drops is gone from upstream")
    ]
    ((code, _, _),) = refused(TEXT, "{id: x, at: build / RUN / make -j al, drop: true, why: w}")
    assert code == "MS520"


def test_a_swap_that_upstream_has_made_itself_is_a_warning() -> None:
    edit = "{id: x, at: build / RUN / configure, swap: [/opt, /usr], why: w}"
    assert refused(TEXT, edit) == [("MS526", 6, "`x`: upstream has `/usr` now")]
    text = "FROM a AS final\nRUN cp a /usr\nRUN cp a /var\n"
    edit = "{id: x, at: final / RUN / cp, swap: [/opt, /usr], why: w}"
    assert refused(text, edit) == [("MS526", 6, "`x`: upstream has `/usr` now")]


def test_a_template_that_can_not_be_filled_in_stops_with_exit_code_2() -> None:
    edit = "{id: x, at: final / COPY, replace: 'USER {{ uid }}', why: w}"
    with pytest.raises(BadTemplate) as caught:
        carried_out(TEXT, edit)
    assert caught.value.exit_code == Exit.USAGE


def test_what_an_edit_changes_is_the_overlays_own() -> None:
    wanted = carried_out(TEXT, "{id: x, at: build / RUN / make, args: {-j: '8', -k: ''}, why: w}")
    assert [TEXT[span.start : span.end] for span in wanted.claimed] == ["4"]
