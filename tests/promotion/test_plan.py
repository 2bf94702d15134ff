"""Plans: what they see, how each tag is classed, what they refuse, and that they write nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from midstream.adapters.registry_errors import Unauthorized
from midstream.errors import Exit, IntegrityError, UsageError
from midstream.promotion import plan as plans
from midstream.promotion.plan import Action, SourceExpired, SourceMissing
from midstream.promotion.policy import NoValue
from midstream.promotion.reference import InvalidReference
from promotion.world import NOW, POLICY, UNIQUE, VALUES, World
from registries import faults, images
from registries.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from midstream.promotion.plan import Plan, Unit
    from registries.double import Double

COMMIT = VALUES["commit"]
GOOD = {"io.midstream.upstream": "u", "io.midstream.overlay": "o", "io.midstream.ledger": "l"}


@pytest.fixture
def world(double: Double, other_double: Double) -> World:
    return World(double.address, other_double.address)


def only(made: Plan) -> Unit:
    [unit] = made.units
    return unit


def actions(unit: Unit) -> dict[str, Action]:
    return {each.tag: each.action for each in unit.tags}


def codes(unit: Unit) -> list[str]:
    return [each.code for each in unit.refusals]


def test_every_tag_is_classed_by_what_it_holds(
    world: World, double: Double, other_double: Double
) -> None:
    image, old = images.multi_arch(seed=1), images.multi_arch(seed=2)
    double.load("ci/rocm", image, COMMIT)
    other_double.load("vllm/vllm-rocm", image, UNIQUE)
    other_double.load("vllm/vllm-rocm", old, "0.33")
    unit = only(world.plan())
    assert actions(unit) == {
        UNIQUE: Action.UNCHANGED,
        "0.33.0": Action.CREATE,
        "0.33": Action.MOVE,
        "latest": Action.CREATE,
    }
    assert unit.digest == image.digest
    assert unit.platforms == ("linux/amd64", "linux/arm64")
    assert str(unit.pinned) == f"staging.example/ci/rocm@{image.digest}"
    assert other_double.writes == []
    assert double.writes == []


def test_a_release_tag_with_another_image_is_refused(
    world: World, double: Double, other_double: Double
) -> None:
    double.load("ci/rocm", images.image(seed=1), COMMIT)
    other_double.load("vllm/vllm-rocm", images.image(seed=2), "0.33.0")
    made = world.plan()
    assert actions(only(made))["0.33.0"] is Action.REFUSED
    assert codes(only(made)) == ["MS410"]
    assert made.exit_code == Exit.REFUSED
    allowed = world.plan(allowed={"MS410": "0.33.0 never worked"})
    assert actions(only(allowed))["0.33.0"] is Action.MOVE
    assert allowed.exit_code == Exit.OK
    assert "0.33.0 never worked" in "\n".join(plans.lines(allowed))


def test_the_plan_is_shown_as_the_documentation_says(
    world: World, double: Double, other_double: Double
) -> None:
    image, old = images.multi_arch(seed=1), images.multi_arch(seed=2)
    double.load("ci/rocm", image, COMMIT)
    signature, tag = images.cosign(image.digest)
    double.load("ci/rocm", signature, tag)
    other_double.load("vllm/vllm-rocm", old, "0.33", "0.33.0")
    shown = list(plans.lines(world.plan()))
    new, was = image.digest[7:11], old.digest[7:11]
    assert shown[0].startswith(
        f"rocm  staging.example/ci/rocm:{COMMIT} -> quay.io/vllm/vllm-rocm  "
        f"@{image.digest[:19]}  index amd64,arm64  "
    )
    assert shown[1:] == [
        f"  + {UNIQUE}  create     unique",
        f"  ! 0.33.0{' ' * 13}REFUSED    release tag holds {was}…, want {new}…".replace(
            " " * 13, " " * (len(UNIQUE) - 6 + 2)
        ),
        f"  ~ {'0.33'.ljust(len(UNIQUE))}  move {was}… -> {new}…  floating",
        f"  + {'latest'.ljust(len(UNIQUE))}  create     floating",
        "  + attachments: 1 sig",
        "  built 2026-01-01",
        f"  error[MS410]: `quay.io/vllm/vllm-rocm:0.33.0` holds `{was}…`, and a release tag is "
        "never moved",
        "    = help: give the image a new version; or say why: `--allow MS410=REASON`",
    ]


def test_a_plan_is_the_same_bytes_each_time_and_comes_back_from_them(
    world: World, double: Double
) -> None:
    image = images.multi_arch(seed=1, attested=True, labels={"io.midstream.upstream": "x"})
    double.load("ci/rocm", image, COMMIT)
    signature, tag = images.cosign(image.digest)
    double.load("ci/rocm", signature, tag)
    double.load("ci/rocm", images.referrer(image))
    first, second = world.plan(), world.plan(now=NOW + timedelta(hours=1))
    assert first.data == second.data
    assert first.run == second.run
    back = plans.parse(first.data, "plan.json")
    assert back == first
    assert len(only(back).attachments) == 2
    assert only(back).labels == {"io.midstream.upstream": "x"}


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(kind="other"),
        lambda c: c.update(midstream=2),
        lambda c: c.pop("units"),
        lambda c: c["units"][0].pop("digest"),
        lambda c: c["units"][0].update(digest="sha256:x"),
        lambda c: c["units"][0].update(destination="dir:/etc"),
        lambda c: c["units"][0]["tags"][0].update(tag="-v"),
        lambda c: c["units"][0]["tags"][0].update(tag="a;id"),
        lambda c: c["units"][0]["tags"][0].update(action="push"),
        lambda c: c["units"][0]["tags"].append(None),
        lambda c: c["units"][0].update(platforms=[1]),
    ],
    ids=[f"change {number}" for number in range(11)],
)
def test_a_plan_that_was_meddled_with_is_no_plan(
    world: World, double: Double, change: Callable[[Any], object]
) -> None:
    double.load("ci/rocm", images.image(), COMMIT)
    content = json.loads(world.plan().data)
    change(content)
    with pytest.raises((UsageError, InvalidReference)):
        plans.parse(json.dumps(content).encode(), "plan.json")


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["units"][0].update(digest="sha256:" + "0" * 64),
        lambda c: c["units"][0].update(destination="quay.io/vllm/another"),
        lambda c: c["units"][0].update(findings=[]),
        lambda c: c["units"][0].update(allowed={"MS417": "it is late"}),
        lambda c: c["units"][0]["tags"][1].update(kind="floating"),
        lambda c: c["units"].clear(),
        lambda c: c.pop("run"),
    ],
    ids=["digest", "destination", "findings", "allowed", "kind", "units", "run"],
)
def test_a_plan_that_was_edited_has_passed_no_gate(
    world: World, double: Double, change: Callable[[Any], object]
) -> None:
    double.load("ci/rocm", images.image(user="0"), COMMIT)
    world.policy = POLICY.replace("profile: none", "profile: community")
    made = world.plan(allowed={})
    content = json.loads(made.data)
    plans.parse(json.dumps(content).encode(), "plan.json")  # laid out anew, it says the same
    change(content)
    with pytest.raises(UsageError, match="was changed after it was made"):
        plans.parse(json.dumps(content).encode(), "plan.json")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"kind": 1}', b"\xff", b"[" * 9999])
def test_any_other_file_is_no_plan(data: bytes) -> None:
    with pytest.raises(UsageError, match="is no plan"):
        plans.parse(data, "plan.json")


class TestSources:
    def failure(self, made: Plan) -> Exception:
        [failed] = made.failures
        assert made.units == ()
        return failed.error

    def test_a_digest_that_is_given_is_the_source(self, world: World, double: Double) -> None:
        digest = double.load("ci/rocm", images.image())
        unit = only(world.plan(digests={"rocm": digest}))
        assert (unit.digest, unit.tag) == (digest, None)
        gone = world.plan(digests={"rocm": "sha256:" + "0" * 64})
        assert isinstance(self.failure(gone), SourceMissing)

    def test_a_source_that_never_was_is_told_from_one_that_is_gone(
        self, world: World, double: Double
    ) -> None:
        made = world.plan()
        error = self.failure(made)
        assert type(error) is SourceMissing
        assert "no repository" in str(error)
        assert made.exit_code == Exit.OUTSIDE

        double.load("ci/rocm", images.image(), "other")
        error = self.failure(world.plan())
        assert type(error) is SourceMissing
        assert "nothing says that there ever was" in str(error)

        seen = {f"staging.example/ci/rocm:{COMMIT}": "sha256:abcd"}
        assert type(self.failure(world.plan(seen_before=seen.get))) is SourceExpired

        double.expired.add(COMMIT)
        error = self.failure(world.plan())
        assert type(error) is SourceExpired
        assert "has expired" in str(error)

    def test_an_upstream_image_that_is_only_kept_for_days_has_expired(
        self, world: World, double: Double
    ) -> None:
        double.load("ci/rocm", images.image(), "other")
        world.policy = POLICY.replace('tag: "{commit}"', 'tag: "{commit}", expires: 14d')
        young = world.plan(committed=NOW - timedelta(days=3))
        assert type(self.failure(young)) is SourceMissing
        old = self.failure(world.plan(committed=NOW - timedelta(days=20)))
        assert type(old) is SourceExpired
        assert "20 days old, and images stay there for 14 days" in str(old)

    def test_a_private_repository_wants_a_login(self, world: World, double: Double) -> None:
        double.logins = {"somebody": "else"}
        made = world.plan()
        assert isinstance(self.failure(made), Unauthorized)
        assert made.exit_code == Exit.AUTHENTICATION

    def test_a_value_that_is_missing_is_a_mistake_at_its_line(
        self, world: World, double: Double
    ) -> None:
        double.load("ci/rocm", images.image(), COMMIT)
        made = world.plan(values={"commit": COMMIT})
        error = self.failure(made)
        assert isinstance(error, NoValue)
        assert made.exit_code == Exit.USAGE

    def test_a_manifest_that_was_tampered_with_is_no_source(
        self, world: World, double: Double
    ) -> None:
        digest = double.load("ci/rocm", images.image(), COMMIT)
        double.fails(Fault("GET", "/manifests/sha256", faults.replaces(b"{}")))
        made = world.plan(digests={"rocm": digest})
        assert isinstance(self.failure(made), IntegrityError)
        assert made.exit_code == Exit.INTEGRITY

    def test_a_registry_that_lists_no_tags_leaves_it_at_what_is_known(
        self, world: World, double: Double
    ) -> None:
        double.load("ci/rocm", images.image(), "other")
        double.fails(Fault("GET", "/tags/list", faults.answers(403, "DENIED", "no")))
        assert "nothing says that there ever was" in str(self.failure(world.plan()))

    def test_without_a_tag_or_a_digest_nobody_knows_which_image(
        self, world: World, double: Double
    ) -> None:
        double.load("ci/rocm", images.image(), COMMIT)
        world.policy = POLICY.replace(', tag: "{commit}"', "")
        error = self.failure(world.plan())
        assert isinstance(error, UsageError)
        assert "`--digest rocm=sha256:…`" not in str(error)

    def test_settings_that_are_no_json_are_no_image(self, world: World, double: Double) -> None:
        image = images.image()
        double.load("ci/rocm", image, COMMIT)
        config = image.content["config"]["digest"]
        double.repositories["ci/rocm"].blobs[config] = b"[]"
        assert isinstance(self.failure(world.plan()), IntegrityError)

    def test_a_registry_that_is_busy_is_asked_again(self, world: World, double: Double) -> None:
        double.load("ci/rocm", images.image(), COMMIT)
        double.fails(Fault("GET", "/manifests/", faults.slow_down(0), times=2))
        assert only(world.plan()).digest
        assert len(world.retries) == 2

    def test_one_image_that_fails_hides_no_other(self, world: World, double: Double) -> None:
        double.load("ci/rocm", images.image(), COMMIT)
        tpu = POLICY.split("images:\n")[1].replace("rocm", "tpu")
        world.policy = POLICY + tpu
        made = world.plan()
        assert [each.name for each in made.units] == ["rocm"]
        assert [each.name for each in made.failures] == ["tpu"]


class TestGates:
    def plan(
        self,
        world: World,
        double: Double,
        image: images.Artifact,
        more: str = "",
        **options: object,
    ) -> Unit:
        double.load("ci/rocm", image, COMMIT)
        world.policy = POLICY.replace("    tags:", f"{more}    tags:")
        return only(world.plan(**options))

    def test_a_platform_that_is_missing(self, world: World, double: Double) -> None:
        wants = "    platforms: [linux/amd64, linux/arm64]\n"
        image = images.image()
        assert codes(self.plan(world, double, image, wants)) == ["MS412"]
        assert codes(self.plan(world, double, images.multi_arch(seed=3), wants)) == []
        arm = images.multi_arch(seed=4, platforms=("linux/amd64", "linux/arm64/v8"))
        assert codes(self.plan(world, double, arm, wants)) == []

    def test_what_skopeo_could_not_copy(self, world: World, double: Double) -> None:
        assert "MS413" in codes(self.plan(world, double, images.nested_index()))
        double.validates = False
        broken = images.without_child(images.multi_arch(seed=5))
        assert codes(self.plan(world, double, broken)) == ["MS422"]
        artifact = images.referrer(images.image())
        assert codes(self.plan(world, double, artifact)) == ["MS423"]
        odd = images.fallback_index([images.referrer(images.image())])
        assert "MS428" in codes(self.plan(world, double, odd))

    def test_labels(self, world: World, double: Double) -> None:
        wants = '    labels: {require: {commit: "{commit}", url: null}, refuse: [draft]}\n'
        good = images.image(labels={"commit": COMMIT, "url": "x"})
        assert codes(self.plan(world, double, good, wants)) == []
        bad = images.image(labels={"commit": "other", "draft": "1"})
        assert codes(self.plan(world, double, bad, wants)) == ["MS415", "MS416", "MS424"]
        expiring = images.image(labels={"quay.expires-after": "2w"})
        assert codes(self.plan(world, double, expiring)) == ["MS414"]
        by_hand = self.plan(world, double, expiring, allowed={"MS414": "a test"})
        assert codes(by_hand) == []

    def test_each_platform_is_looked_at(self, world: World, double: Double) -> None:
        children = {
            "linux/amd64": images.image(seed=1),
            "linux/arm64": images.image(
                seed=2, platform="linux/arm64", labels={"quay.expires-after": "2w"}
            ),
        }
        unit = self.plan(world, double, images.index(children))
        assert [each.message[-13:] for each in unit.refusals] == ["(linux/arm64)"]

    def test_the_user(self, world: World, double: Double) -> None:
        for user, expected in (
            ("2000", []), ("", ["MS417"]), ("0", ["MS417"]), ("root", ["MS417"]),
            ("0:0", ["MS417"]), ("00", ["MS417"]), ("vllm", []),
        ):  # fmt: skip
            image = images.image(user=user)
            assert codes(self.plan(world, double, image, "    profile: community\n")) == expected
        unit = self.plan(world, double, images.image(user="vllm"), "    profile: redhat\n")
        assert "MS426" in codes(unit)

    def test_certification(self, world: World, double: Double) -> None:
        redhat = "    profile: redhat\n"
        names = ("name", "vendor", "version", "release", "summary", "description", "maintainer")
        good = dict.fromkeys(names, "midstream")
        assert codes(self.plan(world, double, images.image(labels=good), redhat)) == []
        inherited = good | {"vendor": "Red Hat, Inc.", "summary": ""}
        unit = self.plan(world, double, images.image(labels=inherited), redhat)
        assert codes(unit) == ["MS425", "MS425"]
        fair = good | {"name": "vLLM for Red Hat OpenShift"}
        assert codes(self.plan(world, double, images.image(labels=fair), redhat)) == []

    def test_an_image_that_is_not_from_the_locked_rebase(
        self, world: World, double: Double
    ) -> None:
        target = "    target: rocm\n    platforms: [linux/amd64]\n"
        locked = {"rocm": GOOD}
        good = images.image(labels=GOOD)
        assert codes(self.plan(world, double, good, target, locked=locked)) == []
        other = images.image(labels=GOOD | {"io.midstream.ledger": "another"})
        unit = self.plan(world, double, other, target, locked=locked)
        assert codes(unit) == ["MS418"]
        assert "`io.midstream.ledger=another`, and `l` is locked" in unit.refusals[0].message
        assert codes(self.plan(world, double, good, target)) == ["MS418"] * 3
        bare = self.plan(world, double, images.image(), target, locked=locked)
        assert codes(bare) == ["MS418"] * 3
        told = self.plan(
            world, double, other, target, locked=locked, allowed={"MS418": "built by hand"}
        )
        assert told.refusals == ()
        assert plans.parse(plans.Plan((told,)).data, "x").units[0].allowed == {
            "MS418": "built by hand"
        }

    def test_age(self, world: World, double: Double) -> None:
        wants = "    max-age: 5d\n"
        image = images.image(created="2026-01-04T00:00:00.123456789Z")
        assert codes(self.plan(world, double, image, wants)) == ["MS419"]
        assert codes(self.plan(world, double, image, wants.replace("5d", "6d"))) == []
        timeless = images.image(created="1970-01-01T00:00:00Z")
        unit = self.plan(world, double, timeless, wants)
        assert (codes(unit), unit.created) == ([], "")

    def test_ports_that_only_root_may_open(self, world: World, double: Double) -> None:
        image = images.image()
        config = json.loads(image.blobs[image.content["config"]["digest"]])
        config["config"]["ExposedPorts"] = {"80/tcp": {}, "8000/tcp": {}}
        changed = images.of_config(image, config)
        unit = self.plan(world, double, changed, "    profile: community\n")
        assert codes(unit) == []
        assert [each.message for each in unit.findings] == [
            "it exposes port 80, which only root may open"
        ]

    def test_what_can_never_be_right_can_not_be_allowed(self, world: World) -> None:
        with pytest.raises(UsageError, match="`MS413` can't be allowed"):
            world.plan(allowed={"MS413": "please"})


GROUP = (
    POLICY
    + POLICY.split("images:\n")[1].replace("rocm", "tpu")
    + "groups: {release: [rocm, tpu]}\n"
)


def test_floating_tags_stay_while_the_group_is_not_whole(world: World, double: Double) -> None:
    world.policy = GROUP
    double.load("ci/rocm", images.image(seed=1), COMMIT)
    double.load("ci/tpu", images.image(seed=2), COMMIT)
    assert Action.HELD not in actions(world.plan().units[0]).values()
    alone = only(world.plan("rocm"))
    assert actions(alone) == {
        UNIQUE: Action.CREATE,
        "0.33.0": Action.CREATE,
        "0.33": Action.HELD,
        "latest": Action.HELD,
    }


@pytest.mark.parametrize(
    ("there", "ours", "goes_back"),
    [
        ({"version": "0.34.0"}, {"version": "0.33.1"}, True),
        ({"version": "0.33.0"}, {"version": "0.33.1"}, False),
        ({"version": "0.33.0rc1"}, {"version": "0.33.0"}, False),
        ({"version": "0.9.0"}, {"version": "0.10.0"}, False),
        ({"version": "0.34.0", "created": "2025-12-01"}, {"version": "0.33.1"}, True),
        ({"version": "9.4", "created": "2026-01-05"}, {"version": "9.4"}, True),
        ({"created": "2026-01-05"}, {}, True),
        ({"created": "2025-12-31"}, {}, False),
        ({"version": "main", "created": "2025-12-31"}, {"version": "main"}, False),
        ({"upstream": "vllm@0.34.0#4f1c"}, {"upstream": "vllm@0.33.1#4f1c"}, True),
        ({"upstream": "vllm@0.33.0#4f1c"}, {"upstream": "vllm@0.33.1#4f1c"}, False),
        ({"upstream": "vllm#4f1c"}, {"upstream": "vllm@0.33.1#4f1c"}, False),
        ({"base": "9.4"}, {"base": "0.33.1"}, False),  # what UBI's own label says of UBI
        ({}, {}, False),
    ],
)
def test_a_floating_tag_never_goes_back_unless_a_person_says_why(
    world: World,
    double: Double,
    other_double: Double,
    there: dict[str, str],
    ours: dict[str, str],
    goes_back: bool,
) -> None:
    double.load("ci/rocm", dated(1, ours), COMMIT)
    other_double.load("vllm/vllm-rocm", dated(2, there), "0.33", "latest")
    made = world.plan()
    assert (codes(only(made)) == ["MS430"] * 2) is goes_back
    assert made.exit_code == (Exit.REFUSED if goes_back else Exit.OK)
    assert world.plan(allowed={"MS430": "it is broken"}).exit_code == Exit.OK
    assert actions(only(made))["latest"] is Action.MOVE


LABELS = {
    "version": "org.opencontainers.image.version",
    "upstream": "io.midstream.upstream",
    "base": "version",
}


def dated(seed: int, says: dict[str, str]) -> images.Artifact:
    labels = {LABELS[name]: value for name, value in says.items() if name in LABELS}
    created = f"{says.get('created', '2026-01-01')}T00:00:00Z"
    return images.multi_arch(seed=seed, labels=labels, created=created)


def test_a_tag_that_holds_the_image_already_is_shown_as_unchanged(
    world: World, double: Double, other_double: Double
) -> None:
    image = images.image(seed=1)
    double.load("ci/rocm", image, COMMIT)
    other_double.load("vllm/vllm-rocm", image, "latest")
    shown = [line.split() for line in plans.lines(world.plan()) if "latest" in line]
    assert shown == [["=", "latest", "unchanged", "floating"]]


def test_a_version_counts_where_all_platforms_say_it(
    world: World, double: Double, other_double: Double
) -> None:
    double.load("ci/rocm", dated(1, {"version": "0.33.1"}), COMMIT)
    parts = {
        f"linux/{machine}": images.image(
            seed=number,
            platform=f"linux/{machine}",
            labels={LABELS["version"]: f"0.3{number}.0"},
            created="2025-12-01T00:00:00Z",
        )
        for number, machine in ((4, "amd64"), (5, "arm64"))
    }
    other_double.load("vllm/vllm-rocm", images.index(parts), "latest")
    assert codes(only(world.plan())) == []


def test_a_tag_that_is_held_does_not_go_back(
    world: World, double: Double, other_double: Double
) -> None:
    world.policy = GROUP
    double.load("ci/rocm", dated(1, {"version": "0.33.1"}), COMMIT)
    double.load("ci/tpu", images.image(seed=2), COMMIT)
    newer = dated(2, {"version": "0.34.0"})
    other_double.load("vllm/vllm-rocm", newer, "0.33", "latest")
    assert codes(world.plan().units[0]) == ["MS430"] * 2
    assert codes(only(world.plan("rocm"))) == []


def test_what_a_floating_tag_holds_and_nobody_can_read_holds_nobody_up(
    world: World, double: Double, other_double: Double
) -> None:
    double.load("ci/rocm", images.image(seed=1), COMMIT)
    old = images.image(seed=2, created="2026-01-05T00:00:00Z")
    other_double.load("vllm/vllm-rocm", old, "latest")
    other_double.repository("vllm/vllm-rocm").blobs.clear()
    assert world.plan().exit_code == Exit.OK


def test_two_images_can_not_have_one_tag(world: World, double: Double) -> None:
    world.policy = GROUP.replace("quay.io/vllm/vllm-tpu", "quay.io/vllm/vllm-rocm")
    double.load("ci/rocm", images.image(seed=1), COMMIT)
    double.load("ci/tpu", images.image(seed=2), COMMIT)
    made = world.plan()
    assert codes(made.units[0]) == []
    assert set(codes(made.units[1])) == {"MS429"}


def test_a_version_that_makes_no_tag_is_refused_before_anything_runs(
    world: World, double: Double
) -> None:
    double.load("ci/rocm", images.image(), COMMIT)
    for version in ("-v1", "a;id", "a\nb", "x" * 129, "a/b"):
        made = world.plan(values=VALUES | {"version": version})
        assert isinstance(made.failures[0].error, InvalidReference)
