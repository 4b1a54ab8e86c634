"""The load of one site by clients of one kind, in place of `ledger load`: same records, same history.

It keeps the pace whatever the answers do, so an outage delays no later send and hides nothing, and
notes each send before the client is asked. SIGTERM ends the sending: what is still under way has
--settle-seconds; then members commit, leave, and `stage end` is written."""

import argparse
import base64
import pathlib
import random
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from failover.clients.book import Book, make_value  # noqa: E402
from failover.clients.voices import partition_of, voice_of  # noqa: E402

READY_S = 60
LEAVE_S = 20
ASK_S = 5
REPLICAS = 3
STEP_S = 0.02
SIZE_BYTES = (100, 300)
KEYS = 100
WITHOUT_KEY = 8  # one of so many
TIMED = ".members"  # the suffix of what is not judged


def read_options(argv):
    parser = argparse.ArgumentParser(prog="keeper", description="a load by clients of one kind")
    for name in ("client", "says", "site", "tag", "topic", "bootstrap", "group-prefix"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--history", required=True, type=pathlib.Path)
    for name in ("seed", "partitions", "producers", "members", "rate", "settle-seconds"):
        parser.add_argument(f"--{name}", required=True, type=int)
    parser.add_argument("--timed-members", action="store_true",
                        help="what they read goes to a file beside the history, which is not judged")
    return parser.parse_args(argv)


def prepare_topic(options):
    """Whether it is there with leaders of all its partitions; several keepers may be at it."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient, NewTopic
    admin = AdminClient({"bootstrap.servers": options.bootstrap})
    give_up_at = time.monotonic() + READY_S
    while time.monotonic() < give_up_at:
        try:
            known = admin.list_topics(timeout=ASK_S).topics  # of all: asked for, it would be made
            if options.topic in known:
                if all(one.leader >= 0 for one in known[options.topic].partitions.values()):
                    return True
            else:
                admin.create_topics([NewTopic(options.topic, options.partitions, REPLICAS)])[
                    options.topic].result(ASK_S)
        except KafkaException:
            pass  # somebody else made it, or nobody answers yet
        time.sleep(STEP_S)
    return False


class Producer:
    def __init__(self, index, options):
        self.index = index
        self.name = f"{options.site}-{options.tag}-producer-{index}"
        self.chance = random.Random(f"{options.seed} {self.name}")
        self.partition = partition_of(index, options)
        self.pace_s = options.producers / options.rate
        self.next_at = time.monotonic() + self.pace_s * (1 + index / options.producers)
        self._number = 0

    def record(self):
        """(key or None, value)"""
        self._number += 1
        key = None if self.chance.randrange(WITHOUT_KEY) == 0 else f"k{self.chance.randrange(KEYS)}"
        name = f"{self.name}-{self._number}"
        return key, make_value(name, self.chance.randint(*SIZE_BYTES), self.chance)


class Keeper:
    def __init__(self, options):
        self.options = options
        self.ends = threading.Event()
        self._ready = threading.Event()
        self.book = self._book(options.history)
        self.members_book = (self._book(options.history.with_suffix(TIMED)) if options.timed_members
                             else self.book)
        self._polled = {}  # member: what its poll has brought so far

    def _book(self, path):
        options = self.options
        return Book(path, options.seed, options.site, options.tag, options.topic)

    def run(self):
        """The exit status."""
        options = self.options
        if not prepare_topic(options):
            print(f"keeper: the topic {options.topic} is not there, or has no leaders", file=sys.stderr)
            return 1
        self.book.topic_is_there(options.partitions)
        members = [self._member(index) for index in range(options.members)]
        for name, group in members:
            self.members_book.begin(name, "consumer", options.says, group=group)
        self._members = members
        self.voice = voice_of(options.client)(options.client, options, self.take)
        if not self._ready.wait(READY_S):
            print(f"keeper: {options.client} is not ready after {READY_S} s", file=sys.stderr)
            return 1
        producers = [Producer(index, options) for index in range(options.producers)]
        for producer in producers:
            self.book.begin(producer.name, "producer", options.says, idempotent=1)
        self.book.stage("load")
        is_whole = self._send_until_told(producers)
        self._settle()
        is_whole &= self.voice.end(LEAVE_S)
        self.book.close()
        if self.members_book is not self.book:
            self.members_book.close()
        return 0 if is_whole else 1

    def _member(self, index):
        options = self.options
        return (f"{options.site}-{options.tag}-member-{index}", f"{options.group_prefix}{index}")

    def _send_until_told(self, producers):
        """False when a client ended by itself."""
        while not self.ends.wait(STEP_S):
            if self.voice.has_ended():
                print(f"keeper: {self.options.client} ended by itself", file=sys.stderr)
                return False
            now = time.monotonic()
            for producer in producers:
                if producer.next_at <= now:
                    self._send(producer)
        return True

    def _send(self, producer):
        key, value = producer.record()
        producer.next_at = max(producer.next_at + producer.pace_s, time.monotonic() - 1)
        partition = producer.partition if self.voice.fixed_partition else -1
        number = self.book.send(producer.name, partition, key, value)
        try:
            self.voice.send(producer.index, number, partition, key, value)
        except BrokenPipeError:
            pass  # its fate is unknown; that the client has ended is seen next

    def _settle(self):
        self.book.stage("settle")
        give_up_at = time.monotonic() + self.options.settle_seconds
        while self.book.open_sends and time.monotonic() < give_up_at:
            time.sleep(STEP_S)

    # ---- what clients say -----------------------------------------------------------------------
    def take(self, at_us, kind, words):
        getattr(self, f"_take_{kind}")(at_us, words)

    def _take_ready(self, _at_us, _words):
        self._ready.set()

    def _take_ok(self, at_us, words):
        number, partition, offset = map(int, words)
        self.book.send_end(number, "ok", at_us, partition, max(offset, -1))

    def _take_fail(self, at_us, words):
        self.book.send_end(int(words[0]), "fail", at_us, error=" ".join(words[1:]) or "unknown")

    def _take_unknown(self, at_us, words):
        self.book.send_end(int(words[0]), "unknown", at_us, error=" ".join(words[1:]) or "unknown")

    def _take_assign(self, at_us, words):
        self.members_book.assign(*self._members[int(words[0])], at_us, map(int, words[1:]), True)

    def _take_revoke(self, at_us, words):
        self.members_book.assign(*self._members[int(words[0])], at_us, map(int, words[1:]), False)

    def _take_read(self, _at_us, words):
        member, partition, offset, key, value = words
        key = None if key == "-" else base64.b64decode(key).decode("ascii", "replace")
        self._polled.setdefault(int(member), []).append(
            (int(partition), int(offset), key, base64.b64decode(value)))

    def _take_polled(self, at_us, words):
        records = self._polled.pop(int(words[0]), [])
        if records:
            self.members_book.poll(*self._members[int(words[0])], at_us, records)

    def _take_commit(self, at_us, words):
        offsets = dict(map(int, word.split(":")) for word in words[2:])
        self.members_book.commit(*self._members[int(words[0])], at_us, int(words[1]), offsets)

    def _take_committed(self, at_us, words):
        self.members_book.commit_end(*self._members[int(words[0])], at_us, int(words[1]), words[2],
                             " ".join(words[3:]) or None)


def main():
    keeper = Keeper(read_options(sys.argv[1:]))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: keeper.ends.set())
    return keeper.run()


if __name__ == "__main__":
    sys.exit(main())
