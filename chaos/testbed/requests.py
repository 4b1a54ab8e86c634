"""What the keeper can be asked, one function each; `requests` below is the whole list."""
import json
import signal
import time
from dataclasses import dataclass
from typing import Callable

from . import formation
from .shape import Refused

WAIT_SECONDS_MAX = 3600


@dataclass
class Answer:
    message: dict
    is_last: bool = False                           # the lab ends after it
    by_child: Callable[[], dict] | None = None      # takes long: a process of its own finds it


@dataclass
class Later:
    """An answer that is there when `result` is no longer None, or when time is up."""
    result: Callable[[], object]
    give_up_at: float
    sentence: str

    def message(self) -> dict | None:
        found = self.result()
        if found is not None:
            return {"result": found}
        return {"refused": self.sentence} if time.monotonic() >= self.give_up_at else None


def answer(lab, line: bytes) -> Answer | Later:
    """Never raises: a request that makes no sense is refused."""
    try:
        asked = json.loads(line)
        act = requests.get(asked.get("do"))
        if act is None:
            raise Refused(f"the lab can't do {asked.get('do')!r}")
        given = act(lab, asked)
        return given if isinstance(given, (Answer, Later)) else Answer({"result": given})
    except (Refused, OSError) as error:
        return Answer({"refused": str(error)})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return Answer({"refused": f"not understood: {error!r}"})


def _status(lab, _):
    return lab.describe()


def _where(lab, asked):
    """The network namespace of a place; None where there are none."""
    return lab.namespace_of(str(asked["place"]))


def _down(_, __):
    return Answer({"result": None}, is_last=True)


def _start_node(lab, asked):
    life = lab.life(asked["node"])
    life.start()
    return life.describe()


def _signal_node(lab, asked):
    life = lab.life(asked["node"])
    life.signal(signal.Signals(asked["signal"]))
    return None


def _wait_until_ended(lab, asked):
    life = lab.life(asked["node"])
    seconds = min(float(asked["seconds"]), WAIT_SECONDS_MAX)
    return Later(lambda: None if life.is_alive else life.describe(), time.monotonic() + seconds,
                 f"{life.what} has not ended in {seconds:g} s")


def _wait_until_formed(lab, asked):
    seconds = min(float(asked["seconds"]), WAIT_SECONDS_MAX)
    return Answer({}, by_child=lambda: formation.wait_until_formed(lab, seconds))


def _set_clock(lab, asked):
    lab.node_life(asked["node"]).set_wall_clock_offset(float(asked["seconds"]))


def _directions(asked) -> list[tuple[str, str]]:
    return [(str(source), str(target)) for source, target in asked["directions"]]


def _change_links(lab, asked):
    lab.network_only("links between sites").change(_directions(asked), dict(asked["changes"]))


def _cut(lab, asked):
    return lab.network_only("cuts").add_cuts(asked["cuts"])


def _restore(lab, asked):
    """Cuts by number, those of links by direction, or all."""
    wan = lab.network_only("cuts")
    numbers = list(asked.get("numbers", []))
    if "directions" in asked:
        numbers += wan.link_cuts(_directions(asked))
    wan.remove_cuts(wan.all_cuts() if asked.get("all") else numbers)


requests = {
    "status": _status, "where": _where, "down": _down,
    "start_node": _start_node, "signal_node": _signal_node, "set_clock": _set_clock,
    "wait_until_ended": _wait_until_ended, "wait_until_formed": _wait_until_formed,
    "change_links": _change_links, "cut": _cut, "restore": _restore,
}
