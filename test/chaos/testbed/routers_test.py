"""A lab with trilog-routers: its applications know one address of their own site."""
import subprocess

import pytest
from testbed.lab import Lab


@pytest.fixture(scope="module")
def routed_lab(root, labs_folder):
    with Lab.up("routed", folder=labs_folder, routers_per_site=2) as lab:
        yield lab


def listed(lab, site, address):
    """The brokers that a client of the site is shown there."""
    done = subprocess.run(lab.command_in(site, ["kcat", "-b", address, "-L", "-m", "20"]),
                          capture_output=True, text=True, timeout=60, check=False)
    return done.stdout


def test_each_site_has_its_routers_and_clients_see_them_alone(routed_lab):
    assert {(r.id, r.site, r.address) for r in routed_lab.routers.values()} == {
        (1000001, "a", "10.1.0.201:9192"), (1000002, "b", "10.2.0.201:9192"),
        (1000003, "c", "10.3.0.201:9192"), (1000004, "a", "10.1.0.202:9192"),
        (1000005, "b", "10.2.0.202:9192"), (1000006, "c", "10.3.0.202:9192")}
    said = listed(routed_lab, "b", "10.2.0.201:9192")
    assert "broker 1000002 at 10.2.0.201:9192" in said and ":9092" not in said


def test_a_router_is_killed_paused_and_started_like_a_node(routed_lab):
    routed_lab.kill_node(1000001)
    assert routed_lab.state(1000001) == "ended"
    assert listed(routed_lab, "a", "10.1.0.202:9192") != ""
    routed_lab.start_node(1000001)
    routed_lab.wait_until_formed()
    routed_lab.pause_node(1000001)
    assert routed_lab.state(1000001) == "paused"
    routed_lab.resume_node(1000001)
    assert "1000001" in listed(routed_lab, "a", "10.1.0.201:9192")


def test_a_command_runs_in_a_routers_place(routed_lab):
    done = subprocess.run(routed_lab.command_in("1000002", ["ip", "-o", "-4", "address"]),
                          capture_output=True, text=True, timeout=60, check=True)
    assert "10.2.0.201/24" in done.stdout
