"""The flow: upstream's text and an overlay in, a proved result with its ledger and plan out."""

from __future__ import annotations

import hashlib
from collections import ChainMap
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from midstream.assumptions import shelf as assumptions
from midstream.checks.view import COMMUNITY, View
from midstream.conversions import shelf as conversions
from midstream.dockerfile.graph import build_graph
from midstream.dockerfile.scan import parse
from midstream.dockerfile.scripts import Scripts
from midstream.errors import Exit, MidstreamError, UsageError
from midstream.history import blame, decisions, facts, watching
from midstream.history import past as history
from midstream.history.asked import with_asked
from midstream.ledger import Claim, Fate, write_ledger
from midstream.overlay.facts import FactMissing, read_facts
from midstream.overlay.load import load_overlay, places, without_version
from midstream.overlay.model import Effect
from midstream.overlay.select import no_stage, ship_stage
from midstream.overlay.tables import Tables, load_tables
from midstream.overlay.template import render
from midstream.overlay.verbs import Wanted, carry_out
from midstream.rebasing import assembly, shipping, templating, verification
from midstream.rebasing.agreement import disagreements
from midstream.rebasing.building import BuildPlan, plan_build
from midstream.rebasing.context_files import CONTEXT, place_files, text_of
from midstream.rebasing.overlaying import dropped_stages, half_added, needed_stages, together
from midstream.rebasing.siblings import as_sibling, image_of
from midstream.rebasing.templating import Readings
from midstream.rebasing.waivers import waived
from midstream.source import Source
from midstream.ubi.outcome import Outcome
from midstream.ubi.subject import Sibling, Subject
from midstream.ubi.tables import ImageTable
from midstream.upstream.lock import UnreadableLock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.graph import Graph
    from midstream.dockerfile.model import Dockerfile, Stage
    from midstream.edit import Edit
    from midstream.history.asked import Asked
    from midstream.history.decisions import Decisions, Question, Watched
    from midstream.history.facts import Moved
    from midstream.history.movement import Change
    from midstream.history.past import Past
    from midstream.ledger import Ledger
    from midstream.overlay.fragments import Folder
    from midstream.overlay.model import Overlay
    from midstream.rebasing.assembly import Assembled
    from midstream.rebasing.shipping import Shipping
    from midstream.ubi.tables import Package, Platform
    from midstream.upstream.origin import Earlier, Origin
    from midstream.upstream.revisions import Revisions

RENDERED = "rendered"


class CannotRebase(MidstreamError):
    """The result has errors, or a question is open: nothing is written."""

    exit_code = Exit.FINDINGS


class Rebased(Struct, frozen=True, dict=True):
    """All that one target's rebase gives. `result` is None where upstream's text can't be read.

    `findings` are everything that was found, errors too; `questions` what a person has to answer;
    `subject` is upstream's text as it was converted; `then` is the text that the last lock was made
    from; `files` are the texts of ours that stand in
    the build context's place, by path; `facts` are the values that upstream moved since the lock;
    `unseen` names the upstream of the lock where not all of it is at hand to compare with;
    `asked` says, by a question's id, what it is about.
    """

    overlay: Overlay
    origin: Origin
    assembled: Assembled
    ledger: Ledger
    plan: BuildPlan
    decisions: Decisions
    findings: tuple[Diagnostic, ...]
    questions: tuple[Question, ...]
    sibling: Sibling
    subject: Subject
    changes: tuple[Change, ...] = ()
    then: Source | None = None
    files: Mapping[str, str] = {}
    facts: tuple[Moved, ...] = ()
    unseen: str = ""
    asked: Mapping[str, Asked] = {}

    @property
    def has_errors(self) -> bool:
        return any(found.is_error for found in self.findings)

    @property
    def is_proved(self) -> bool:
        """Whether it may be written: no error, no open question."""
        return not self.questions and not self.has_errors

    @property
    def wanting(self) -> str:
        """What a person has to see to first: `1 question, 2 errors`; nothing where it is proved."""
        errors = sum(found.is_error for found in self.findings)
        counts = ((len(self.questions), "question"), (errors, "error"))
        return ", ".join(f"{n} {what}{'s' if n > 1 else ''}" for n, what in counts if n)

    @property
    def result(self) -> Source:
        return self.assembled.source


@dataclass
class Rebaser:
    """Rebases targets of one overlay tree, and remembers what several of them share.

    `origin_of` gives upstream's text for a target; `cache` is where proofs are remembered;
    `earlier` gives upstream as it was when a lock was made, where that is at hand; `revisions` what
    upstream's commits made of a file since, if they are at hand; `locks` stand in the place of
    those of the tree, by an overlay's folder, if there are any.
    """

    folder: Folder
    origin_of: Callable[[str], Origin]
    cache: Path
    earlier: Callable[[Decisions], Earlier | None] = lambda _lock: None
    revisions: Callable[[Decisions, Origin, str, bool], Revisions | None] = lambda *_: None
    profile: str = COMMUNITY
    locks: dict[str, Decisions] | None = None
    scripts: Scripts = field(default_factory=Scripts)
    _tables: dict[str, Tables] = field(default_factory=dict)
    _done: dict[str, Rebased] = field(default_factory=dict)
    _under_way: list[str] = field(default_factory=list)

    def rebase(self, target: str) -> Rebased:
        """Rebase a target; once, however often it is asked for.

        Raises `ConfigurationError`, `NoOverlay`, `BadTemplate` and other errors about what was
        written for midstream, and `CannotRebase` where upstream's text can't be read at all.
        """
        if target not in self._done:
            if target in self._under_way:
                circle = " -> ".join([*self._under_way, target])
                raise UsageError(f"targets are made from each other in a circle: {circle}")
            self._under_way.append(target)
            try:
                self._done[target] = _Rebase(self, target).run()
            finally:
                self._under_way.pop()
        return self._done[target]

    def forget(self) -> None:
        """Rebase anew what was rebased: upstream is another one now."""
        self._done.clear()

    def tables(self, platform: str) -> Tables:
        if platform not in self._tables:
            self._tables[platform] = load_tables(self.folder, platform)
        return self._tables[platform]

    def unused_packages(self) -> Mapping[str, tuple[Package, ...]]:
        """By platform, the rows of packages.yaml that nothing rebased so far has needed."""
        return {name: tables.packages.unused() for name, tables in self._tables.items()}

    def known_decisions(self, overlay: Overlay, release: str | None) -> Decisions | None:
        """What was decided about a target; None where there is no lock yet.

        The overlay's own lock, or where a new range has none yet, that of the range before it: what
        upstream changed since then is asked about all the same. Raises `UnreadableLock`.
        """
        own = self._lock(overlay.folder, overlay.target)
        if own is not None or release is None:
            return own
        folders = places(self.folder, overlay.target)
        locks = (self._lock(place, overlay.target) for place in folders)
        return decisions.before(release, (each for each in locks if each is not None))

    def _lock(self, place: str, target: str) -> Decisions | None:
        if self.locks is not None:
            return self.locks.get(place)
        path = f"{place}/{decisions.NAME}"
        data = self.folder.read(path)
        if data is None:
            return None
        known = decisions.read_decisions(Source.from_bytes(path, data))
        if known.target != target:
            raise UnreadableLock(
                f"can't use {path}: it is the lock of `{known.target}`, not of `{target}`",
                help=f"git checkout -- {path}",
            )
        return known


@dataclass
class _Rebase:
    """One target under way."""

    shared: Rebaser
    target: str
    siblings: dict[str, Sibling] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    readings: Readings = field(init=False)

    def run(self) -> Rebased:
        origin = self.shared.origin_of(self.target)
        overlay = load_overlay(self.shared.folder, self.target, origin.counts_as)
        unversioned = _without_version(overlay, origin)
        dockerfile = _readable(origin)
        self.readings = Readings(origin, dockerfile)
        known = self.shared.known_decisions(overlay, origin.counts_as)
        earlier, unseen = self._earlier(known, origin)
        identity = history.identity_question(earlier, origin.dockerfile, origin.blob, known)
        try:
            names = self._names(overlay, origin, dockerfile)
        except FactMissing as error:  # where upstream swapped the file, that is the reason
            error.diagnostics += tuple(question.finding for question in identity)
            raise
        self.files = {
            path: text_of(file, names, origin.find(path)) for path, file in overlay.files.items()
        }
        shipped = self._ship(overlay, origin, dockerfile, names)
        subject, stage = self._subject(overlay, origin, dockerfile, shipped)
        self.readings.graph = subject.graph
        before = self._before(earlier, origin, subject, stage)
        wanted = self._overlay_edits(overlay, origin, subject, stage, names)
        self._same_again(overlay, origin, subject, stage, names, wanted)
        review, edited = self._watched(overlay, origin, subject, stage, known, wanted)
        subject = replace(subject, claimed=wanted.claimed)
        if overlay.template is None:
            subject = needed_stages(overlay, subject, stage, wanted)
        wanted = self._with_files(overlay, origin, subject, wanted)
        edited |= watching.replaced_files(overlay, origin, wanted)
        mechanical = conversions.convert_all(subject)
        assumed = assumptions.convert_all(subject).beside(mechanical)
        outcome = Outcome.merged((mechanical, assumed))
        converted = assembly.yielding(outcome.edits, wanted)
        defaults, lost = assembly.argument_defaults(
            subject, {each.name: (each.value, each.why) for each in shipped.arguments}
        )
        mechanical_edits = [*converted, *assembly.yielding(defaults, wanted)]
        assembled, moved = self._together(overlay, origin, subject, wanted, mechanical_edits)
        if overlay.template is not None:
            self.readings.texts = templating.placeable(subject, assembled)
            assembled = templating.rendered(overlay, origin, self._name(origin), names)
        proofs = self._verify(overlay, origin, subject, stage, assembled, shipped)
        said = [*outcome.diagnostics, *verification.doubts(subject)]
        claims = _claims(wanted, defaults, dockerfile)
        if overlay.template is not None:
            placed = templating.spans_placed(self.readings)
            converted = templating.within(placed, converted)
            claims = _claims(wanted, templating.within(placed, defaults), dockerfile)
            claims += templating.claims(self.readings, overlay)
            said = self._said_of_template(overlay, subject, said, claims, proofs)
            lost = tuple(name for name in shipped.values if name not in proofs.arguments)
        answered_for = [
            *unversioned,
            *history.with_what_became(before, wanted.found, overlay.edits, subject),
            *said, *shipped.found, *half_added(overlay, subject, stage, wanted),
            *disagreements(subject, origin, shipped.values, shipped.upstream),
            *shipping.lost_arguments(overlay, lost),
        ]  # fmt: skip
        found = waived(
            overlay, subject, stage,
            verification.without_echoes(dockerfile, answered_for, proofs.findings), origin.date,
        )  # fmt: skip
        answered_for_stages = subject.live | dropped_stages(dockerfile, wanted)
        ledger = write_ledger(dockerfile, answered_for_stages, claims, [*converted, *moved], found)
        ship = proofs.view.ship if proofs.view else stage
        plan = plan_build(
            overlay, origin, shipped, proofs.graph, assembled.source.name, ship.label,
            ledger.as_bytes(),
        )  # fmt: skip
        lock, questions = self._decided(origin, known, edited, review, assembled)
        questions += identity
        if known is not None:
            versions = partial(self.shared.revisions, known, origin)
            found, questions = blame.with_commits(
                before, overlay, subject, stage, found, questions, versions
            )
        changes = history.changes(before, subject, ledger, questions)
        return Rebased(
            overlay, origin, assembled, ledger, plan, lock, tuple(found), tuple(questions),
            as_sibling(overlay, origin, proofs.view), subject,
            changes,
            before.earlier.dockerfile if before else None,
            dict(self.files),
            facts.moved(
                earlier, before.subject.dockerfile if before else None, changes, subject, stage,
                origin, overlay,
            ),
            unseen,
            with_asked(questions, known, overlay, (before, earlier), (subject, stage, origin)),
        )  # fmt: skip

    def _watched(
        self,
        overlay: Overlay,
        origin: Origin,
        subject: Subject,
        stage: Stage,
        known: Decisions | None,
        wanted: Wanted,
    ) -> tuple[dict[str, Watched], dict[str, Watched]]:
        """What the overlay reviews and what it replaces, with what was decided about it done."""
        review = watching.reviewed(overlay, subject, stage)
        review |= watching.gone(known, review, stage, same_text=_is_text_of(known, origin))
        watching.drop_as_decided(wanted, known, review)
        edited = watching.edited(overlay, subject, stage, wanted)
        names_now = [
            *(edit.id for edit in overlay.edits), *(file.name for file in overlay.files.values()),
            *review, history.IDENTITY, decisions.LOCK,
        ]  # fmt: skip
        wanted.found += decisions.expired(known, names_now)
        wanted.found += decisions.unsealed(known)
        return review, edited

    def _together(
        self,
        overlay: Overlay,
        origin: Origin,
        subject: Subject,
        wanted: Wanted,
        mechanical: list[Edit],
    ) -> tuple[Assembled, list[Edit]]:
        """Upstream's text with every change made, and the changes of stages' numbers among them."""
        dockerfile = subject.dockerfile
        removed = assembly.without_unreachable(dockerfile, subject.live, wanted.claimed)
        changed = wanted.edits
        if overlay.template is not None:
            changed = templating.changes_of_text(wanted, dockerfile)
        edits = [*removed, *changed, *mechanical]
        top = assembly.header(dockerfile, origin.project, overlay.folder)
        insertions = [top, *wanted.insertions]
        name = self._name(origin)
        assembled = together(overlay, name, subject, edits, insertions)
        moved = assembly.renumbered(subject, assembled)
        if moved:
            assembled = together(overlay, name, subject, [*edits, *moved], insertions)
        return assembled, moved

    def _said_of_template(
        self,
        overlay: Overlay,
        subject: Subject,
        said: list[Diagnostic],
        claims: list[Claim],
        proofs: _Proofs,
    ) -> list[Diagnostic]:
        """Findings about what a template places, and about what it leaves without a fate."""
        return [
            *templating.within(templating.spans_placed(self.readings), said),
            *templating.unanswered(self.readings, subject, overlay, claims),
            *templating.torn(self.readings, overlay, proofs.graph.dockerfile),
        ]

    def _earlier(self, known: Decisions | None, origin: Origin) -> tuple[Earlier | None, str]:
        """Upstream as the target's lock knows it, where that is another than now; and its name
        where not all of it is at hand."""
        now = {"release": origin.release, "commit": origin.commit, "blob": origin.blob}
        if known is None or all(known.upstream.get(key) == now[key] for key in now):
            return None, ""
        earlier = self.shared.earlier(known)
        seen = earlier is not None and (earlier.snapshot or origin.snapshot is None)
        return earlier, "" if seen else known.label

    def _before(
        self, earlier: Earlier | None, origin: Origin, subject: Subject, stage: Stage
    ) -> Past | None:
        """The Dockerfile as it was then, where that is another text than now."""
        if earlier is None or earlier.dockerfile.data == origin.dockerfile.data:
            return None
        return history.past(earlier, subject, stage)

    # --- ship ---

    def _names(self, overlay: Overlay, origin: Origin, dockerfile: Dockerfile) -> dict[str, Any]:
        """What templates see."""
        names: dict[str, Any] = {
            "target": self.target,
            "platform": overlay.platform.text,
            "release": origin.release or "unreleased",
            "python": overlay.python,
            "upstream": templating.Upstream(self.readings),
            "facts": read_facts(overlay.facts, dockerfile, origin.file),
            "sibling": self._sibling,
            "set_up": partial(_set_up, self.shared.tables(overlay.platform.text).platform),
        }
        names["labels"] = {key: render(text, names) for key, text in overlay.labels.items()}
        return names

    def _sibling(self, target: str) -> str:
        """The image of another target, which is rebased in memory to know what it brings."""
        rebased = self.shared.rebase(target)
        taken = self.shared.locks is not None  # a replay counts questions, and goes on
        if not (rebased.is_proved or (taken and not rebased.has_errors)):
            what = "has errors" if rebased.has_errors else "has open questions"
            raise CannotRebase(
                f"`{self.target}` is built on `{target}`, which {what}",
                help=f"see them all: midstream rebase --target {target}",
                diagnostics=[found for found in rebased.findings if found.is_error],
            )
        image = image_of(rebased.overlay, rebased.origin)
        self.siblings[image] = rebased.sibling
        return image

    def _ship(
        self, overlay: Overlay, origin: Origin, dockerfile: Dockerfile, names: Mapping[str, Any]
    ) -> Shipping:
        stage = _shipped_stage(overlay, dockerfile)
        arguments = shipping.given_arguments(overlay.ship, names)
        upstream = shipping.upstreams_arguments(origin, dockerfile, stage)
        given = {each.name: each.value for each in arguments}
        platform = next((each.text for each in overlay.ship.platforms), "")
        found = tuple(shipping.compare(overlay, origin, dockerfile, given, upstream))
        return shipping.Shipping(arguments, upstream, found, platform)

    def _subject(
        self, overlay: Overlay, origin: Origin, dockerfile: Dockerfile, shipped: Shipping
    ) -> tuple[Subject, Stage]:
        tables = self.shared.tables(overlay.platform.text)
        inherited = {image: each.environment for image, each in self.siblings.items()}
        graph = build_graph(dockerfile, shipped.seen, inherited)
        stage = _shipped_stage(overlay, dockerfile)
        return Subject(
            dockerfile=dockerfile,
            graph=graph,
            platform=tables.platform,
            packages=tables.packages,
            images=ImageTable((*overlay.images, *tables.images.rules), tables.images.pins),
            live=graph.closure(stage.index),
            python=overlay.python,
            repositories=tuple(str(each) for each in overlay.repositories),
            siblings=self.siblings,
            context=self._context(origin),
            scripts=self.shared.scripts,
        ), stage

    def _context(self, origin: Origin) -> Mapping[str, Source]:
        """The scripts of the build context, with ours in the place of upstream's."""
        ours = {path: Source(path, text) for path, text in self.files.items()}
        return ChainMap(ours, origin.scripts())  # type: ignore[arg-type] # nobody writes to it

    # --- edit ---

    def _overlay_edits(
        self, overlay: Overlay, origin: Origin, subject: Subject, stage: Stage, names: Any
    ) -> Wanted:
        return carry_out(
            subject, stage, overlay.edits, names, release=origin.counts_as, date=origin.date
        )

    def _with_files(
        self, overlay: Overlay, origin: Origin, subject: Subject, wanted: Wanted
    ) -> Wanted:
        """The overlay's edits, and those that make the result take its files."""
        missing = {
            path for path in overlay.files if origin.snapshot is not None and not origin.find(path)
        }
        ours = "".join(
            [*(edit.text for edit in wanted.edits), *(each.text for each in wanted.insertions)]
        )
        placed = place_files(subject, overlay, self.files, ours, frozenset(missing))
        return Wanted(
            [*wanted.edits, *placed.edits],
            [*placed.insertions, *wanted.insertions],
            [*wanted.touches, *placed.touches],
            [*wanted.found, *placed.found],
        )

    # --- verify ---

    def _verify(
        self,
        overlay: Overlay,
        origin: Origin,
        subject: Subject,
        stage: Stage,
        assembled: Assembled,
        shipped: Shipping,
    ) -> _Proofs:
        result = parse(assembled.source)
        inherited = subject.graph.scope.inherited
        graph = build_graph(result, shipped.seen, inherited, frozenset((CONTEXT,)))
        found = list(result.diagnostics)
        if overlay.template is not None:
            ship = templating.shipped(result, stage.label)
        else:
            new = assembly.stages_kept(assembled, subject.dockerfile, result)
            ship = result.stages[new[stage.index]] if stage.index in new else None
        if ship is None:
            place = overlay.ship.stage.place
            return _Proofs([*found, no_stage(subject, overlay.ship.stage.text, place)], graph, None)
        proved = replace(
            subject, dockerfile=result, graph=graph, live=graph.closure(ship.index), claimed=(),
            footings={}, _scripts={},
        )  # fmt: skip
        declared = frozenset(
            name
            for each in subject.dockerfile.instructions
            for name in subject.graph.scope.declared(each)
        )
        view = View(proved, ship, self.shared.profile, declared)
        found += verification.settled(proved)
        found += verification.examined(view)
        found += verification.stages_are_there(proved, subject)
        asked = [*verification.changed_runs(result, assembled), *verification.unclear_runs(proved)]
        found += verification.shell_holds(result, dict.fromkeys(asked), self.shared.cache)
        return _Proofs(
            list(verification.at_source(found, assembled, origin.dockerfile, origin.label)),
            graph,
            view,
        )

    def _same_again(
        self,
        overlay: Overlay,
        origin: Origin,
        subject: Subject,
        stage: Stage,
        names: Mapping[str, Any],
        wanted: Wanted,
    ) -> None:
        """Fill in every template once more: the same inputs have to give the same bytes."""
        again = self._overlay_edits(overlay, origin, subject, stage, names)
        if (again.edits, again.insertions) != (wanted.edits, wanted.insertions):
            raise AssertionError("a template gave two texts for the same values")

    # --- what is kept for the next time ---

    def _decided(
        self,
        origin: Origin,
        known: Decisions | None,
        edits: Mapping[str, Watched],
        review: Mapping[str, Watched],
        assembled: Assembled,
    ) -> tuple[Decisions, list[Question]]:
        asked = decisions.open_questions(
            known,
            edits,
            review,
            origin.dockerfile,
            same_text=_is_text_of(known, origin),
        )
        lock = decisions.Decisions(
            target=self.target,
            upstream={
                "project": origin.project,
                "release": origin.release,
                **_version(origin),
                "commit": origin.commit,
                "path": origin.dockerfile.name,
                "blob": origin.blob,
            },
            result=hashlib.sha256(assembled.source.data).hexdigest(),
            edits={name: each.fingerprint for name, each in edits.items()},
            review={name: each.fingerprint for name, each in review.items()},
            answers=known.answers if known else {},
        )
        return lock, [*decisions.hand_edited(known, edits), *asked]

    def _name(self, origin: Origin) -> str:
        return f"{RENDERED}/{origin.project}/Dockerfile.{self.target}.ubi"


def _is_text_of(known: Decisions | None, origin: Origin) -> bool:
    """Whether a lock was made from this very text."""
    return known is not None and known.upstream.get("blob") == origin.blob


def _set_up(platform: Platform, name: str, manager: str = "dnf") -> str:
    """The command that enables a repository, for a fragment that installs from it."""
    repository = platform.repositories.get(name)
    if repository is None or not repository.set_up.get(manager):
        known = ", ".join(r.name for r in platform.repositories.values() if r.set_up.get(manager))
        raise UsageError(
            f"`{name}` can't be set up with {manager} on {platform.name}", help=f"known: {known}"
        )
    return repository.set_up[manager]


@dataclass
class _Proofs:
    findings: list[Diagnostic]
    graph: Graph
    view: View | None

    @property
    def arguments(self) -> frozenset[str]:
        """The names that the result's ARGs declare."""
        return templating.argument_names(self.graph.dockerfile)


def _version(origin: Origin) -> dict[str, str | None]:
    """What a commit counts as, for a lock; a release says it itself."""
    return {} if origin.release or not origin.counts_as else {"version": origin.counts_as}


def _without_version(overlay: Overlay, origin: Origin) -> list[Diagnostic]:
    if origin.counts_as is not None:
        return []
    is_commit = origin.snapshot is not None
    return without_version(overlay, origin.label, origin.project, is_commit=is_commit)


def _readable(origin: Origin) -> Dockerfile:
    dockerfile = parse(origin.dockerfile)
    broken = [found for found in dockerfile.diagnostics if found.is_error]
    if broken:
        raise CannotRebase(
            f"can't read {origin.dockerfile.name} of {origin.label}",
            diagnostics=dockerfile.diagnostics,
        )
    return dockerfile


def _shipped_stage(overlay: Overlay, dockerfile: Dockerfile) -> Stage:
    stage = ship_stage(dockerfile.stages, overlay.ship.stage.text)
    if stage is None:
        labels = ", ".join(each.label for each in dockerfile.stages[-8:])
        raise UsageError(
            f"{dockerfile.source.name} has no stage `{overlay.ship.stage.text}` to ship",
            help=f"name one under `ship: stage:` of {overlay.source.name}; the last are {labels}",
        )
    return stage


_FATES = {
    Effect.EDITED: Fate.EDITED,
    Effect.REPLACED: Fate.REPLACED,
    Effect.DROPPED: Fate.DROPPED,
}


def _claims(wanted: Wanted, defaults: list[Edit], dockerfile: Dockerfile) -> list[Claim]:
    made = [Claim(t.instruction, _FATES[t.effect], t.id, t.why) for t in wanted.touches]
    given = [
        Claim(instruction, Fate.EDITED, edit.rule, edit.why)
        for edit in defaults
        for instruction in dockerfile.instructions
        if edit.span in instruction.span
    ]
    return made + given
