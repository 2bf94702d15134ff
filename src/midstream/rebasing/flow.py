"""The flow: upstream's text and an overlay in, a proved result with its ledger and plan out."""

from __future__ import annotations

import hashlib
from collections import ChainMap
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from midstream.assumptions import shelf as assumptions
from midstream.checks.view import COMMUNITY, View
from midstream.conversions import shelf as conversions
from midstream.diagnostic import counted
from midstream.dockerfile.graph import build_graph
from midstream.dockerfile.remembered import Dockerfiles
from midstream.dockerfile.scripts import Scripts
from midstream.errors import Exit, MidstreamError, UsageError
from midstream.history import blame, decisions, facts, watching
from midstream.history import past as history
from midstream.history.asked import with_asked
from midstream.ledger import Claim, Fate, write_ledger
from midstream.overlay.facts import FactMissing, read_facts
from midstream.overlay.load import Overlays, without_version
from midstream.overlay.model import Effect
from midstream.overlay.select import no_stage, ship_stage
from midstream.overlay.tables import Tables, load_tables
from midstream.overlay.template import render
from midstream.overlay.verbs import Wanted, carry_out
from midstream.rebasing import assembly, shipping, templating, verification
from midstream.rebasing.agreement import disagreements
from midstream.rebasing.building import BuildPlan, outputs, plan_build
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
        return ", ".join(counted(n, what) for n, what in counts if n)

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
    dockerfiles: Dockerfiles = field(default_factory=Dockerfiles)
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

    @cached_property
    def overlays(self) -> Overlays:
        """The overlays of the tree, as they are when the first one is asked for."""
        return Overlays(self.folder)

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
        places = self.overlays.places(overlay.target)
        locks = (self._lock(place, overlay.target) for place in places)
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
    """One target under way: each step leaves what the next ones need."""

    shared: Rebaser
    target: str
    # read
    origin: Origin = field(init=False)
    overlay: Overlay = field(init=False)
    dockerfile: Dockerfile = field(init=False)
    known: Decisions | None = field(init=False)
    earlier: Earlier | None = field(init=False)
    unseen: str = field(init=False)
    identity: list[Question] = field(init=False)
    unversioned: list[Diagnostic] = field(init=False)
    # name
    readings: Readings = field(init=False)
    names: dict[str, Any] = field(init=False)
    siblings: dict[str, Sibling] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    # ship
    shipped: Shipping = field(init=False)
    subject: Subject = field(init=False)
    stage: Stage = field(init=False)
    before: Past | None = field(init=False)
    # edit
    wanted: Wanted = field(init=False)
    review: dict[str, Watched] = field(init=False)
    edited: dict[str, Watched] = field(init=False)
    # convert
    outcome: Outcome = field(init=False)
    converted: list[Edit] = field(init=False)
    defaults: list[Edit] = field(init=False)
    lost: tuple[str, ...] = field(init=False)
    # assemble
    assembled: Assembled = field(init=False)
    result: Dockerfile = field(init=False)
    moved: list[Edit] = field(init=False)
    # verify
    proofs: _Proofs = field(init=False)

    def run(self) -> Rebased:
        self._read()
        self._name()
        self._ship()
        self._edit()
        self._convert()
        self._assemble()
        self._verify()
        return self._rebased()

    # --- read: upstream's text, the overlay that is for it, and what was decided before ---

    def _read(self) -> None:
        origin = self.origin = self.shared.origin_of(self.target)
        self.overlay = self.shared.overlays.of(self.target, origin.counts_as)
        self.unversioned = _without_version(self.overlay, origin)
        self.dockerfile = self._readable()
        origin = self.origin = replace(origin, dockerfile=self.dockerfile.source)
        self.known = self.shared.known_decisions(self.overlay, origin.counts_as)
        self.earlier, self.unseen = self._earlier()
        self.identity = history.identity_question(
            self.earlier, origin.dockerfile, origin.blob, self.known
        )

    def _readable(self) -> Dockerfile:
        origin = self.origin
        dockerfile = self.shared.dockerfiles.of(origin.dockerfile)
        if any(found.is_error for found in dockerfile.diagnostics):
            raise CannotRebase(
                f"can't read {origin.dockerfile.name} of {origin.label}",
                diagnostics=dockerfile.diagnostics,
            )
        return dockerfile

    def _earlier(self) -> tuple[Earlier | None, str]:
        """Upstream as the target's lock knows it, where that is another than now; and its name
        where not all of it is at hand."""
        known, origin = self.known, self.origin
        now = {"release": origin.release, "commit": origin.commit, "blob": origin.blob}
        if known is None or all(known.upstream.get(key) == now[key] for key in now):
            return None, ""
        earlier = self.shared.earlier(known)
        seen = earlier is not None and (earlier.snapshot or origin.snapshot is None)
        return earlier, "" if seen else known.label

    # --- name: what templates see, and our files that take the place of upstream's ---

    def _name(self) -> None:
        self.readings = Readings(self.origin, self.dockerfile)
        try:
            self.names = self._values()
        except FactMissing as error:  # where upstream swapped the file, that is the reason
            error.diagnostics += tuple(question.finding for question in self.identity)
            raise
        self.files = {
            path: text_of(file, self.names, self.origin.find(path))
            for path, file in self.overlay.files.items()
        }

    def _values(self) -> dict[str, Any]:
        overlay = self.overlay
        names: dict[str, Any] = {
            "target": self.target,
            "platform": overlay.platform.text,
            "release": self.origin.release or "unreleased",
            "python": overlay.python,
            "upstream": templating.Upstream(self.readings),
            "facts": read_facts(overlay.facts, self.dockerfile, self.origin.file),
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

    # --- ship: the shipped stage, its build arguments, and the stages that it needs ---

    def _ship(self) -> None:
        overlay, dockerfile = self.overlay, self.dockerfile
        self.stage = _shipped_stage(overlay, dockerfile)
        arguments = shipping.given_arguments(overlay.ship, self.names)
        upstream = shipping.upstreams_arguments(self.origin, dockerfile, self.stage)
        given = {each.name: each.value for each in arguments}
        platform = next((each.text for each in overlay.ship.platforms), "")
        found = tuple(shipping.compare(overlay, self.origin, dockerfile, given, upstream))
        self.shipped = shipping.Shipping(arguments, upstream, found, platform)
        self.subject = self._as_subject()
        self.readings.graph = self.subject.graph
        self.before = self._before()

    def _as_subject(self) -> Subject:
        overlay = self.overlay
        tables = self.shared.tables(overlay.platform.text)
        inherited = {image: each.environment for image, each in self.siblings.items()}
        graph = build_graph(self.dockerfile, self.shipped.seen, inherited)
        return Subject(
            dockerfile=self.dockerfile,
            graph=graph,
            platform=tables.platform,
            packages=tables.packages,
            images=ImageTable((*overlay.images, *tables.images.rules), tables.images.pins),
            live=graph.closure(self.stage.index),
            python=overlay.python,
            repositories=tuple(str(each) for each in overlay.repositories),
            siblings=self.siblings,
            context=self._context(),
            scripts=self.shared.scripts,
        )

    def _context(self) -> Mapping[str, Source]:
        """The scripts of the build context, with ours in the place of upstream's."""
        ours = {path: Source(path, text) for path, text in self.files.items()}
        return ChainMap(ours, self.origin.scripts())  # type: ignore[arg-type] # nobody writes to it

    def _before(self) -> Past | None:
        """The Dockerfile as it was then, where that is another text than now."""
        earlier = self.earlier
        if earlier is None or earlier.dockerfile.text == self.origin.dockerfile.text:
            return None
        old = self.shared.dockerfiles.of(earlier.dockerfile)
        earlier = replace(earlier, dockerfile=old.source)
        return history.past(earlier, old, self.subject, self.stage)

    # --- edit: the overlay's word ---

    def _edit(self) -> None:
        self.wanted = self._overlay_edits()
        self._same_again()
        self._watch()
        self.subject = replace(self.subject, claimed=self.wanted.claimed)
        if self.overlay.template is None:
            self.subject = needed_stages(self.overlay, self.subject, self.stage, self.wanted)
        self.wanted = self._with_files()
        self.edited |= watching.replaced_files(self.overlay, self.origin, self.wanted)

    def _overlay_edits(self) -> Wanted:
        return carry_out(
            self.subject, self.stage, self.overlay.edits, self.names,
            release=self.origin.counts_as, date=self.origin.date,
        )  # fmt: skip

    def _same_again(self) -> None:
        """Fill in every template once more: the same inputs have to give the same bytes."""
        for fragment, text in self.wanted.filled:
            if render(fragment, self.names) != text:
                raise AssertionError("a template gave two texts for the same values")

    def _watch(self) -> None:
        """What the overlay reviews and what it replaces, with what was decided about it done."""
        overlay, subject, stage, known = self.overlay, self.subject, self.stage, self.known
        review = watching.reviewed(overlay, subject, stage)
        review |= watching.gone(known, review, stage, same_text=_is_text_of(known, self.origin))
        watching.drop_as_decided(self.wanted, known, review)
        self.review = review
        self.edited = watching.edited(overlay, subject, stage, self.wanted)
        names_now = [
            *(edit.id for edit in overlay.edits), *(file.name for file in overlay.files.values()),
            *review, history.IDENTITY, decisions.LOCK,
        ]  # fmt: skip
        self.wanted.found += decisions.expired(known, names_now)
        self.wanted.found += decisions.unsealed(known)

    def _with_files(self) -> Wanted:
        """The overlay's edits, and those that make the result take its files."""
        origin, wanted, files = self.origin, self.wanted, self.overlay.files
        missing = {path for path in files if origin.snapshot is not None and not origin.find(path)}
        ours = "".join(
            [*(edit.text for edit in wanted.edits), *(each.text for each in wanted.insertions)]
        )
        placed = place_files(self.subject, self.overlay, self.files, ours, frozenset(missing))
        return Wanted(
            [*wanted.edits, *placed.edits],
            [*placed.insertions, *wanted.insertions],
            [*wanted.touches, *placed.touches],
            [*wanted.found, *placed.found],
        )

    # --- convert: what is mechanical on the platform, where the overlay says nothing else ---

    def _convert(self) -> None:
        mechanical = conversions.convert_all(self.subject)
        assumed = assumptions.convert_all(self.subject).beside(mechanical)
        self.outcome = Outcome.merged((mechanical, assumed))
        self.converted = list(assembly.yielding(self.outcome.edits, self.wanted))
        self.defaults, self.lost = assembly.argument_defaults(
            self.subject,
            {each.name: (each.value, each.why) for each in self.shipped.arguments},
        )

    # --- assemble: every change made at once ---

    def _assemble(self) -> None:
        overlay, subject, wanted = self.overlay, self.subject, self.wanted
        removed = assembly.without_unreachable(self.dockerfile, subject.live, wanted.claimed)
        changed = wanted.edits
        if overlay.template is not None:
            changed = templating.changes_of_text(wanted, self.dockerfile)
        edits = [
            *removed, *changed, *self.converted, *assembly.yielding(self.defaults, wanted),
        ]  # fmt: skip
        top = assembly.header(self.dockerfile, self.origin.project, overlay.folder)
        insertions = [top, *wanted.insertions]
        self.assembled = together(overlay, self._path(), subject, edits, insertions)
        self.moved = assembly.renumbered(subject, self.assembled)
        if self.moved:
            edits += self.moved
            self.assembled = together(overlay, self._path(), subject, edits, insertions)
        if overlay.template is not None:
            self.readings.texts = templating.placeable(subject, self.assembled)
            self.assembled = templating.rendered(overlay, self.origin, self._path(), self.names)
        self.result = self.shared.dockerfiles.of(self.assembled.source)
        self.assembled = replace(self.assembled, source=self.result.source)

    def _path(self) -> str:
        return f"{RENDERED}/{self.origin.project}/Dockerfile.{self.target}.ubi"

    # --- verify: the proofs ---

    def _verify(self) -> None:
        result = self.result
        inherited = self.subject.graph.scope.inherited
        graph = build_graph(result, self.shipped.seen, inherited, frozenset((CONTEXT,)))
        ship = self._shipped_in_result()
        if ship is None:
            said = self.overlay.ship.stage
            lost = no_stage(self.subject, said.text, said.place)
            self.proofs = _Proofs([*result.diagnostics, lost], graph, None)
            return
        view = self._view(graph, ship)
        asked = [
            *verification.changed_runs(result, self.assembled),
            *verification.unclear_runs(view.subject),
        ]
        found = [
            *result.diagnostics,
            *verification.settled(view.subject),
            *verification.examined(view),
            *verification.stages_are_there(view.subject, self.subject),
            *verification.shell_holds(result, dict.fromkeys(asked), self.shared.cache),
        ]
        shown = verification.at_source(
            found, self.assembled, self.origin.dockerfile, self.origin.label
        )
        self.proofs = _Proofs(list(shown), graph, view)

    def _shipped_in_result(self) -> Stage | None:
        result = self.result
        if self.overlay.template is not None:
            return templating.shipped(result, self.stage.label)
        new = assembly.stages_kept(self.assembled, self.dockerfile, result)
        return result.stages[new[self.stage.index]] if self.stage.index in new else None

    def _view(self, graph: Graph, ship: Stage) -> View:
        proved = replace(
            self.subject, dockerfile=self.result, graph=graph, live=graph.closure(ship.index),
            claimed=(), footings={},
        )  # fmt: skip
        scope = self.subject.graph.scope
        declared = (scope.declared(each) for each in self.dockerfile.instructions)
        return View(proved, ship, self.shared.profile, frozenset().union(*declared))

    # --- the ledger, the questions, and what is kept for the next time ---

    def _rebased(self) -> Rebased:
        overlay, origin, subject, stage = self.overlay, self.origin, self.subject, self.stage
        claims, converted, found = self._answered_for()
        live = subject.live | dropped_stages(self.dockerfile, self.wanted)
        ledger = write_ledger(self.dockerfile, live, claims, [*converted, *self.moved], found)
        ship = self.proofs.view.ship if self.proofs.view else stage
        plan = plan_build(
            overlay, origin, self.shipped, self.proofs.graph, self.assembled.source.name,
            ship.label, ledger.as_bytes(),
            outputs(self.assembled.source, self.target, self.files),
        )  # fmt: skip
        lock, questions = self._decided()
        if self.known is not None:
            versions = partial(self.shared.revisions, self.known, origin)
            found, questions = blame.with_commits(
                self.before, overlay, subject, stage, found, questions, versions
            )
        changes = history.changes(self.before, subject, ledger, questions)
        then = self.before.subject if self.before else None
        return Rebased(
            overlay, origin, self.assembled, ledger, plan, lock, tuple(found), tuple(questions),
            as_sibling(overlay, origin, self.proofs.view), subject, changes,
            self.before.earlier.dockerfile if self.before else None,
            dict(self.files),
            facts.moved(
                self.earlier, then, changes, subject, stage, origin, overlay, self.requirements
            ),
            self.unseen,
            with_asked(
                questions, self.known, overlay, (self.before, self.earlier),
                (subject, stage, origin),
            ),
        )  # fmt: skip

    @cached_property
    def requirements(self) -> Mapping[str, Source]:
        """The requirements files that the stages which are built read."""
        now = self.origin.snapshot
        return facts.requirements_read(self.subject, now) if now is not None else {}

    def _answered_for(self) -> tuple[list[Claim], list[Edit], list[Diagnostic]]:
        """Who did what to which instruction, by hand and by rule; and everything that was found."""
        overlay, subject, wanted = self.overlay, self.subject, self.wanted
        claims, converted, lost = (
            _claims(wanted, self.defaults, self.dockerfile), self.converted, self.lost,
        )  # fmt: skip
        said = [*self.outcome.diagnostics, *verification.doubts(subject)]
        if overlay.template is not None:
            placed = templating.spans_placed(self.readings)
            converted = templating.within(placed, converted)
            defaults = templating.within(placed, self.defaults)
            claims = _claims(wanted, defaults, self.dockerfile)
            claims += templating.claims(self.readings, overlay)
            said = self._said_of_template(said, claims)
            lost = tuple(n for n in self.shipped.values if n not in self.proofs.arguments)
        answered_for = [
            *self.unversioned,
            *history.with_what_became(self.before, wanted.found, overlay.edits, subject),
            *said, *self.shipped.found, *half_added(overlay, subject, self.stage, wanted),
            *disagreements(
                subject, self.origin, self.shipped.values, self.shipped.upstream,
                self.requirements,
            ),
            *shipping.lost_arguments(overlay, lost),
        ]  # fmt: skip
        found = waived(
            overlay, subject, self.stage,
            verification.without_echoes(self.dockerfile, answered_for, self.proofs.findings),
            self.origin.date,
        )  # fmt: skip
        return claims, converted, list(found)

    def _said_of_template(self, said: list[Diagnostic], claims: list[Claim]) -> list[Diagnostic]:
        """Findings about what a template places, and about what it leaves without a fate."""
        return [
            *templating.within(templating.spans_placed(self.readings), said),
            *templating.unanswered(self.readings, self.subject, self.overlay, claims),
            *templating.torn(self.readings, self.overlay, self.proofs.graph.dockerfile),
        ]

    def _decided(self) -> tuple[Decisions, list[Question]]:
        origin, known = self.origin, self.known
        asked = decisions.open_questions(
            known, self.edited, self.review, origin.dockerfile,
            same_text=_is_text_of(known, origin),
        )  # fmt: skip
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
            result=hashlib.sha256(self.assembled.source.data).hexdigest(),
            edits={name: each.fingerprint for name, each in self.edited.items()},
            review={name: each.fingerprint for name, each in self.review.items()},
            answers=known.answers if known else {},
        )
        return lock, [*decisions.hand_edited(known, self.edited), *asked, *self.identity]


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
