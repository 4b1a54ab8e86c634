"""The faults of chaos/faults, as a drill uses them: upon nodes and sites that it has chosen itself.

A fault heals by itself a while after it should have been healed, whatever becomes of the drill."""

from faults import catalogue
from faults.fault import HealFailed, Impossible

from .ground import GroundError

MARGIN_S = 20  # a drill that hangs for so long has the fault taken from it


class Injury:
    """One fault of the plan upon one aim."""

    def __init__(self, row, aim, ground, seed):
        self.row, self.aim, self.ground, self.seed = row, aim, ground, seed
        self._injection = None

    def inject(self):
        """Returns the moment at which it had taken effect."""
        try:
            fault = catalogue.make(self.row.fault, **self.row.options)
            self._injection = fault.inject(self.ground.lab, self.aim.target,
                                           self.row.hold_s + MARGIN_S, self.seed)
        except Impossible as error:
            raise GroundError(str(error)) from error
        return self._injection.at_us

    def hit(self):
        """The nodes that it fell upon."""
        return self._injection.target.nodes or self.aim.nodes

    def hold(self, seconds):
        """Until the time is up, or the fault is over by itself."""
        self._injection.wait(seconds)

    def told(self):
        """What the fault itself has to say, once it is healed."""
        return self._injection.told

    def heal(self):
        """Returns the moment right before it was taken back. Healing again does nothing."""
        if self._injection is None:
            return None
        try:
            return self._injection.heal()
        except HealFailed as error:
            raise GroundError(str(error)) from error
