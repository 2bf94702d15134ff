"""Folders in which Debian's packages have their settings and programs, and EL's have not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midstream.assumptions.places import finding, own_files
from midstream.diagnostic import Rule, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from midstream.diagnostic import Diagnostic
    from midstream.ubi.subject import Subject

NAME = "debian-layout"

NOT_READ = Rule(
    "MS325",
    NAME,
    """\
**What it says.** A file is put into a folder, or taken from one, that Debian's package of a server
reads and EL's doesn't: `/etc/nginx/sites-enabled`, `/etc/apache2`, `/etc/supervisor/conf.d`; or a
folder of Debian's is named where a language or OpenSSL is: `/usr/lib/go-1.22`.

**Why it matters.** COPY makes the folder, so the build is green; the server starts with its own
settings, and the site, the job or the limit isn't there. A folder on PATH that isn't there is
passed over.

**The way out.** Put the file where EL reads it, with an edit. Where a file of your own says that
the folder is read (an nginx.conf with an `include`), waive MS325 with that reason.

**Source.** The file lists of EL's packages beside Debian's; EPEL's `supervisor`.
""",
)
RULES = (NOT_READ,)

_FOLDERS = {
    r"/etc/nginx/sites-(?:enabled|available)": "nginx reads /etc/nginx/conf.d/*.conf",
    r"/etc/apache2": "httpd reads /etc/httpd/conf.d/*.conf and /etc/httpd/conf.modules.d",
    r"/var/log/apache2": "httpd writes to /var/log/httpd",
    r"/etc/php/\d\.\d": "PHP reads /etc/php.ini, /etc/php.d and /etc/php-fpm.d",
    r"/etc/supervisor": "supervisord reads /etc/supervisord.conf and /etc/supervisord.d/*.ini",
    r"/etc/mysql": "MySQL and MariaDB read /etc/my.cnf and /etc/my.cnf.d",
    r"/etc/postgresql": "PostgreSQL reads its settings in its data folder, /var/lib/pgsql/data",
    r"/usr/lib/postgresql": "PostgreSQL's programs are in /usr/bin",
    r"/var/spool/cron/crontabs": "crond reads /var/spool/cron",
    r"/etc/bind": "named reads /etc/named.conf and /etc/named",
    r"/etc/ldap": "OpenLDAP reads /etc/openldap",
    r"/usr/lib/go-\d\.\d+": "Go is in /usr/lib/golang",
    r"/usr/lib/R": "R is in /usr/lib64/R",
    r"/usr/lib/ssl(?!/openssl)": "OpenSSL's folder is /etc/pki/tls",
    r"/etc/freetds": "FreeTDS reads /etc/freetds.conf",
    r"/etc/pam\.d/common-(?:account|auth|password|session)": "PAM reads /etc/pam.d/system-auth",
}
_FOLDER = re.compile(rf"(?<![\w.}}/-])(?:{'|'.join(_FOLDERS)})(?![\w-])")
_HOLDING = tuple(re.split(r"[\\(]", folder)[0] for folder in _FOLDERS)  # what is plain of each


def check(subject: Subject) -> Iterator[Diagnostic]:
    """The first place of each folder in each stage."""
    said: set[tuple[int, str]] = set()
    for stage, _, span in own_files(subject, _FOLDER, holding=_HOLDING):
        name = subject.dockerfile.text(span)
        instead = next(text for folder, text in _FOLDERS.items() if re.fullmatch(folder, name))
        if (stage.index, instead) not in said:
            said.add((stage.index, instead))
            yield finding(
                subject, stage, NOT_READ, span, f"`{name}` is Debian's: on EL {instead}",
                "put the file there, with an edit, or waive MS325 where a setting names the folder",
                Severity.WARNING,
            )  # fmt: skip
