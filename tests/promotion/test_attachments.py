"""What belongs to an image comes along byte for byte, and none of it is lost."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from midstream.adapters.endpoint import Endpoint
from midstream.adapters.http import ConnectionLost
from midstream.adapters.registry import DOCKER_LIST, Registry
from midstream.adapters.registry_errors import NotFound
from midstream.errors import Exit, IntegrityError
from midstream.promotion import attachments
from midstream.promotion.attachments import (
    AttachmentConflict,
    AttachmentsLost,
    Side,
    TooManyAttachments,
    attach,
    copy,
    find,
    must_be_there,
    verify,
)
from registries import faults, images
from registries.faults import Fault
from registries.look import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registries.debian import DebianRegistry
    from registries.double import Double
    from registries.exchange import Answer, Request, Response


@pytest.fixture
def staging(double: Double) -> Iterator[Side]:
    with Registry(Endpoint("staging.example", double.address, plain=True)) as registry:
        yield Side(registry, "a/src")


@pytest.fixture
def production(other_double: Double) -> Iterator[Side]:
    with Registry(Endpoint("quay.io", other_double.address, plain=True)) as registry:
        yield Side(registry, "b/dst")


@pytest.fixture
def debian_side(debian: DebianRegistry, repository: str) -> Iterator[Side]:
    with Registry(Endpoint("quay.io", debian.address, plain=True)) as registry:
        yield Side(registry, repository)


def sign(double: Double, subject: str, *suffixes: str, repository: str = "a/src") -> dict[str, str]:
    """Put cosign's manifests beside an image. Returns tag -> digest."""
    made = {}
    for number, suffix in enumerate(suffixes):
        artifact, tag = images.cosign(subject, suffix, seed=number)
        made[tag] = double.load(repository, artifact, tag)
    return made


def test_an_image_without_attachments_has_none(double: Double, staging: Side) -> None:
    image = images.multi_arch()
    double.load("a/src", image, "v1")
    assert find(staging, image.digest) == ()
    with pytest.raises(NotFound):
        find(staging, "sha256:" + "0" * 64)


def test_cosigns_tags_of_the_index_and_of_each_platform_are_copied_byte_for_byte(
    double: Double, other_double: Double, staging: Side, production: Side
) -> None:
    image = images.multi_arch()
    double.load("a/src", image, "v1")
    other_double.load("b/dst", image, "v1")
    signed = sign(double, image.digest, "sig", "att", "sbom")
    signed |= sign(double, image.children[1].digest, "sig")
    found = find(staging, image.digest)
    assert {each.tag: each.digest for each in found} == signed
    assert {each.name for each in found} == {"sig", "att", "sbom"}
    assert copy(found, staging, production) == found
    there = Site(other_double.address)
    assert {tag: there.digest("b/dst", tag) for tag in signed} == signed
    assert all(there.is_whole("b/dst", tag) for tag in signed)
    assert verify(found, production) == ()


def test_a_second_copy_writes_nothing(
    double: Double, other_double: Double, staging: Side, production: Side
) -> None:
    image = images.image()
    double.load("a/src", image, "v1")
    sign(double, image.digest, "sig")
    double.load("a/src", images.referrer(image))
    found = find(staging, image.digest)
    assert len(copy(found, staging, production)) == 2
    before = len(other_double.writes)
    assert copy(found, staging, production) == ()
    assert len(other_double.writes) == before


@pytest.mark.parametrize("here", [True, False], ids=["source lists", "source has the tag"])
@pytest.mark.parametrize("there", [True, False], ids=["target lists", "target has the tag"])
def test_referrers_of_referrers_are_found_and_copied_between_all_kinds_of_registries(
    double: Double,
    other_double: Double,
    staging: Side,
    production: Side,
    here: bool,
    there: bool,
) -> None:
    image = images.multi_arch()
    sbom = images.referrer(image, "application/spdx+json")
    child = images.referrer(image.children[0], "application/spdx+json", seed=1)
    signature = images.referrer(sbom, "application/vnd.example.signature", seed=2)
    double.has_referrers, other_double.has_referrers = here, there
    double.load("a/src", image, "v1")
    other_double.load("b/dst", image, "v1")
    for subject, each in ((image, sbom), (image.children[0], child), (sbom, signature)):
        double.load("a/src", each)
        if not here:
            tag = attachments.fallback_tag(subject.digest)
            double.load("a/src", images.fallback_index([each]), tag)
    found = find(staging, image.digest)
    assert {each.digest for each in found} == {sbom.digest, child.digest, signature.digest}
    assert [each.digest for each in found].index(sbom.digest) < [
        each.digest for each in found
    ].index(signature.digest)
    copy(found, staging, production)
    assert verify(found, production) == ()
    site = Site(other_double.address)
    for each in (sbom, child, signature):
        assert site.manifest("b/dst", each.digest) == each.data
        assert site.is_whole("b/dst", each.digest)
    assert {each.digest for each in find(production, image.digest)} == {
        each.digest for each in found
    }


@pytest.mark.registry
def test_the_real_registry_keeps_them_by_the_fallback_tag(
    double: Double, staging: Side, debian_side: Side, debian: DebianRegistry
) -> None:
    image = images.multi_arch()
    records = [images.referrer(image, seed=number) for number in range(3)]
    double.load("a/src", image, "v1")
    for each in records:
        double.load("a/src", each)
    sign(double, image.digest, "sig", "att")
    debian.site.push(debian_side.repository, image, "v1")
    found = find(staging, image.digest)
    copy(found, staging, debian_side)
    assert verify(found, debian_side) == ()
    tag = f"sha256-{image.digest[7:]}"
    listed = json.loads(debian.site.manifest(debian_side.repository, tag) or b"{}")["manifests"]
    assert {each["digest"] for each in listed} == {each.digest for each in records}
    assert {each["artifactType"] for each in listed} == {images.IN_TOTO}
    assert all(debian.site.is_whole(debian_side.repository, each.digest) for each in records)
    assert copy(found, staging, debian_side) == ()


def test_entries_that_were_there_before_stay(
    double: Double, other_double: Double, staging: Side, production: Side
) -> None:
    image = images.image()
    ours, theirs = images.referrer(image, seed=1), images.referrer(image, seed=2)
    double.load("a/src", image)
    double.load("a/src", ours)
    other_double.has_referrers = False
    tag = attachments.fallback_tag(image.digest)
    other_double.load("b/dst", images.fallback_index([theirs]), tag)
    copy(find(staging, image.digest), staging, production)
    stored = json.loads(Site(other_double.address).manifest("b/dst", tag) or b"{}")
    assert [each["digest"] for each in stored["manifests"]] == [theirs.digest, ours.digest]


def test_an_entry_that_another_promoter_took_away_is_put_back(
    double: Double, other_double: Double, staging: Side, production: Side
) -> None:
    image = images.image()
    ours, theirs = images.referrer(image, seed=1), images.referrer(image, seed=2)
    double.load("a/src", image)
    double.load("a/src", ours)
    other_double.has_referrers = False
    tag = attachments.fallback_tag(image.digest)

    def overwrite(request: Request, origin: Answer) -> Response:
        response = origin(request)
        other_double.load("b/dst", images.fallback_index([theirs]), tag)
        return response

    other_double.fails(Fault("PUT", f"/manifests/{tag}$", overwrite, times=2))
    found = find(staging, image.digest)
    copy(found, staging, production)
    assert verify(found, production) == ()
    stored = json.loads(Site(other_double.address).manifest("b/dst", tag) or b"{}")
    assert {each["digest"] for each in stored["manifests"]} == {theirs.digest, ours.digest}


def test_only_the_wanted_kinds_are_found(double: Double, staging: Side) -> None:
    image = images.image()
    double.load("a/src", image)
    sign(double, image.digest, "sig")
    sbom = images.referrer(image, "application/spdx+json")
    for each in (sbom, images.referrer(image)):
        double.load("a/src", each)
    found = find(staging, image.digest, artifact_types={"application/spdx+json"}, cosign=False)
    assert [each.digest for each in found] == [sbom.digest]
    assert found[0].name == "application/spdx+json"


def test_what_is_attached_to_buildx_entries_is_found_too(double: Double, staging: Side) -> None:
    image = images.multi_arch(attested=True)
    double.load("a/src", image)
    signed = sign(double, image.children[-1].digest, "sig")
    assert {each.tag: each.digest for each in find(staging, image.digest)} == signed


def test_an_index_as_a_referrer_brings_its_children(
    double: Double, other_double: Double, staging: Side, production: Side
) -> None:
    image = images.image()
    inner = images.multi_arch(seed=4)
    content = {**inner.content, "artifactType": "application/x.bundle", "subject": image.descriptor}
    bundle = images.Artifact(
        inner.media_type, json.dumps(content).encode(), children=inner.children
    )
    double.load("a/src", image)
    double.load("a/src", bundle)
    found = find(staging, image.digest)
    copy(found, staging, production)
    assert Site(other_double.address).is_whole("b/dst", bundle.digest)


class TestSignaturesAddUp:
    def two(self, subject: str) -> tuple[images.Artifact, images.Artifact, str]:
        """A manifest with one signature, and one with that and another."""
        first, tag = images.cosign(subject, seed=1)
        second, _ = images.cosign(subject, seed=2)
        content = first.content
        content["layers"] += second.content["layers"]
        both = images.Artifact(
            first.media_type, json.dumps(content).encode(), {**first.blobs, **second.blobs}
        )
        return first, both, tag

    def test_more_signatures_in_the_destination_are_kept(
        self, double: Double, other_double: Double, staging: Side, production: Side
    ) -> None:
        image = images.image()
        first, both, tag = self.two(image.digest)
        double.load("a/src", image)
        double.load("a/src", first, tag)
        other_double.load("b/dst", both, tag)
        found = find(staging, image.digest)
        assert copy(found, staging, production) == ()
        assert verify(found, production) == ()
        assert other_double.holds("b/dst", tag) == both.digest

    def test_more_signatures_at_the_source_are_added(
        self, double: Double, other_double: Double, staging: Side, production: Side
    ) -> None:
        image = images.image()
        first, both, tag = self.two(image.digest)
        double.load("a/src", image)
        double.load("a/src", both, tag)
        other_double.load("b/dst", first, tag)
        copy(find(staging, image.digest), staging, production)
        assert other_double.holds("b/dst", tag) == both.digest

    @pytest.mark.parametrize("empty", [False, True], ids=["another signature", "something else"])
    def test_other_signatures_are_never_taken_away(
        self, double: Double, other_double: Double, staging: Side, production: Side, empty: bool
    ) -> None:
        image = images.image()
        first, _, tag = self.two(image.digest)
        other, _ = images.cosign(image.digest, seed=7)
        if empty:
            other = images.multi_arch(seed=8)
        double.load("a/src", image)
        double.load("a/src", first, tag)
        other_double.load("b/dst", other, tag)
        found = find(staging, image.digest)
        with pytest.raises(AttachmentConflict, match="holds signatures") as refused:
            copy(found, staging, production)
        assert refused.value.exit_code is Exit.REFUSED
        assert other_double.holds("b/dst", tag) == other.digest
        assert other_double.writes == []


class TestLost:
    @pytest.mark.parametrize(
        ("target", "why"),
        [
            (r"/manifests/.*\.sig$", "isn't there"),
            (r"/manifests/sha256:", "isn't there"),
            (r"/manifests/sha256-[0-9a-f]*$", "isn't listed"),
        ],
        ids=["a tag", "a referrer", "the list"],
    )
    def test_what_was_taken_and_not_stored_is_found(
        self,
        double: Double,
        other_double: Double,
        staging: Side,
        production: Side,
        target: str,
        why: str,
    ) -> None:
        image = images.image()
        double.load("a/src", image)
        sign(double, image.digest, "sig")
        double.load("a/src", images.referrer(image))
        found = find(staging, image.digest)
        other_double.has_referrers = False
        other_double.fails(Fault("PUT", target, faults.pretends))
        copy(found, staging, production)
        lost = verify(found, production)
        assert [each.why for each in lost] == [why]
        with pytest.raises(AttachmentsLost, match="lost 1") as failed:
            must_be_there(found, production)
        assert failed.value.exit_code is Exit.INTEGRITY
        other_double.fails()
        copy(found, staging, production)
        must_be_there(found, production)

    def test_a_referrer_that_is_there_and_not_listed_is_lost(
        self, double: Double, other_double: Double, staging: Side, production: Side
    ) -> None:
        image = images.image()
        double.load("a/src", image)
        record = images.referrer(image)
        double.load("a/src", record)
        other_double.has_referrers = False
        other_double.load("b/dst", record)
        found = find(staging, image.digest)
        assert [each.why for each in verify(found, production)] == ["isn't listed"]
        copy(found, staging, production)
        assert verify(found, production) == ()

    def test_a_missing_blob_is_a_loss(
        self, double: Double, other_double: Double, staging: Side, production: Side
    ) -> None:
        image = images.image()
        double.load("a/src", image)
        signed = sign(double, image.digest, "sig")
        found = find(staging, image.digest)
        copy(found, staging, production)
        blobs = other_double.repository("b/dst").blobs
        gone = sorted(blobs)[0]
        del blobs[gone]
        assert [each.why for each in verify(found, production)] == [f"lacks its blob `{gone}`"]
        copy(found, staging, production)
        assert Site(other_double.address).is_whole("b/dst", next(iter(signed)))

    def test_a_tag_that_was_moved_is_a_loss(
        self, double: Double, other_double: Double, staging: Side, production: Side
    ) -> None:
        image = images.image()
        double.load("a/src", image)
        signed = sign(double, image.digest, "sig")
        other = images.image(seed=5)
        other_double.load("b/dst", other, next(iter(signed)))
        [lost] = verify(find(staging, image.digest), production)
        assert lost.why == f"is another: `{other.digest}`"

    def test_bytes_that_are_not_the_promised_ones_are_never_passed_on(
        self, double: Double, other_double: Double, staging: Side, production: Side
    ) -> None:
        image = images.image()
        double.load("a/src", image)
        sign(double, image.digest, "sig")
        found = find(staging, image.digest)
        double.fails(Fault("GET", "/blobs/", faults.corrupts))
        with pytest.raises(IntegrityError):
            copy(found, staging, production)
        assert other_double.repository("b/dst").manifests == {}

    def test_a_lost_reply_converges_on_the_second_run(
        self, double: Double, other_double: Double, staging: Side, production: Side
    ) -> None:
        image = images.image()
        double.load("a/src", image)
        sign(double, image.digest, "sig")
        found = find(staging, image.digest)
        other_double.fails(Fault("PUT", "/manifests/", faults.loses_the_reply, times=1))
        with pytest.raises(ConnectionLost):
            copy(found, staging, production)
        assert copy(found, staging, production) == ()
        assert verify(found, production) == ()


def test_a_chain_without_end_is_refused(double: Double, staging: Side) -> None:
    image = images.image()
    double.load("a/src", image)
    last = image
    for number in range(9):
        last = images.referrer(last, seed=number)
        double.load("a/src", last)
    with pytest.raises(TooManyAttachments, match="5 on each other"):
        find(staging, image.digest)


def test_an_index_that_is_too_deep_is_not_copied(
    double: Double, other_double: Double, staging: Side, production: Side
) -> None:
    image = images.image()
    inner: images.Artifact = images.image(seed=1)
    for _ in range(8):
        inner = images.index({"linux/amd64": inner})
    content = {**inner.content, "subject": image.descriptor}
    bundle = images.Artifact(
        inner.media_type, json.dumps(content).encode(), children=inner.children
    )
    double.load("a/src", image)
    double.load("a/src", bundle)
    found = find(staging, image.digest)
    with pytest.raises(TooManyAttachments, match="nested"):
        copy(found, staging, production)
    assert other_double.writes == []


def test_entries_that_are_none_are_passed_over(double: Double, staging: Side) -> None:
    image = images.image()
    double.load("a/src", image)
    double.has_referrers = False
    entries: list[object] = [7, {}, {"digest": "../../x"}, {"digest": 3}, {"digest": "sha256:zz"}]
    broken = images.Artifact(
        images.OCI_INDEX, json.dumps({"mediaType": images.OCI_INDEX, "manifests": entries}).encode()
    )
    double.load("a/src", broken, attachments.fallback_tag(image.digest))
    double.has_referrers = False
    assert find(staging, image.digest) == ()


class TestTheRecord:
    @pytest.mark.parametrize("lists", [True, False])
    def test_it_is_put_beside_the_image_and_found_there(
        self, other_double: Double, production: Side, lists: bool
    ) -> None:
        image = images.multi_arch()
        other_double.load("b/dst", image, "v1")
        other_double.has_referrers = lists
        made = attach(production, image.descriptor, b'{"_type": "statement"}')
        assert made.artifact_type == images.IN_TOTO
        [found] = find(production, image.digest)
        assert (found.digest, found.artifact_type) == (made.digest, images.IN_TOTO)
        site = Site(other_double.address)
        content = json.loads(site.manifest("b/dst", made.digest) or b"{}")
        assert content["subject"] == image.descriptor
        [payload] = content["layers"]
        assert (
            other_double.repository("b/dst").blobs[payload["digest"]] == b'{"_type": "statement"}'
        )

    def test_the_same_record_again_writes_nothing(
        self, other_double: Double, production: Side
    ) -> None:
        image = images.image()
        other_double.load("b/dst", image, "v1")
        first = attach(production, image.descriptor, b"{}", annotations={"b": "2", "a": "1"})
        before = len(other_double.writes)
        assert (
            attach(production, image.descriptor, b"{}", annotations={"a": "1", "b": "2"}) == first
        )
        assert len(other_double.writes) == before

    def test_a_registry_that_does_not_keep_it_is_found_out(
        self, other_double: Double, production: Side
    ) -> None:
        image = images.image()
        other_double.load("b/dst", image, "v1")
        other_double.fails(Fault("PUT", "/manifests/", faults.pretends))
        with pytest.raises(AttachmentsLost):
            attach(production, image.descriptor, b"{}")

    @pytest.mark.registry
    def test_the_real_registry_keeps_it(self, debian_side: Side, debian: DebianRegistry) -> None:
        image = images.multi_arch(docker=True)
        assert image.media_type == DOCKER_LIST
        debian.site.push(debian_side.repository, image, "v1")
        made = attach(debian_side, image.descriptor, b'{"_type": "statement"}')
        assert [each.digest for each in find(debian_side, image.digest)] == [made.digest]
        assert debian.site.is_whole(debian_side.repository, made.digest)


@pytest.mark.registry
def test_skopeo_reads_a_copied_signature_as_it_was(
    double: Double, staging: Side, debian_side: Side, debian: DebianRegistry
) -> None:
    image = images.image()
    double.load("a/src", image)
    signed = sign(double, image.digest, "sig")
    debian.site.push(debian_side.repository, image, "v1")
    copy(find(staging, image.digest), staging, debian_side)
    [(tag, _)] = signed.items()
    name = f"docker://{debian.address}/{debian_side.repository}:{tag}"
    command = ["skopeo", "inspect", "--raw", "--tls-verify=false", name]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    assert raw == images.cosign(image.digest)[0].data
