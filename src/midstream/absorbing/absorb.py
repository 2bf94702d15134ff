"""A hand-edited result in, edits of the overlay out: proved by rebasing with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from midstream.absorbing.hunks import comments_only_in, hunks, texts_of
from midstream.absorbing.proposing import Proposer
from midstream.absorbing.writing import with_edits
from midstream.adapters.blobs import digest_of
from midstream.diagnostic import counted
from midstream.dockerfile.scan import parse
from midstream.errors import MidstreamError, Refused, UsageError
from midstream.rebasing.building import outputs
from midstream.rebasing.results import last_written
from midstream.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from midstream.absorbing.hunks import Hunk
    from midstream.absorbing.proposing import Proposal
    from midstream.diagnostic import Diagnostic
    from midstream.dockerfile.model import Dockerfile
    from midstream.overlay.fragments import Folder
    from midstream.rebasing.flow import Rebased


class Changed(Struct, frozen=True):
    """A tree with some files as they would be."""

    folder: Folder
    files: Mapping[str, bytes]

    def read(self, path: str) -> bytes | None:
        return self.files[path] if path in self.files else self.folder.read(path)

    def names(self, folder: str) -> tuple[str, ...]:
        return self.folder.names(folder)


class Absorbed(Struct, frozen=True):
    """`files` are those of the overlay that change, by path; `edits` what was added to its YAML.

    `stays` are upstream's comment lines that the edited file doesn't have, and the result still
    does: no edit takes a comment out.
    """

    rebased: Rebased
    files: Mapping[str, bytes]
    edits: tuple[Mapping[str, Any], ...]
    stays: tuple[str, ...]


class NotAbsorbed(Refused):
    """Some of what somebody edited can't become edits of the overlay. Nothing is written."""


@dataclass
class Absorbing:
    """One target's result, taken back. `rebase` rebases the target of a tree; `read` gives the
    results that stand there, by their paths."""

    folder: Folder
    target: str
    why: str
    rebase: Callable[[Folder], Rebased]
    read: Callable[[str], bytes | None]
    rebased: Rebased = field(init=False)
    edits: list[dict[str, Any]] = field(default_factory=list)

    def absorb(self) -> Absorbed | None:
        """None where nothing was edited. Raises `NotAbsorbed`, and `UsageError` as a rebase."""
        self.rebased = self.rebase(self.folder)
        there = self.read(self.rebased.result.name)
        if there is None:
            raise UsageError(
                f"there is no {self.rebased.result.name}",
                help=f"run: midstream rebase --target {self.target}",
            )
        files = self._files()
        edited = parse(Source.from_bytes(self.rebased.result.name, there))
        broken = [each for each in edited.diagnostics if each.is_error]
        if broken:
            raise NotAbsorbed("what was edited can't be read", diagnostics=broken)
        is_edited = there != self.rebased.result.data
        if not (is_edited or files):
            return None
        if is_edited:
            self._refuse_other_inputs()
            self._take(edited)
        return self._proved(edited, files)

    def _files(self) -> dict[str, bytes]:
        """Our own files that were edited, as the overlay would have them."""
        found: dict[str, bytes] = {}
        rebased = self.rebased
        _, *ours = outputs(rebased.result, self.target, rebased.files).items()
        for (path, fresh), name in zip(ours, rebased.files, strict=True):
            there = self.read(path)
            if there is None or there == fresh:
                continue
            text = rebased.overlay.files[name].text
            if text is None or text.inline or text.source.name.endswith(".j2"):
                place = rebased.overlay.files[name].place.at
                raise NotAbsorbed(
                    f"{path} isn't a file of the overlay's as it is, but made from one",
                    help=f"make the change at {place}, take {path} away, and rebase",
                )
            found[text.source.name] = there
        return found

    def _refuse_other_inputs(self) -> None:
        """What upstream or the overlay changed since would be taken for the person's edit."""
        name = self.rebased.result.name
        if last_written(self.rebased, self.read).get(name) != digest_of(self.rebased.result.data):
            raise NotAbsorbed(
                f"the overlay or upstream has moved since {name} was written, so what was edited "
                "by hand can't be told from that",
                help="put overlays/ and upstream/ back as they were then, absorb, and move on",
            )

    def _take(self, edited: Dockerfile) -> None:
        """Find edits for each difference."""
        if self.rebased.overlay.template is not None:
            name = self.rebased.overlay.template.source.name
            raise NotAbsorbed(
                "the result is made by a template",
                help=f"make the change in {name}, take the result away, and rebase",
            )
        result = parse(self.rebased.result)
        proposer = Proposer(self.rebased, result, edited)
        lost: list[Diagnostic] = []
        for hunk in hunks(result, edited):
            given = proposer.argument(hunk)
            chosen = None if given else self._choose(hunk, proposer, result, edited)
            if chosen is None:
                lost.append(given or proposer.lost(hunk))
            else:
                self.edits += self._named(chosen)
        if lost:
            raise NotAbsorbed(
                f"{counted(len(lost), 'change')} can't become an edit", diagnostics=lost
            )

    def _choose(
        self, hunk: Hunk, proposer: Proposer, result: Dockerfile, edited: Dockerfile
    ) -> Proposal | None:
        """The first proposal that gives the change, and nothing else."""
        wanted = texts_of(result)
        new = [edited.text(each.span).rstrip("\r\n") for each in hunk.new]
        wanted[hunk.at : hunk.at + len(hunk.old)] = new
        for proposal in proposer.proposals(hunk):
            try:
                source = with_edits(self.rebased.overlay.source, self._named(proposal))
                again = parse(self.rebase(self._changed(source)).result)
            except MidstreamError:
                continue
            if texts_of(again) == wanted:
                return proposal
        return None

    def _named(self, proposal: Proposal) -> list[dict[str, Any]]:
        """The edits with names that nobody has yet, and with the reason."""
        taken = {each.id for each in self.rebased.overlay.edits} | {e["id"] for e in self.edits}
        names = (f"absorbed-{n}" for n in range(1, len(taken) + len(proposal) + 1))
        free = (name for name in names if name not in taken)
        return [{"id": next(free), **each, "why": self.why} for each in proposal]

    def _changed(self, source: Source, files: Mapping[str, bytes] | None = None) -> Changed:
        return Changed(self.folder, {source.name: source.data, **(files or {})})

    def _proved(self, edited: Dockerfile, files: dict[str, bytes]) -> Absorbed:
        """Rebase with all of it, and compare."""
        source = self.rebased.overlay.source
        if self.edits:
            source = with_edits(source, self.edits)
            files[source.name] = source.data
        again = self.rebase(self._changed(source, files))
        if not again.is_proved:
            raise NotAbsorbed(
                f"what was edited doesn't hold: {again.wanting}",
                diagnostics=[*(f for f in again.findings if f.is_error),
                             *(q.finding for q in again.questions)],
            )  # fmt: skip
        made = parse(again.result)
        lost = comments_only_in(edited, made)
        if lost or texts_of(made) != texts_of(edited):
            what = f"the comment `{lost[0]}` would be lost" if lost else "it gives another text"
            raise NotAbsorbed(
                f"the edits that were found don't give what was edited: {what}",
                help="write the edits yourself, put the result back, and rebase",
            )
        return Absorbed(again, files, tuple(self.edits), tuple(comments_only_in(made, edited)))
