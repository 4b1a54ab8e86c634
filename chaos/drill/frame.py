"""What every drill is held in: a history of its own, a load, a watch over it; and how these end.

    open ─▶ what the drill is about ─▶ end_load: settle, stop, final reads ─▶ judge ─▶ clean

Whatever goes wrong, the fault is healed and the clients are ended before the drill returns, and
what was written is judged: it may show why. A drill that could not be judged is not safe."""

from .chronicle import Chronicle, now_us
from .ground import GroundError
from .judge import JudgeError, judge
from .load import LoadError
from .observer import Observer


class Frame:
    """`hold` wants a `_play`: the story, which returns (verdict, why)."""

    def __init__(self, ground, programs, folder, seed, topic):
        self.ground, self.programs, self.folder = ground, programs, folder
        self.seed, self.topic = seed, topic
        self.figures, self.properties = {}, {}
        self.injury = None

    def open(self, ledgers):
        """Before anything else: what is written, by whom, and who watches."""
        self.chronicle = Chronicle(self.folder / "driver.jsonl", self.seed)
        self.ledgers = ledgers
        self.observer = Observer(self.ground.connections(), self.topic, self.chronicle)

    def hold(self):
        """(verdict, why)"""
        try:
            return self._play()
        except (LoadError, GroundError, JudgeError) as error:
            return "not judged", str(error)
        finally:
            self.clean()

    def clean(self):
        try:
            if self.injury is not None:
                self.injury.heal()
        except GroundError:
            pass  # what it broke is replaced with the lab
        self.observer.stop()
        self.ledgers.kill()
        self.chronicle.close()

    def wait_level(self, partitions, seconds, when=""):
        if self.observer.wait_level(partitions, seconds) is None:
            raise GroundError(f"not level within {seconds:g} s{when}: "
                              f"{self.observer.why_not_level(partitions)}")

    def end_load(self):
        """Returns the troubles that there were, each as (verdict, why)."""
        troubles = []
        self.stop_us = now_us()
        self.chronicle.stage("settle")
        for stage, act in ((None, self.ledgers.check_running), (None, self.ledgers.stop),
                           ("final", self.ledgers.read)):
            if stage is not None:
                self.observer.stop()
                self.chronicle.stage(stage)
            try:
                act()
            except LoadError as error:
                troubles.append(("not judged", str(error)))
        self.chronicle.close()
        return troubles

    def judge(self, troubles):
        """(verdict, why). A violation outweighs that something could not be judged, or is not
        back."""
        try:
            judgement = judge(self.programs.check, self.folder)
        except JudgeError as error:
            return (troubles + [("not judged", str(error))])[0]
        self.figures.update(judgement.figures)
        self.properties = judgement.properties
        if judgement.violations:
            return "unsafe", "; ".join(judgement.violations)
        return troubles[0] if troubles else ("safe", "")
