"""What the disk alone makes of it: small synced writes as of a WAL, with and without reads beside them
that come from the disk as consumers far behind make them. No node has a part in it."""
import os
import statistics
import threading
import time

WRITES_PER_SECOND = 300
WRITE_BYTES = 4096
WRITTEN_BYTES = 16 << 20  # the file, written round and round
READ_BYTES = 512 << 10


class Reader:
    """Reads these files from the disk, all together so many bytes a second."""

    def __init__(self, paths, bytes_per_second):
        self.paths = paths
        self.pause_s = READ_BYTES / bytes_per_second
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        files = [os.open(path, os.O_RDONLY) for path in self.paths]
        for file in files:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        turn, next_at = 0, time.monotonic()
        while not self.is_over.is_set():
            os.pread(files[turn % len(files)], READ_BYTES, turn // len(files) * READ_BYTES)
            turn += 1
            next_at += self.pause_s
            self.is_over.wait(max(next_at - time.monotonic(), 0))
        for file in files:
            os.close(file)

    def stop(self):
        self.is_over.set()
        self.thread.join()


def prepare(path):
    with open(path, "wb") as file:
        file.write(bytes(WRITTEN_BYTES))
        os.fsync(file.fileno())


def sync_p99_ms(path, seconds):
    """Of a write and its sync."""
    taken, block = [], bytes(WRITE_BYTES)
    file = os.open(path, os.O_WRONLY)
    try:
        until = time.monotonic() + seconds
        while (since := time.monotonic()) < until:
            os.pwrite(file, block, len(taken) * WRITE_BYTES % WRITTEN_BYTES)
            os.fdatasync(file)
            took_s = time.monotonic() - since
            taken.append(took_s * 1000)
            time.sleep(max(1 / WRITES_PER_SECOND - took_s, 0))
    finally:
        os.close(file)
    return statistics.quantiles(taken, n=100)[98]
