"""A lab with trilog-routers: its applications know one address of their own site."""
import re
import subprocess
import time

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


def wait_until(is_so, seconds=60):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.2)


def run_in(lab, site, argv, text=None):
    done = subprocess.run(lab.command_in(site, argv), input=text, capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def reaches(lab, site, node):
    """Whether a client there learns anything from the node's own address."""
    done = subprocess.run(lab.command_in(site, ["kcat", "-b", node.address, "-L", "-m", "3"]),
                          capture_output=True, text=True, timeout=60, check=False)
    return done.returncode == 0


def test_applications_that_reach_no_node_work_through_their_router(routed_lab):
    """As where brokers are in containers or behind NAT: no client reaches an address of theirs."""
    cuts = [routed_lab.cut_applications("a", nodes_of=site) for site in routed_lab.sites]
    try:
        assert not any(reaches(routed_lab, "a", node) for node in routed_lab.nodes.values())
        router = "10.1.0.202:9192"
        numbers = [str(i) for i in range(500)]
        run_in(routed_lab, "a", ["kcat", "-b", router, "-P", "-t", "unreached", "-X", "acks=all"],
               "\n".join(numbers) + "\n")
        read = run_in(routed_lab, "a", ["kcat", "-b", router, "-C", "-t", "unreached", "-e", "-q",
                                        "-o", "beginning"])
        assert sorted(read.split(), key=int) == numbers
        group = ["kcat", "-b", router, "-G", "behind", "-c", "500", "-q", "-X",
                 "auto.offset.reset=earliest", "-X", "session.timeout.ms=6000", "unreached"]
        assert sorted(run_in(routed_lab, "a", group).split(), key=int) == numbers
    finally:
        for cut in cuts:
            cut.restore()


def leaders(lab, site, address):
    """Of each topic's first partition."""
    return dict(re.findall(r'topic "([^"]+)" with.*\n\s+partition 0, leader (\d+)',
                           listed(lab, site, address)))


def is_shown(lab, router_id, site, address):
    return f"broker {router_id} at" in listed(lab, site, address)


def test_where_a_site_has_no_router_left_all_others_name_the_same_leaders(routed_lab):
    topics = [f"homeless-{i}" for i in range(6)]
    for topic in topics:
        run_in(routed_lab, "a", ["kcat", "-b", "10.1.0.201:9192", "-P", "-t", topic], "1\n")
    elsewhere = ("10.2.0.201:9192", "10.3.0.202:9192")
    gone = [router.id for router in routed_lab.routers_of("a")]
    for router_id in gone:
        routed_lab.kill_node(router_id)
    try:
        for address in elsewhere:
            wait_until(lambda at=address: not any(is_shown(routed_lab, i, "a", at) for i in gone))
        told = [leaders(routed_lab, "a", address) for address in elsewhere]
        assert set(topics) <= set(told[0]) and told[0] == told[1]
        for topic in topics:
            assert run_in(routed_lab, "a", ["kcat", "-b", elsewhere[0], "-C", "-t", topic, "-e", "-q",
                                            "-o", "beginning"]) == "1\n"
    finally:
        for router_id in gone:
            routed_lab.start_node(router_id)
        routed_lab.wait_until_formed()


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
