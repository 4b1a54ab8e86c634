"""Labs to break. Each test finds its lab whole, and must leave it so: nothing of a fault may stay."""
import os

import pytest
from testbed.lab import Lab, can_separate

LINK_DELAY_US = 1000
LEVEL_SECONDS = 30


@pytest.fixture(scope="session", autouse=True)
def labs_folder(tmp_path_factory):
    """Where all labs of this run live; in the end nothing is left in it."""
    folder = tmp_path_factory.mktemp("broken")
    yield str(folder)
    assert os.listdir(folder) == [], "left behind"


@pytest.fixture(scope="session")
def broken_lab(labs_folder):
    """With all that faults may need: namespaces, clocks that can be set, disks that can fail."""
    if not can_separate():
        pytest.skip("network namespaces, mounts and packet filters need root")
    with Lab.up("broken", folder=labs_folder, rtt_us=2 * LINK_DELAY_US, faketime=True,
                faultfs=True) as lab:
        yield lab


@pytest.fixture
def lab(broken_lab):
    yield broken_lab
    check_whole(broken_lab)


@pytest.fixture(scope="session")
def common_plain_lab(labs_folder):
    """Without root: nodes on loopback addresses."""
    with Lab.up("plain", folder=labs_folder, loopback=True) as lab:
        yield lab


@pytest.fixture
def plain_lab(common_plain_lab):
    yield common_plain_lab
    check_whole(common_plain_lab)


def check_whole(lab):
    status = lab.status()
    assert [node["state"] for node in status["nodes"]] == ["running"] * len(lab.nodes)
    assert status["cuts"] == [] and status["troubles"] == []
    for link in status["links"]:
        settings = [link[name] for name in ("delay_us", "jitter_us", "loss_percent",
                                            "duplicate_percent", "rate_bits")]
        assert settings == [LINK_DELAY_US, 0, 0, 0, 0], link
    lab.wait_until_formed(LEVEL_SECONDS)
