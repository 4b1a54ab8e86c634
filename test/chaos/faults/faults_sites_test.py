"""What becomes of the verdict on sites when networks and disks are broken: seen by all who can be,
and leaders go where everybody is heard."""
import contextlib
import http.client
import json
import subprocess
import time

import pytest
from faults import catalogue, view
from testbed.lab import Lab, can_separate

BOUND_S = 60  # on what is awaited; how long it took is printed
ADMIN_PORT = 9600
pytestmark = pytest.mark.skipif(not can_separate(),
                                reason="network namespaces, mounts and packet filters need root")


@pytest.fixture(scope="module")
def sites_lab(labs_folder):
    with Lab.up("sites", folder=labs_folder) as lab:
        wait_tried(lab)
        yield lab


@pytest.fixture
def young_lab(labs_folder):
    with Lab.up("sites-young", folder=labs_folder) as lab:
        wait_heard(lab)
        yield lab


@pytest.fixture(scope="module")
def disks_lab(labs_folder):
    with Lab.up("sites-disks", folder=labs_folder, faultfs=True) as lab:
        wait_tried(lab)
        yield lab


@pytest.fixture
def far_lab(labs_folder):
    with Lab.up("sites-far", folder=labs_folder, rtt_us=200_000) as lab:
        wait_tried(lab)
        yield lab


def told_by(lab, node_id, path):
    """What that node's operator's port answers, asked in its own place."""
    connection = http.client.HTTPConnection("127.0.0.1", ADMIN_PORT)
    connection.sock = view._socket_at(lab.pid(node_id))
    try:
        connection.sock.settimeout(5)
        connection.sock.connect(("127.0.0.1", ADMIN_PORT))
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def sites_of(lab, node_id):
    """{site: what that node says of it}"""
    return {site["site"]: site for site in told_by(lab, node_id, "/v1/sites")["sites"]}


def wait_for(is_so, what):
    """Seconds until then."""
    begin = time.monotonic()
    while not is_so():
        assert time.monotonic() < begin + BOUND_S, f"not within {BOUND_S} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - begin


def wait_heard(lab):
    def is_heard(node_id):
        found = sites_of(lab, node_id)
        return all(way["state"] == "heard" for site in found.values() for way in site["ways"]
                   ) and all(len(site["ways"]) == 3 for site in found.values())
    for node_id in lab.nodes:
        wait_for(lambda n=node_id: try_it(lambda: is_heard(n)), f"node {node_id} hears of all sites")


def wait_tried(lab):
    """By records: before the canary has a topic nothing is written, and no disk can hang at it."""
    def has_records():
        topic = told_by(lab, 1, "/v1/topics/describe?topic=__trilog_canary")
        return all(p["end_offset"] for p in topic["partition_list"])
    wait_heard(lab)
    wait_for(lambda: try_it(has_records), "the canary has written to all raft groups")


def try_it(ask):
    try:
        return ask()
    except (OSError, KeyError, ValueError, http.client.HTTPException):
        return False


def stands(lab, node_ids, expected):
    """Do these nodes say so of those sites?"""
    return all({site: found[site].get("health") for site in expected} == expected
               for found in (sites_of(lab, node_id) for node_id in node_ids))


def test_of_two_sites_that_do_not_hear_each_other_leaders_go_to_the_third(sites_lab):
    """The judge is as young as the lab: it need not wait for what nobody did before it."""
    cut = sites_lab.cut_link("a", "b")
    try:
        took_s = wait_for(
            lambda: stands(sites_lab, (1, 2, 3), {"a": "cut", "b": "cut", "c": "whole"}),
            "both are cut off, the third is whole")
        found = sites_of(sites_lab, 3)
        total = sum(site["groups_to_lead"] for site in found.values())
        led_s = wait_for(lambda: sites_of(sites_lab, 3)["c"]["groups_led"] == total,
                         "the third leads all")
    finally:
        cut.restore()
    print(f"agreed after {took_s:.2f} s, all {total} raft groups led there {led_s:.2f} s later: "
          f"{found['a']['words']}; {found['b']['words']}")


def test_a_site_that_hears_the_others_and_is_not_heard_is_left(sites_lab):
    wait_heard(sites_lab)  # the cut before this one is healed
    cut = sites_lab.cut_site("c", "out")
    try:
        took_s = wait_for(lambda: stands(sites_lab, (1, 2), {"c": "left"}), "the site is left")
        words = sites_of(sites_lab, 1)["c"]["words"]
    finally:
        cut.restore()
    print(f"left after {took_s:.2f} s: {words}")


def in_place_of(lab, node_id, *argv):
    subprocess.run(lab.command_in(node_id, list(argv)), check=True, stdin=subprocess.DEVNULL)


@contextlib.contextmanager
def apart_from_peers(lab, node_id):
    """Its clients reach it, the other nodes don't: it answers, and commits nothing. Who leads it does
    not know, so that answer may take longer than a try."""
    port = lab.node_status(node_id)["peer_address"].rpartition(":")[2]
    rules = "; ".join(f"add chain ip peers {hook} {{ type filter hook {hook} priority 0; }}; "
                      f"add rule ip peers {hook} tcp dport {port} drop; "
                      f"add rule ip peers {hook} tcp sport {port} drop" for hook in ("input", "output"))
    in_place_of(lab, node_id, "nft", f"add table ip peers; {rules}")
    try:
        yield
    finally:
        in_place_of(lab, node_id, "nft", "delete table ip peers")


def test_a_site_that_answers_and_commits_nothing_is_left(young_lab):
    """Also where it has not even heard of the canary's topic."""
    with apart_from_peers(young_lab, 1):
        took_s = wait_for(lambda: stands(young_lab, (2, 3), {"a": "left"}), "the site is left")
        found = sites_of(young_lab, 2)["a"]
    print(f"left after {took_s:.2f} s: {found['words']}")
    assert found["stage"] not in ("none", "connect"), "it takes connections"


def test_a_site_whose_disk_hangs_is_left(disks_lab):
    fault = catalogue.make("disk-slow", operation="fsync", delay_ms=600_000)
    with fault.inject(disks_lab, "2"):
        took_s = wait_for(lambda: stands(disks_lab, (1, 3), {"b": "left"}), "the site is left")
        words = sites_of(disks_lab, 1)["b"]["words"]
    print(f"left after {took_s:.2f} s: {words}")


def test_sites_that_are_far_apart_stay_whole_and_one_that_hangs_is_left(far_lab):
    """200 ms there and back: one try takes longer than the time between two of near sites."""
    whole = {"a": "whole", "b": "whole", "c": "whole"}

    def records():
        topic = told_by(far_lab, 1, "/v1/topics/describe?topic=__trilog_canary")
        return sum(p["end_offset"] or 0 for p in topic["partition_list"])
    first = records()

    def go_on():
        assert stands(far_lab, (1, 2, 3), whole), sites_of(far_lab, 1)
        return records() > first + 60
    took_s = wait_for(go_on, "sixty records are acknowledged")
    far_lab.pause_node(2)
    try:
        left_s = wait_for(lambda: stands(far_lab, (1, 3), {"b": "left"}), "the site is left")
    finally:
        far_lab.resume_node(2)
    print(f"60 records in {took_s:.1f} s, left after {left_s:.2f} s")
