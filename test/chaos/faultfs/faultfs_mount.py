"""A mounted faultfs for a test: started, asked, and gone at the end whatever happened."""

import os
import pathlib
import select
import shlex
import signal
import socket
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("FAULTFS") or str(ROOT / "build" / "release" / "faultfs")
WAIT_S = 60


def why_not():
    """Why nothing can be mounted here; empty when it can."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "needs /dev/fuse"
    return "" if os.geteuid() == 0 else "needs root"


class Refused(Exception):
    """faultfs answered `error …`."""


class Mount:
    """One folder and its mount. A context: unmounted at its end."""

    def __init__(self, folder, *options, seed=1):
        self.backing = folder / "backing"
        self.path = folder / "mount"
        self.control = folder / "control"
        self.options = ["--seed", str(seed), *options]
        self.process = None
        self.connection = None
        self.answers = None

    def __enter__(self):
        self.backing.mkdir(parents=True, exist_ok=True)
        self.path.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [PROGRAM, str(self.backing), str(self.path), "--control", str(self.control),
             *self.options], stdout=subprocess.PIPE)
        try:
            self._wait_mounted()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait_mounted(self):
        readable, _, _ = select.select([self.process.stdout], [], [], WAIT_S)
        line = self.process.stdout.readline().decode() if readable else ""
        assert " is mounted on " in line, f"faultfs said {line!r}"
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(WAIT_S)
        self.connection.connect(str(self.control))
        self.answers = self.connection.makefile("r")

    def __exit__(self, *_):
        for opened in (self.answers, self.connection):
            if opened is not None:
                opened.close()
        if self.process.poll() is None:
            self.end()
        self.process.stdout.close()
        if os.path.ismount(self.path):
            subprocess.run(["umount", "--lazy", str(self.path)], check=False)

    def end(self):
        """Asks it to end; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def send(self, command):
        self.connection.sendall(command.encode() + b"\n")

    def answer(self):
        """The next answer's `name=value` as a dict of lists, since a name may come again."""
        line = self.answers.readline()
        if not line:
            raise ConnectionError("faultfs hung up")
        kind, *rest = shlex.split(line)
        if kind != "ok":
            raise Refused(line.strip())
        values = {}
        for word in rest:
            name, _, value = word.partition("=")
            values.setdefault(name, []).append(value)
        return values

    def ask(self, command):
        self.send(command)
        return self.answer()

    def status(self, name):
        return self.ask("status")[name][0]

    def lose_power(self, options="keep=none"):
        """A cut and power again; what the cut answered."""
        answer = self.ask(f"power-cut {options}")
        self.ask("power-on")
        return {name: int(values[0]) for name, values in answer.items()}


def sync_folder(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(path, content):
    """A file that survives: its bytes, and its name."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)
