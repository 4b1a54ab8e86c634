"""wand between two namespaces: what really arrives, when, and in which order. Needs root."""
import os
import socket
import threading
import time

import pytest

from wand_link import Link, wait_until

PROGRAM = os.path.abspath("build/release/wand")
DELAY_US = 50_000

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and NFQUEUE need root")


@pytest.fixture
def link():
    with Link(PROGRAM) as made:
        yield made


def send_numbers(end, first, count):
    for number in range(first, first + count):
        end.send(number.to_bytes(4, "big"))


def receive_numbers(end, count):
    return [int.from_bytes(end.recv(64), "big") for _ in range(count)]


def round_trips_us(left, right, count):
    times = []
    for number in range(count):
        start = time.monotonic_ns()
        send_numbers(left, number, 1)
        assert receive_numbers(right, 1) == [number]
        send_numbers(right, number, 1)
        assert receive_numbers(left, 1) == [number]
        times.append((time.monotonic_ns() - start) / 1000)
    return sorted(times)


def test_each_direction_has_its_own_delay(link):
    left, right = link.datagram_sockets()
    base_us = round_trips_us(left, right, 10)[5]
    link.set("there", delay_us=DELAY_US)
    one_way_us = round_trips_us(left, right, 10)
    link.set("back", delay_us=DELAY_US)
    both_ways_us = round_trips_us(left, right, 10)
    assert one_way_us[0] >= DELAY_US and both_ways_us[0] >= 2 * DELAY_US
    assert base_us < DELAY_US / 2
    assert 1.5 < (both_ways_us[5] - base_us) / (one_way_us[5] - base_us) < 2.5


def test_order_is_kept_under_jitter(link):
    left, right = link.datagram_sockets()
    link.set("there", delay_us=20_000, jitter_us=20_000)
    send_numbers(left, 0, 500)
    assert receive_numbers(right, 500) == list(range(500))


def test_packets_overtake_when_reorder_is_set(link):
    left, right = link.datagram_sockets()
    link.set("there", delay_us=20_000, jitter_us=20_000, reorder=1)
    send_numbers(left, 0, 500)
    numbers = receive_numbers(right, 500)
    assert sorted(numbers) == list(range(500)) and numbers != list(range(500))


def test_what_is_held_keeps_its_time_and_its_place_when_the_delay_changes(link):
    left, right = link.datagram_sockets()
    link.set("there", delay_us=300_000)
    start = time.monotonic()
    send_numbers(left, 0, 20)
    wait_until(lambda: link.count("there", "held") == 20, "20 packets held")
    link.set("there", delay_us=0)
    send_numbers(left, 20, 20)
    assert receive_numbers(right, 40) == list(range(40))
    assert time.monotonic() - start >= 0.3


def test_the_end_of_wand_releases_what_it_holds(link):
    left, right = link.datagram_sockets()
    link.set("there", delay_us=60_000_000)
    send_numbers(left, 0, 100)
    wait_until(lambda: link.count("there", "held") == 100, "100 packets held")
    assert link.end_wand() == 0
    assert receive_numbers(right, 100) == list(range(100))
    send_numbers(left, 100, 1)  # without wand the rule lets packets pass
    assert receive_numbers(right, 1) == [100]
    assert not os.path.exists(link.control)


def test_packets_beyond_the_bound_are_dropped_and_counted():
    with Link(PROGRAM, "--packets-max", "50") as link:
        left, right = link.datagram_sockets()
        link.set("there", delay_us=300_000)
        send_numbers(left, 0, 80)
        wait_until(lambda: link.count("there", "dropped") == 30, "30 packets dropped")
        assert link.count("there", "held_max") == 50
        assert receive_numbers(right, 50) == list(range(50))


def test_loss_takes_its_share(link):
    left, right = link.datagram_sockets()
    link.set("there", loss_percent=20)
    send_numbers(left, 0, 2000)
    wait_until(lambda: link.count("there", "lost") + link.count("there", "passed") == 2000,
               "2,000 packets judged")
    assert 300 < link.count("there", "lost") < 500
    assert len(receive_numbers(right, link.count("there", "passed"))) > 0


def test_a_stream_gets_through_whole(link):
    size_bytes = 20 << 20
    for name in ("there", "back"):
        link.set(name, delay_us=5_000, jitter_us=2_000)
    left, right = link.stream_sockets(16 << 20)
    data = os.urandom(1 << 20) * (size_bytes >> 20)
    sender = threading.Thread(target=lambda: (left.sendall(data), left.close()), daemon=True)
    sender.start()
    received = bytearray()
    while chunk := right.recv(1 << 20):
        received += chunk
    sender.join()
    assert received == data
    assert link.count("there", "dropped") == 0


def test_clients_are_bounded_and_told_what_is_wrong(link):
    assert link.say("set nowhere delay_us=1").startswith("error nowhere ")
    assert link.say("x" * 300).startswith("error ")
    clients = []
    for _ in range(16):
        client = socket.socket(socket.AF_UNIX)
        client.connect(link.control)
        client.sendall(b"show\n")
        assert client.recv(65536).endswith(b"ok\n")
        clients.append(client)
    assert link.say("show").startswith("error too many clients")
    clients.pop().close()
    wait_until(lambda: link.say("show").endswith("ok\n"), "a place for another client")


def test_a_second_wand_is_refused_and_leaves_the_first_alone(link):
    with pytest.raises(RuntimeError):
        link.in_router(PROGRAM, "--control", link.control + "2", "--queue", "1=there")
    assert not os.path.exists(link.control + "2")
    assert link.say("show").endswith("ok\n")


def test_only_a_dead_socket_is_replaced(link):
    dead = link.control + "-dead"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(dead)
    somebodys = link.control + "-file"
    open(somebodys, "w").close()
    command = [PROGRAM, "--queue", "9=other", "--control"]
    for path in (link.control, somebodys):
        with pytest.raises(RuntimeError, match="in use"):
            link.in_router(*command, path)
    assert os.path.exists(somebodys) and link.say("show").endswith("ok\n")
    other = link.start_in_router(*command, dead)
    wait_until(lambda: is_listening(dead), "the other one took the dead one's place")
    other.terminate()
    assert other.wait(10) == 0 and not os.path.exists(dead)


def is_listening(path):
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0
