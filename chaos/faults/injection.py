"""A fault in force, as the driver of a run holds it.

    with catalogue.make("kill-leader").inject(lab, seconds=20) as injection:
        print(injection.at_us, injection.target.words)
    injection.healed_at_us

It ends with heal(), with the `with` block, at its deadline, or with the driver's process.
"""
import json
import os
import select
import subprocess
import sys
import threading
import time

from .fault import Fault, HealFailed, Impossible, Target

BEGIN_SECONDS_MAX = 60
HEAL_SECONDS_MAX = 60
PACKAGE = os.path.dirname(os.path.abspath(__file__))


class Injection:
    def __init__(self, fault: Fault, lab, target: str | None, seconds: float | None, seed: int):
        self.fault = fault
        self.seconds = fault.seconds if seconds is None else seconds
        self.healed_at_us: int | None = None
        self.ended_by = ""              # asked, deadline, over (it had an end of its own), …
        self.told: dict = {}            # by the fault, once it is healed: see fault.py
        self._lock = threading.Lock()   # several threads may heal
        self._trouble = ""              # what could not be healed
        self._process = subprocess.Popen(
            [sys.executable, "-B", PACKAGE, "perform"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, start_new_session=True)
        self._begin({"fault": fault.name, "options": fault.values, "lab": lab.name,
                     "folder": os.path.dirname(lab.folder), "target": target,
                     "seconds": self.seconds, "seed": seed, "driver": os.getpid()})

    def _begin(self, asked: dict) -> None:
        try:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._receive(BEGIN_SECONDS_MAX)
        except (BrokenPipeError, TimeoutError) as error:
            self._end()
            raise Impossible(f"{self.fault.name}: {error}") from error
        except BaseException:
            self._end()
            raise
        if "refused" in answer:
            self._end()
            raise Impossible(f"{self.fault.name}: {answer['refused']}")
        self.at_us: int = answer["at_us"]
        self.target = Target(answer["target"], tuple(answer["nodes"]), tuple(answer["sites"]),
                             answer["is_one_node"])

    def _receive(self, seconds: float) -> dict:
        """The performer's next line."""
        give_up_at = time.monotonic() + seconds
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([self._process.stdout], [], [],
                                 max(give_up_at - time.monotonic(), 0))[0]:
                raise TimeoutError(f"its performer did not answer in {seconds:g} s")
            piece = os.read(self._process.stdout.fileno(), 65_536)
            if not piece:
                raise BrokenPipeError("its performer has died")
            line += piece
        return json.loads(line)

    def _end(self) -> None:
        """Closing its input is asking it to heal."""
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self._process.wait(HEAL_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            self._trouble = f"its performer did not heal it in {HEAL_SECONDS_MAX} s"
        self._process.stdout.close()

    # ---- what can be asked of it -----------------------------------------------------------

    @property
    def is_healed(self) -> bool:
        """Is it over, by whatever means?"""
        return self._process.poll() is not None

    def heal(self) -> int:
        """Returns the instant right before it was taken back, in monotonic microseconds. Healing
        again, or after the deadline, changes nothing. Raises HealFailed."""
        with self._lock:
            if self.healed_at_us is None and not self._trouble:
                self._heal()
        if self._trouble:
            raise HealFailed(f"{self.fault.name}: {self._trouble}")
        return self.healed_at_us

    def _heal(self) -> None:
        try:
            self._process.stdin.write(b"heal\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it was over already; its last line says when
        try:
            answer = self._receive(HEAL_SECONDS_MAX)
            self.healed_at_us, self.ended_by = answer["healed_at_us"], answer["why"]
            self._trouble, self.told = answer["trouble"], answer["told"]
        except (TimeoutError, BrokenPipeError) as error:
            self._trouble = f"{error}: what it broke may stay broken until the lab ends"
        self._end()

    def wait(self, seconds: float) -> bool:
        """Until it is over by itself; False when it is not within that time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def describe(self) -> str:
        state = "healed" if self.is_healed else f"until {self.seconds:g} s after it began"
        return f"{self.fault.describe()}: {self.target.words}, {state}"

    def __enter__(self) -> "Injection":
        return self

    def __exit__(self, *_) -> None:
        self.heal()
