#!/usr/bin/python3 -B
"""Measures wand: how exactly it delays, and what a gigabit costs.

    test/chaos/wand/probe.py build/release/wand delay [--delay-us 25000] [--packets 2000]
    test/chaos/wand/probe.py build/release/wand load  [--mbit 1000] [--seconds 5]

Needs root. One process holds both ends, so that one clock measures the way there.
"""
import argparse
import os
import struct
import threading
import time

from wand_link import Link


def one_way_us(left, right, packets, pause_seconds):
    """The times that packets took from the left to the right, sorted."""
    times = []

    def receive():
        for _ in range(packets):
            sent_ns, = struct.unpack("q", right.recv(64))
            times.append((time.monotonic_ns() - sent_ns) / 1000)

    receiver = threading.Thread(target=receive, daemon=True)
    receiver.start()
    for _ in range(packets):
        left.send(struct.pack("q", time.monotonic_ns()))
        time.sleep(pause_seconds)
    receiver.join()
    return sorted(times)


def report_delay(link, options):
    left, right = link.datagram_sockets()
    base = None
    for delay_us in (0, options.delay_us):
        link.set("there", delay_us=delay_us)
        times = one_way_us(left, right, options.packets, 0.001)
        p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
        base = p50 if base is None else base
        print(f"delay {delay_us} us: one way p50 {p50:.0f} us, p99 {p99:.0f} us, "
              f"max {times[-1]:.0f} us; p50 above no delay {p50 - base:.0f} us")


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def send_paced(left, bytes_per_second, seconds):
    chunk = bytes(256 * 1024)
    start, sent = time.monotonic(), 0
    while time.monotonic() - start < seconds:
        left.sendall(chunk)
        sent += len(chunk)
        ahead = sent / bytes_per_second - (time.monotonic() - start)
        if ahead > 0:
            time.sleep(ahead)
    left.close()


def report_load(link, options):
    for name in ("there", "back"):
        link.set(name, delay_us=options.delay_us)
    left, right = link.stream_sockets(64 << 20)
    sender = threading.Thread(target=send_paced,
                              args=(left, options.mbit * 125_000, options.seconds), daemon=True)
    before, start, received = processor_seconds(link.wand.pid), time.monotonic(), 0
    sender.start()
    buffer = bytearray(1 << 20)
    while size := right.recv_into(buffer):
        received += size
    took, used = time.monotonic() - start, processor_seconds(link.wand.pid) - before
    sender.join()
    packets = link.count("there", "passed") + link.count("back", "passed")
    print(f"{received * 8 / took / 1e6:.0f} Mbit/s for {took:.1f} s, {options.delay_us} us each way: "
          f"wand used {100 * used / took:.1f} % of a core for {packets / took:.0f} packets/s")
    print(link.say("show there").splitlines()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("what", choices=("delay", "load"))
    parser.add_argument("--delay-us", type=int, default=25000)
    parser.add_argument("--packets", type=int, default=2000)
    parser.add_argument("--mbit", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    with Link(options.program) as link:
        (report_delay if options.what == "delay" else report_load)(link, options)


if __name__ == "__main__":
    main()
