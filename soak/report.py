"""What a proof gave: figures, and promises that were kept or not."""

from dataclasses import dataclass, field


@dataclass
class Report:
    """Figures by name, in order, and what was not as it was promised, in words."""

    title: str
    figures: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def figure(self, name: str, value: object) -> None:
        """Add a figure."""
        self.figures[name] = str(value)

    def promise(self, kept: bool, otherwise: str) -> None:
        """Note a promise that was not kept."""
        if not kept:
            self.problems.append(otherwise)

    def text(self) -> str:
        """As a table for people."""
        width = max(map(len, self.figures))
        lines = [f"{name:<{width}}  {value}" for name, value in self.figures.items()]
        verdict = [f"VIOLATED: {problem}" for problem in self.problems] or ["every promise was kept"]
        return "\n".join([f"== {self.title}", *lines, *verdict, ""])
