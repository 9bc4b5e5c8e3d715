from __future__ import annotations

import pytest

from opskit.rehearsal.images import parse_version

# Paragraphs of /var/lib/dpkg/status on Debian 12.
STATUS = """Package: postgresql
Status: install ok installed
Architecture: all
Version: 15+248+deb12u1

Package: postgresql-15
Status: install ok installed
Description: The World's Most Advanced Open Source Relational Database
 PostgreSQL, also known as Postgres.
Version: 15.13-0+deb12u1

Package: redis-server
Version: 5:7.0.15-1~deb12u5

Package: prometheus
Version: 2.42.0+ds-5+b5
"""


@pytest.mark.parametrize(
    ("package", "version"),
    [
        (r"postgresql-\d+", "15.13"),
        ("redis-server", "7.0.15"),
        ("prometheus", "2.42.0"),
        ("nginx-light", "unknown"),
    ],
)
def test_the_upstream_version_is_told_without_epoch_and_revision(package: str, version: str) -> None:
    assert parse_version(STATUS, package) == version
