"""What a link was asked to do is what packets meet. Bounds are wide: machines are busy."""
import os
import signal
import statistics
import subprocess

import pytest
from places import Way, stream
from traces import processes_with
from testbed.lab import Refused
from testbed.linux import has_ended

FULL_PACKET_BYTES = 1514


def test_each_direction_has_the_delay_that_was_asked_for(lab):
    """The quickest of some tells: what a busy machine does only adds to it."""
    lab.link("a", "b", one_way=True).set(delay_us=20_000)
    lab.link("b", "a", one_way=True).set(delay_us=5_000)
    with Way(lab, "a", "b") as there, Way(lab, "b", "a") as back:
        assert 0.95 < min(there.seconds_under_way(15)) / 0.020 < 1.5
        assert 0.95 < min(back.seconds_under_way(15)) / 0.005 < 1.5


def test_a_delay_between_two_sites_is_none_of_a_third(lab):
    lab.link("a", "b").set(delay_us=50_000)
    with Way(lab, "a", "c") as other, Way(lab, "a", 1) as inside:
        assert min(other.seconds_under_way(5)) < 0.025
        assert min(inside.seconds_under_way(5)) < 0.025


def test_jitter_spreads_the_delay(lab):
    with Way(lab, "a", "b") as way:
        lab.link("a", "b").set(delay_us=20_000, jitter_us=10_000)
        spread = statistics.pstdev(way.seconds_under_way(20))
        lab.link("a", "b").set(jitter_us=0)
        steady = statistics.pstdev(sorted(way.seconds_under_way(20))[:-3])
    assert spread > 2 * steady


@pytest.mark.parametrize("percent", [5, 20])
def test_loss_takes_its_share_of_packets_in_one_direction(lab, percent):
    lab.link("a", "b", one_way=True).set(loss_percent=percent)
    with Way(lab, "a", "b") as there, Way(lab, "b", "a") as back:
        lost = 1 - len(there.received_of(4000)) / 4000
        assert 0.6 < lost / (percent / 100) < 1.5
        assert len(back.received_of(500)) == 500


def test_duplication_doubles_its_share_of_packets(lab):
    lab.link("a", "b", one_way=True).set(duplicate_percent=20)
    with Way(lab, "a", "b") as way:
        received = way.received_of(3000)
    assert set(received) == set(range(3000)), "nothing may get lost"
    assert 0.6 < (len(received) / 3000 - 1) / 0.20 < 1.5


def bytes_per_packet(lab, size_bytes):
    """On the wire from a to b, of a stream."""
    def counted():
        text = subprocess.run(lab.command_in("router-a", ["cat", "/proc/net/dev"]), check=True,
                              capture_output=True, text=True).stdout
        fields = next(line for line in text.splitlines() if "to-b:" in line).split(":")[1].split()
        return int(fields[8]), int(fields[9])

    before = counted()
    client, server = stream(lab, "a", "b")
    with client, server:
        sent = received = 0
        while sent < size_bytes:
            client.sendall(bytes(65_536))
            sent += 65_536
            while received < sent:
                received += len(server.recv(1 << 20))
    after = counted()
    return (after[0] - before[0]) / (after[1] - before[1])


@pytest.mark.parametrize("setting", ["loss_percent", "duplicate_percent"])
def test_a_lossy_link_carries_packets_not_trains_of_them(lab, setting):
    assert bytes_per_packet(lab, 4 << 20) > 2 * FULL_PACKET_BYTES, "else this test shows nothing"
    lab.link("a", "b", one_way=True).set(**{setting: 0.01})
    assert bytes_per_packet(lab, 4 << 20) <= FULL_PACKET_BYTES


def test_a_rate_holds_packets_back(lab):
    lab.link("a", "b", one_way=True).set(rate_bits=5_000_000)
    with Way(lab, "a", "b") as way:
        arrived = way.arrivals(200, 1200)
        bits = 8 * sum(size + 42 for size, _ in arrived[5:])
        assert 0.6 < bits / (arrived[-1][1] - arrived[4][1]) / 5_000_000 < 1.6
        lab.link("a", "b").set(rate_bits=0)
        assert len(way.received_of(200, 1200)) == 200


def test_settings_add_up_and_are_shown(lab):
    lab.link("a", "c").set(delay_us=3_000)
    lab.link("a", "c", one_way=True).set(loss_percent=1.5)
    there, back = lab.link("a", "c").settings()
    assert (there["delay_us"], there["loss_percent"]) == (3_000, 1.5)
    assert (back["delay_us"], back["loss_percent"]) == (3_000, 0)


def test_settings_can_be_put_back(lab):
    link = lab.link("a", "b")
    link.set(delay_us=1_000)
    before = link.settings()
    link.set(delay_us=9_000, loss_percent=3)
    link.put_back(before)
    assert link.settings() == before


@pytest.mark.parametrize("changes", [{"delay_us": -1}, {"loss_percent": 101}, {"rate_bits": 5},
                                     {"colour": 1}, {"delay_us": "5"}])
def test_what_makes_no_sense_is_refused_and_changes_nothing(lab, changes):
    before = lab.status()["links"]
    with pytest.raises(Refused):
        lab.link("a", "b").set(**{"jitter_us": 7, **changes})
    assert lab.status()["links"] == before


def test_a_link_of_a_site_to_itself_or_nobody_is_refused(lab):
    with pytest.raises(Refused, match="no link"):
        lab.link("a", "a").set(delay_us=1)
    with pytest.raises(Refused, match="no link"):
        lab.link("a", "z").set(delay_us=1)


def test_the_end_of_wand_is_shown_and_the_next_change_starts_another(lab):
    lab.link("a", "b", one_way=True).set(delay_us=10_000)
    found = processes_with(f"{lab.folder}/wand-a")
    assert found, "without netem, wand holds the packets"
    ended = os.pidfd_open(found[0])
    os.kill(found[0], signal.SIGKILL)
    assert has_ended(ended, 10)
    os.close(ended)
    assert "wand of site a" in lab.status()["troubles"][0]
    lab.link("a", "b", one_way=True).set(delay_us=20_000)
    assert lab.status()["troubles"] == []
    with Way(lab, "a", "b") as way:
        assert statistics.median(way.seconds_under_way(5)) > 0.019
