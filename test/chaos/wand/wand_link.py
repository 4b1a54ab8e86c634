"""A link that wand makes long: two ends and a router between them, in namespaces of their own.

    left ---- router ---- right        what goes to the right is queue 1, "there",
                                       what goes to the left is queue 2, "back"

Sockets are made by a thread that enters an end's namespace; a socket stays where it was made,
so that one process holds both ends and measures with one clock. Needs root.
"""
import ctypes
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time

CLONE_NEWNET = 0x40000000
WAIT_SECONDS_MAX = 10
LEFT, RIGHT = "10.219.1.2", "10.219.2.2"
libc = ctypes.CDLL(None, use_errno=True)


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def in_namespace(name, work):
    """What work() returns or raises, run by a thread that is in the namespace."""
    outcome = {}

    def enter_and_work():
        try:
            with open(f"/run/netns/{name}") as namespace:
                if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {name}")
            outcome["result"] = work()
        except Exception as error:
            outcome["error"] = error

    thread = threading.Thread(target=enter_and_work, daemon=True)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]


def wait_until(is_so, what):
    end = time.monotonic() + WAIT_SECONDS_MAX
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.002)


class Link:
    """`with Link(program, …) as link:` builds it, starts wand and removes everything."""

    def __init__(self, program, *options):
        self.program, self.options = program, options
        self.prefix = f"wand{os.getpid()}"
        self.left, self.router, self.right = (f"{self.prefix}{end}" for end in "lmr")
        self.folder = tempfile.TemporaryDirectory(prefix="wand-")
        self.control = f"{self.folder.name}/control"
        self.wand = None

    def __enter__(self):
        try:
            self.build()
            self.start_wand()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.wand is not None and self.wand.poll() is None:
            self.wand.kill()
            self.wand.wait()
        for name in (self.left, self.router, self.right):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        self.folder.cleanup()

    def build(self):
        for name in (self.left, self.router, self.right):
            run("ip", "netns", "add", name)
        for number, end in ((1, self.left), (2, self.right)):
            run("ip", "link", "add", "eth0", "netns", end, "type", "veth",
                "peer", "name", f"to{number}", "netns", self.router)
            run("ip", "-n", end, "address", "add", f"10.219.{number}.2/24", "dev", "eth0")
            run("ip", "-n", end, "link", "set", "eth0", "up")
            run("ip", "-n", end, "route", "add", "default", "via", f"10.219.{number}.1")
            run("ip", "-n", self.router, "address", "add", f"10.219.{number}.1/24",
                "dev", f"to{number}")
            run("ip", "-n", self.router, "link", "set", f"to{number}", "up")
        self.in_router("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        for queue, device in ((1, "to2"), (2, "to1")):
            self.in_router("iptables", "-t", "mangle", "-A", "FORWARD", "-o", device,
                           "-j", "NFQUEUE", "--queue-num", str(queue), "--queue-bypass")

    def in_router(self, *words):
        return run("ip", "netns", "exec", self.router, *words)

    def start_in_router(self, *words):
        return subprocess.Popen(["ip", "netns", "exec", self.router, *words])

    def start_wand(self):
        self.wand = self.start_in_router(self.program, "--control", self.control, "--queue",
                                         "1=there", "--queue", "2=back", *self.options)
        wait_until(lambda: os.path.exists(self.control) or self.wand.poll() is not None,
                   "no control socket")
        if self.wand.poll() is not None:
            raise RuntimeError(f"wand ended with {self.wand.returncode}")

    def end_wand(self):
        self.wand.send_signal(signal.SIGTERM)
        return self.wand.wait(WAIT_SECONDS_MAX)

    def say(self, line):
        """The whole answer to one command."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(WAIT_SECONDS_MAX)
            connection.connect(self.control)
            try:
                connection.sendall(line.encode() + b"\n")
            except BrokenPipeError:
                pass  # closed before we spoke; what it said then is to be read
            answer = b""
            while not (answer.endswith(b"ok\n") or answer.startswith(b"error") and
                       answer.endswith(b"\n")):
                chunk = connection.recv(65536)
                if not chunk:
                    break
                answer += chunk
        return answer.decode()

    def set(self, name, **fields):
        words = " ".join(f"{field}={value}" for field, value in fields.items())
        answer = self.say(f"set {name} {words}")
        if answer != "ok\n":
            raise RuntimeError(answer)

    def count(self, name, field):
        words = self.say(f"show {name}").split("\n")[0].split(" ")
        return int(dict(word.split("=") for word in words[1:])[field])

    def datagram_sockets(self, buffer_bytes=1 << 20):
        """(left, right): what the one sends comes out of the other."""
        left = in_namespace(self.left, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        right = in_namespace(self.right, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        for end in (left, right):
            end.settimeout(WAIT_SECONDS_MAX)
            end.setsockopt(socket.SOL_SOCKET, 33, buffer_bytes)  # SO_RCVBUFFORCE
        right.bind((RIGHT, 0))
        left.bind((LEFT, 0))
        left.connect(right.getsockname())
        right.connect(left.getsockname())
        return left, right

    def stream_sockets(self, buffer_bytes):
        """(left, right) of a TCP connection."""
        def sized(end):
            end.setsockopt(socket.SOL_SOCKET, 32, buffer_bytes)  # SO_SNDBUFFORCE
            end.setsockopt(socket.SOL_SOCKET, 33, buffer_bytes)
            return end
        listener = sized(in_namespace(self.right, socket.socket))
        listener.bind((RIGHT, 0))
        listener.listen(1)
        left = sized(in_namespace(self.left, socket.socket))
        left.settimeout(WAIT_SECONDS_MAX)
        left.connect(listener.getsockname())
        right, _ = listener.accept()
        listener.close()
        return left, right
