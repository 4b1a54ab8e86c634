"""Faults of the network: cuts, and links that delay, lose, double or choke. All need root.

What is cut vanishes silently, in a router. A fault takes back what it did and nothing else: cuts by
their own numbers, settings of a link by their own names, so that faults may overlap.
"""
from testbed.lab import LINK_SETTINGS, Cut, Lab, Link

from .fault import ROOT, Fault, Impossible, Scene, check_number

PERIOD_SECONDS_MIN = 0.05


class CutNode(Fault):
    """Every packet of the node, its site's clients included."""
    sentence = "a node hears and reaches nobody"
    needs = (ROOT,)

    def begin(self, scene: Scene) -> None:
        hold(scene, scene.lab.cut([{"what": "node", "names": [node], "direction": direction}
                                   for node in scene.target.nodes for direction in ("in", "out")]))


class CutSite(Fault):
    """Only the links: a site's own clients still reach its own nodes."""
    sentence = "a site hears and reaches no other"
    scope = "site"
    needs = (ROOT,)
    direction = "both"

    def begin(self, scene: Scene) -> None:
        for site in scene.target.sites:
            hold(scene, scene.lab.cut_site(site, self.direction))


class CutIn(CutSite):
    sentence = "a site hears no other; what it sends arrives"
    direction = "in"


class CutOut(CutSite):
    sentence = "a site hears the others; what it sends does not arrive"
    direction = "out"


class CutPair(Fault):
    sentence = "two sites hear nothing of each other, other sites hear both"
    scope = "pair"
    needs = (ROOT,)

    def begin(self, scene: Scene) -> None:
        hold(scene, scene.lab.cut_link(*scene.target.sites))


class CutOneWay(Fault):
    """Target a-b: b hears nothing of a."""
    sentence = "what one site sends does not reach another; what that one sends does arrive"
    scope = "pair"
    needs = (ROOT,)

    def begin(self, scene: Scene) -> None:
        hold(scene, scene.lab.cut_link(*scene.target.sites, one_way=True))


class CutClient(Fault):
    """Target a-b: the clients of a, the nodes of b; they may be the same: a-a is said as a."""
    sentence = "the clients of a site can't reach the nodes of another"
    scope = "pair"
    needs = (ROOT,)

    def begin(self, scene: Scene) -> None:
        hold(scene, scene.lab.cut_applications(*scene.target.sites))


def hold(scene: Scene, cut: Cut) -> None:
    """In a cut that has failed the lab leaves nothing behind, so it may come first."""
    scene.undo.add(cut.restore)


class Flap(Fault):
    """Half of the time there is a link: cut for half a period, whole for the other half."""
    sentence = "a site's links are cut and restored, {period_s:g} s each"
    scope = "site"
    needs = (ROOT,)
    options = {"period_s": 1.0}

    def check(self) -> None:
        check_number("period_s", self.values["period_s"], PERIOD_SECONDS_MIN, 60)

    def begin(self, scene: Scene) -> None:
        self._cuts: list[Cut] = []
        scene.undo.add(self._restore)
        self._cut(scene)

    def turn(self, scene: Scene) -> float:
        """The first turn comes right after begin(), which has cut already."""
        if self._is_new:
            self._is_new = False
        elif self._cuts:
            self._restore()
        else:
            self._cut(scene)
        return self.values["period_s"]

    def _cut(self, scene: Scene) -> None:
        self._cuts += self.cuts(scene)

    @staticmethod
    def cuts(scene: Scene) -> list[Cut]:
        return [scene.lab.cut_site(site) for site in scene.target.sites]

    def _restore(self) -> None:
        while self._cuts:
            self._cuts[-1].restore()
            self._cuts.pop()

    _is_new = True


class FlapPair(Flap):
    sentence = "the links between two sites are cut and restored, {period_s:g} s each"
    scope = "pair"

    @staticmethod
    def cuts(scene: Scene) -> list[Cut]:
        return [scene.lab.cut_link(*scene.target.sites)]


class LinkFault(Fault):
    """Adds to settings of all links of a site, or between two sites: both directions of each. What
    was added is subtracted again, so that two such faults can end in any order."""
    scope = "site"
    needs = (ROOT,)

    def added(self) -> dict:
        raise NotImplementedError

    def begin(self, scene: Scene) -> None:
        before = links_of(scene.lab, scene.target.sites).settings()
        if not before:
            raise Impossible(f"{scene.target.words}: there are no links")
        for settings, link in _alike(scene.lab, before):
            link.set(**{name: settings[name] + more for name, more in self.added().items()})
            scene.undo.add(lambda link=link: self._subtract(scene.lab, link))

    def _subtract(self, lab: Lab, link: Link) -> None:
        for settings, part in _alike(lab, link.settings()):
            part.set(**{name: max(round(settings[name] - more, 4), 0)
                        for name, more in self.added().items()})


class Delay(LinkFault):
    sentence = "a site's links take {delay_ms:g} ms more, each way"
    options = {"delay_ms": 100}

    def check(self) -> None:
        check_number("delay_ms", self.values["delay_ms"], 0.001, 9_000)

    def added(self) -> dict:
        return {"delay_us": round(self.values["delay_ms"] * 1000)}


class Jitter(LinkFault):
    """The delay rises by as much as the jitter takes away at most, so that none is cut off."""
    sentence = "a site's links take 0 to {jitter_ms:g} ms more, each way, and keep order"
    options = {"jitter_ms": 50}

    def check(self) -> None:
        check_number("jitter_ms", self.values["jitter_ms"], 0.002, 9_000)

    def added(self) -> dict:
        half_us = round(self.values["jitter_ms"] * 500)
        return {"delay_us": half_us, "jitter_us": half_us}


class Loss(LinkFault):
    sentence = "{percent:g} % of a site's packets are lost, each way"
    options = {"percent": 5}

    def check(self) -> None:
        check_number("percent", self.values["percent"], 0.0001, 100)

    def added(self) -> dict:
        return {"loss_percent": self.values["percent"]}


class Duplicate(Loss):
    sentence = "{percent:g} % of a site's packets come twice, each way"

    def added(self) -> dict:
        return {"duplicate_percent": self.values["percent"]}


class Rate(Fault):
    """Rates don't add up: what was there before is put back."""
    sentence = "a site's links carry {mbit_per_s:g} Mbit/s, each way"
    scope = "site"
    needs = (ROOT,)
    options = {"mbit_per_s": 5}

    def check(self) -> None:
        check_number("mbit_per_s", self.values["mbit_per_s"], 0.008, 100_000)

    def begin(self, scene: Scene) -> None:
        before = links_of(scene.lab, scene.target.sites).settings()
        for settings, link in _alike(scene.lab, before):
            old_bits = settings["rate_bits"]
            link.set(rate_bits=round(self.values["mbit_per_s"] * 1_000_000))
            scene.undo.add(lambda link=link, old=old_bits: link.set(rate_bits=old))


def _alike(lab: Lab, links: list[dict]) -> list[tuple[dict, Link]]:
    """Directions with the same settings are changed together: one step, and soon."""
    found: dict[tuple, tuple[dict, list]] = {}
    for link in links:
        key = tuple(link[name] for name in LINK_SETTINGS)
        found.setdefault(key, (link, []))[1].append((link["source"], link["target"]))
    return [(settings, Link(lab, tuple(directions))) for settings, directions in found.values()]


def links_of(lab: Lab, sites: tuple[str, ...]) -> Link:
    return lab.link(*sites) if len(sites) == 2 else (
        lab.links_of(sites[0]) if len(sites) == 1 else lab.all_links())
