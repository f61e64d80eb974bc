"""Servers that all tests of a run share, each started when it is first wanted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tables import components


@pytest.fixture(scope="session")
def postgresql() -> Iterator[tuple[int, Path]]:
    with components.postgresql() as place:
        yield place


@pytest.fixture(scope="session")
def mariadb() -> Iterator[tuple[int, Path]]:
    with components.mariadb() as place:
        yield place


@pytest.fixture(scope="session")
def memcached() -> Iterator[int]:
    with components.memcached() as port:
        yield port


@pytest.fixture(scope="session")
def slapd() -> Iterator[int]:
    with components.slapd() as port:
        yield port
