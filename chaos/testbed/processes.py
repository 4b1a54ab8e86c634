"""Starting processes from the keeper, and learning how they ended.

The keeper is the only one here that forks; it runs a single thread. A child is told apart from
the many others by its host id: the process id outside the keeper's PID namespace, which the
child reads from the outer /proc before it becomes the program that was asked for.
"""
import os
import signal
import time

from . import linux
from .shape import Refused

COMMAND_SECONDS_MAX = 20
STOP_SECONDS_MAX = 1
OUTPUT_BYTES_MAX = 4000

# The programs of a lab live in sbin, which the PATH of a plain user lacks.
_PATH = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


class Child:
    """A process that the keeper started. `status` is None while it lives, then as Popen's."""

    def __init__(self, pid: int, host_pid: int):
        self.pid = pid
        self.host_pid = host_pid
        self.status: int | None = None

    def signal(self, number: int) -> None:
        """Of SIGSTOP it returns when all threads stand still, or have had time enough to."""
        if self.status is not None:
            return
        os.kill(self.pid, number)
        if number == signal.SIGSTOP:
            give_up_at = time.monotonic() + STOP_SECONDS_MAX
            while not self._stands_still() and time.monotonic() < give_up_at:
                time.sleep(0.0005)

    def _stands_still(self) -> bool:
        """Or has ended. The end is left for reap() to see."""
        wanted = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, wanted) is not None


class Processes:
    """All children. `host_proc`: a file descriptor of the /proc of the world outside."""

    def __init__(self, host_proc: int, has_pid_namespace: bool):
        self._host_proc = host_proc
        self._has_pid_namespace = has_pid_namespace
        self._children: dict[int, Child] = {}

    def start(self, argv: list[str], network: int | None = None, environment: dict | None = None,
              stdin: int | None = None, output: int | None = None) -> Child:
        """Raises Refused when the program can't be started."""
        report, told = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            self._become(argv, network, environment or {}, stdin, output, told)
        os.close(told)
        with os.fdopen(report, "rb") as file:
            host_pid, _, error = file.read().partition(b"\n")
        if error or not host_pid:
            os.waitpid(pid, 0)
            raise Refused(f"{argv[0]} can't be started: {error.decode()} (tools/need chaos "
                          "installs what a lab needs)")
        child = self._children[pid] = Child(pid, int(host_pid))
        return child

    def _become(self, argv, network, environment, stdin, output, told) -> None:
        """In the child: becomes the program, or says why not. Does not return."""
        try:
            if not self._has_pid_namespace:
                linux.end_with_parent()
            os.write(told, os.readlink("self", dir_fd=self._host_proc).encode() + b"\n")
            os.setsid()
            if network is not None:
                linux.enter_namespace(network, linux.CLONE_NEWNET)
            nothing = os.open("/dev/null", os.O_RDWR)
            for fd, wanted in enumerate((stdin, output, output)):
                os.dup2(nothing if wanted is None else wanted, fd)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.execvpe(argv[0], argv, {**os.environ, "PATH": _PATH, **environment})
        except OSError as error:
            os.write(told, str(error).encode())
        finally:
            os._exit(127)

    def fork(self, work) -> None:
        """`work` in a process of its own, which nobody waits for; it must end by itself."""
        if os.fork() != 0:
            return
        try:
            if not self._has_pid_namespace:
                linux.end_with_parent()
            signal.set_wakeup_fd(-1)
            work()
        finally:
            os._exit(0)

    def end_all(self) -> None:
        for child in self._children.values():
            child.signal(signal.SIGKILL)
        for child in list(self._children.values()):
            self.wait(child, COMMAND_SECONDS_MAX)

    def reap(self) -> None:
        """Notes every child that has ended, and forgets strangers (orphans of a PID namespace)."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is not None:
                child.status = os.waitstatus_to_exitcode(status)

    def run(self, commands: list[tuple[int | None, list[str], str]]) -> list[str]:
        """Runs (network, argv, text on stdin) side by side; returns what they wrote. Raises
        Refused with a command's words when it failed."""
        started = [self._start_command(*command) for command in commands]
        outputs = [self._finish_command(child, output) for child, output in started]
        for (_, argv, _), (child, _), text in zip(commands, started, outputs):
            if child.status != 0:
                raise Refused(f"{argv[0]} failed with {child.status}: {text.strip()}")
        return outputs

    def _start_command(self, network, argv, text) -> tuple[Child, int]:
        stdin, output = os.memfd_create("input"), os.memfd_create("output")
        os.write(stdin, text.encode())
        os.lseek(stdin, 0, os.SEEK_SET)
        try:
            return self.start(argv, network, stdin=stdin, output=output), output
        finally:
            os.close(stdin)

    def _finish_command(self, child: Child, output: int) -> str:
        self.wait(child, COMMAND_SECONDS_MAX)
        os.lseek(output, 0, os.SEEK_SET)
        with os.fdopen(output, "rb") as file:
            return file.read(OUTPUT_BYTES_MAX).decode(errors="replace")

    def wait(self, child: Child, seconds_max: float) -> None:
        """Until the child has ended; one that takes too long is killed."""
        if child.status is not None:
            return
        pidfd = os.pidfd_open(child.pid)
        try:
            if not linux.has_ended(pidfd, seconds_max):
                child.signal(signal.SIGKILL)
                linux.has_ended(pidfd, COMMAND_SECONDS_MAX)
        finally:
            os.close(pidfd)
        self.reap()
