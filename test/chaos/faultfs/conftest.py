"""Mounts for the tests of faultfs, below pytest's temporary folder."""

import pytest

from faultfs_mount import Mount, why_not


@pytest.fixture
def mount(tmp_path):
    """A fresh disk that works."""
    if why_not():
        pytest.skip(why_not())
    with Mount(tmp_path) as mounted:
        yield mounted


@pytest.fixture
def mounts(tmp_path):
    """Makes disks, by a name and faultfs's options; all end with the test."""
    if why_not():
        pytest.skip(why_not())
    made = []

    def make(name, *options, seed=1):
        made.append(Mount(tmp_path / name, *options, seed=seed))
        return made[-1].__enter__()
    yield make
    for each in made:
        each.__exit__()
