"""The rules about packages and the repositories that they come from."""

from __future__ import annotations

from midstream.diagnostic import Rule

MISSING = Rule(
    "MS572",
    "package-missing",
    """\
**What it says.** No repository that was read has a package of this name, nothing in them provides
it, and no package has that file.

**Why it matters.** The install fails, and the build with it; or the row was never right.

**The way out.** `dnf repoquery --whatprovides 'NAME'` in the platform's image says what is there.
Correct `rpm:` of the row in overlays/_shared/packages.yaml. Where only some architectures lack it,
keep it away from the targets that are built for them.
""",
)
ELSEWHERE = Rule(
    "MS573",
    "package-elsewhere",
    """\
**What it says.** The package is in another repository than its row names under `from:`, or in one
that the target doesn't enable.

**Why it matters.** A target that enables what the row names gets no package, or one by that name
from somebody else.

**The way out.** Correct `from:` of the row, with the evidence for it, or add the repository to
`repositories:` of the overlay. Where UBI has it by now, `from:` may go.
""",
)
ONLY_IN_MODULE = Rule(
    "MS574",
    "package-only-in-module",
    """\
**What it says.** The package is only in streams of a module, none of which is on by default.

**Why it matters.** dnf doesn't see it before `dnf module enable NAME:STREAM`.

**The way out.** Enable a stream in an edit of the overlay, before the install, or take another
package.
""",
)
PROVIDED = Rule(
    "MS575",
    "package-provided-by-others",
    """\
**What it says.** No package has this name; dnf takes one that provides it, and several do.

**Why it matters.** Which of them is installed, dnf decides by its own rules, and may decide
otherwise when a new one comes.

**The way out.** Name the package that is meant.
""",
)
DROPPED = Rule(
    "MS576",
    "package-is-there",
    """\
**What it says.** A row drops a Debian package, and a repository has one of the same name.

**Why it matters.** Where the reason was that there is none, it is no longer true.

**The way out.** Read the row's reason. Where it still holds, leave the row as it is: this is news
and no error.
""",
)
NOT_LOOKED_UP = Rule(
    "MS577",
    "package-not-looked-up",
    """\
**What it says.** Whether the package is there could not be found out: its repository has no
`metadata:` in overlays/_shared/repositories.yaml (it needs a subscription, or its address is the
overlay's), a RUN names the package or sets up a repository in a way that is known only when it
runs, or the stage stands on an image that isn't UBI.

**Why it matters.** Nothing proves this package before the build does.

**The way out.** Say under `metadata:` where the repository can be read, or build often.
""",
)
NOT_IN_LOCK = Rule(
    "MS578",
    "package-not-in-lock",
    """\
**What it says.** overlays/packages.lock.json doesn't know this package: the row, or what a target
installs, is newer than the lock.

**The way out.** `midstream packages lock` asks the repositories about the rows, with `--all` about
what the targets' results install too, and writes it.
""",
)
FROM_ANOTHER = Rule(
    "MS579",
    "package-from-another-repository",
    """\
**What it says.** Of the repositories that a target enables, several have a package of this name,
and dnf takes it from another one than the row names.

**Why it matters.** Two packages of one name need not hold the same: other paths, another build.

**The way out.** Give the repository that is meant a lower `priority=` where it is set up (dnf takes
the lowest, 99 where none is written, and of equals the newest version), or leave the other one out.

**Source.** `priority` in dnf.conf(5).
""",
)
RULES = (
    MISSING, ELSEWHERE, ONLY_IN_MODULE, PROVIDED, DROPPED, NOT_LOOKED_UP, NOT_IN_LOCK, FROM_ANOTHER,
)  # fmt: skip
