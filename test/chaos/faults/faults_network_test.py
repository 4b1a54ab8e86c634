"""Networks: which ways are cut and which are not, and what happens to packets. All need root."""
import itertools
import statistics
import threading
import time

import pytest
from faults import catalogue
from places import Way, stream, which_arrive
from watching import wait_until

NODES, CLIENTS = (1, 2, 3), ("a", "b", "c")
SITE_OF = {1: "a", 2: "b", 3: "c"}


@pytest.fixture(scope="module")
def ways(broken_lab):
    """From everywhere to everywhere: {(source, target): Way}."""
    made = {pair: Way(broken_lab, *pair) for pair in itertools.permutations(NODES + CLIENTS, 2)}
    yield made
    for way in made.values():
        way.__exit__()


def cut_ways(ways):
    arrived = which_arrive(list(ways.values()))
    gone = {pair for pair, way in ways.items() if way not in arrived}
    for way in ways.values():  # what came late is not to be taken for another one
        way._take_all(0)
    return gone


def place_site(place):
    return SITE_OF.get(place, place)


def crossing(site):
    """Ways out of a site, and ways into it."""
    pairs = list(itertools.permutations(NODES + CLIENTS, 2))
    leaving = {(s, t) for s, t in pairs if place_site(s) == site != place_site(t)}
    return leaving, {(t, s) for s, t in leaving}


@pytest.mark.parametrize("name, expected", [
    ("cut-node", {(s, t) for s, t in itertools.permutations(NODES + CLIENTS, 2) if 1 in (s, t)}),
    ("cut-site", crossing("a")[0] | crossing("a")[1]),
    ("cut-out", crossing("a")[0]),
    ("cut-in", crossing("a")[1]),
])
def test_a_cut_cuts_its_ways_and_no_others(lab, ways, name, expected):
    with catalogue.make(name).inject(lab, "1"):
        assert cut_ways(ways) == expected
    assert cut_ways(ways) == set()


def test_a_cut_pair_leaves_the_third_site_alone(lab, ways):
    with catalogue.make("cut-pair").inject(lab, "a-b"):
        assert cut_ways(ways) == {(s, t) for s, t in ways
                                  if {place_site(s), place_site(t)} == {"a", "b"}}
    assert cut_ways(ways) == set()


def test_what_one_site_sends_to_another_is_cut_alone(lab, ways):
    with catalogue.make("cut-one-way").inject(lab, "a-b"):
        assert cut_ways(ways) == {(s, t) for s, t in ways
                                  if (place_site(s), place_site(t)) == ("a", "b")}
    assert cut_ways(ways) == set()


def test_cut_clients_reach_other_nodes_and_other_clients_reach_these(lab, ways):
    with catalogue.make("cut-client").inject(lab, "a-b"):
        assert cut_ways(ways) == {("a", 2), (2, "a")}
    assert cut_ways(ways) == set()


def test_a_flapping_link_comes_and_goes(lab):
    seen = []
    with catalogue.make("flap", period_s=0.1).inject(lab, "c") as injection:
        while len(seen) < 5 and not injection.is_healed:
            is_cut = bool(lab.status()["cuts"])
            if not seen or seen[-1] != is_cut:
                seen.append(is_cut)
    assert seen in ([True, False, True, False, True], [False, True, False, True, False])


def test_delay_is_added_and_taken_back(lab):
    with Way(lab, 1, 2) as way:
        before = statistics.median(way.seconds_under_way(10))
        with catalogue.make("delay", delay_ms=60).inject(lab, "a"):
            during = statistics.median(way.seconds_under_way(5))
        after = statistics.median(way.seconds_under_way(10))
    assert during > 0.060 and during > 5 * before and during > 5 * after


def test_jitter_varies_the_time_and_keeps_order(lab):
    with Way(lab, 1, 2) as way, catalogue.make("jitter", jitter_ms=60).inject(lab, "a"):
        seconds = way.seconds_under_way(30)
        numbers = way.received_of(300)
    assert max(seconds) - min(seconds) > 0.015
    assert numbers == list(range(300))


@pytest.mark.parametrize("name, low, high", [("loss-1", 0, 50), ("loss-5", 20, 120),
                                             ("loss-20", 150, 260)])
def test_loss_takes_its_share(lab, name, low, high):
    with Way(lab, 1, 3) as way, catalogue.make(name).inject(lab, "c"):
        lost = 1000 - len(way.received_of(1000))
    assert low <= lost <= high


def test_duplicates_come_twice(lab):
    with Way(lab, 1, 3) as way, catalogue.make("duplicate", percent=30).inject(lab, "c"):
        received = way.received_of(500)
    assert set(received) == set(range(500)) and 550 < len(received) < 800


def seconds_to_send(lab, size_bytes):
    source, target = stream(lab, 1, 2)
    with source, target:
        start = time.monotonic()
        threading.Thread(target=source.sendall, args=(bytes(size_bytes),), daemon=True).start()
        left = size_bytes
        while left:
            left -= len(target.recv(left))
        return time.monotonic() - start


def test_a_slow_link_takes_longer(lab):
    size_bytes = 1_200_000  # 2 s at 5 Mbit/s
    before = seconds_to_send(lab, size_bytes)
    with catalogue.make("rate-5mbit").inject(lab, "a"):
        during = seconds_to_send(lab, size_bytes)
    assert during > 1 and during > 3 * before


def test_overlapping_faults_of_links_may_end_in_any_order(lab):
    delay = catalogue.make("delay", delay_ms=5).inject(lab, "a")
    jitter = catalogue.make("jitter", jitter_ms=2).inject(lab, "a-b")
    delay.heal()
    link = next(link for link in lab.link("a", "b").settings() if link["source"] == "a")
    assert (link["delay_us"], link["jitter_us"]) == (2000, 1000)
    jitter.heal()


def test_the_end_of_the_lab_is_the_end_of_its_faults(labs_folder, broken_lab):
    from testbed.lab import Lab
    with Lab.up("short", sites=2, folder=labs_folder, wait_seconds=0) as short:
        injection = catalogue.make("flap", period_s=0.05).inject(short, "a-b", seconds=60)
    wait_until(lambda: injection.is_healed, "the fault is over")
    assert injection.heal() > 0
