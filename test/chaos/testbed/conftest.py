"""Labs for the tests. Those that need root are skipped without it, and say so."""
import os

import pytest
from testbed.lab import Lab, can_separate


@pytest.fixture(scope="session", autouse=True)
def labs_folder(tmp_path_factory):
    """Where all labs of this run live; in the end nothing is left in it."""
    folder = tmp_path_factory.mktemp("labs")
    yield str(folder)
    assert os.listdir(folder) == [], "left behind"


@pytest.fixture(scope="session")
def root():
    if not can_separate():
        pytest.skip("network namespaces, mounts and packet filters need root")


@pytest.fixture(scope="session")
def common_lab(root, labs_folder):
    """Three sites that most tests share, with wall clocks that can be set."""
    with Lab.up("common", folder=labs_folder, faketime=True) as lab:
        yield lab


@pytest.fixture
def lab(common_lab):
    """The shared lab, as if just made: all nodes run, no cut, nothing special on the links."""
    yield common_lab
    common_lab.restore_all()
    common_lab.all_links().set(delay_us=0, jitter_us=0, loss_percent=0, duplicate_percent=0,
                               rate_bits=0)
    for node_id in common_lab.nodes:
        if common_lab.state(node_id) == "paused":
            common_lab.resume_node(node_id)
        common_lab.start_node(node_id)
    assert common_lab.status()["troubles"] == []
