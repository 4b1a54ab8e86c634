"""What was found: rows of figures, each with its goal and whether it is met."""


def number(x):
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


class Row:
    def __init__(self, case, what, figure, unit, goal, is_met):
        self.case, self.what, self.figure, self.unit = case, what, figure, unit
        self.goal, self.is_met = goal, is_met

    def verdict(self):
        return {True: "yes", False: "**no**", None: ""}[self.is_met]

    def line(self):
        shown = f"{number(self.figure)} {self.unit}".strip()
        return f"| {self.case} | {self.what} | {shown} | {self.goal} | {self.verdict()} |"


class Report:
    """The rows of all cases; each is shown when it is known."""

    def __init__(self, show):
        self.rows, self.case, self._show = [], "", show

    def _add(self, what, figure, unit, goal, is_met):
        row = Row(self.case, what, figure, unit, goal, is_met)
        self.rows.append(row)
        self._show(row.line())

    def tell(self, what, figure, unit):
        """Without a goal."""
        self._add(what, figure, unit, "", None)

    def at_most(self, what, figure, unit, limit):
        self._add(what, figure, unit, f"≤ {number(limit)} {unit}".strip(), figure <= limit)

    def at_least(self, what, figure, unit, limit):
        self._add(what, figure, unit, f"≥ {number(limit)} {unit}".strip(), figure >= limit)

    def fail(self, what):
        self._add(what, 1, "", "0", False)

    def is_met(self):
        return all(row.is_met is not False for row in self.rows)

    def table(self):
        return "\n".join(["| case | measure | figure | goal | met |", "| --- | --- | --- | --- | --- |"]
                         + [row.line() for row in self.rows])
