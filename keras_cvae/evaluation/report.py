"""The measures of a model as a report: a table, HTML, or a dict."""

from __future__ import annotations

import dataclasses

from keras_cvae import html


@dataclasses.dataclass
class Measure:
    """A row of the table.

    Attributes:
        name: The name of the measure.
        value: The number, or a list of them.
        standard_error: The standard error of `value`, or None.
        unit: The unit of all numbers.
        how: The definition of the measure, or how it was measured.
        real: The same measure of real test data, which that of a perfect model is close to.
        reference: The same measure of uniform noise or by chance, or None.
        remark: A remark on a number that indicates a problem; otherwise empty.
    """

    name: str
    value: float | list[float]
    standard_error: float | None
    unit: str
    how: str
    real: float | None = None
    reference: float | None = None
    remark: str = ""


@dataclasses.dataclass
class Report:
    """The measures of a model, which print as a table.

    Attributes:
        protocol: Data and settings of the measures.
        measures: A `Measure` for each row.
        verdict: Whether the posterior has collapsed, in a sentence.
        left_out: Reasons why measures do not apply, by the names of the measures.
    """

    protocol: dict
    measures: list[Measure] = dataclasses.field(default_factory=list)
    verdict: str = ""
    left_out: dict[str, str] = dataclasses.field(default_factory=dict)

    def __getitem__(self, name: str) -> Measure:
        """Returns the measure of this name."""
        return {measure.name: measure for measure in self.measures}[name]

    def as_dict(self) -> dict:
        """Returns the report as numbers, texts, lists and dicts, for JSON."""
        return dataclasses.asdict(self)

    def _repr_html_(self):
        header, *rows = self._rows()
        head, notes = self._texts()
        return html.Table(header, rows, head).__html__() + html.paragraphs(notes)

    def __str__(self):
        rows = self._rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [_line(row, widths) for row in rows]
        lines.insert(1, _line(["-" * width for width in widths], widths))
        head, notes = self._texts()
        return "\n".join([f"{head}\n", *lines, "", *notes])

    def _rows(self):
        rows = [("measure", "value", "s.e.", "real", "unit", "how")]
        for m in self.measures:
            numbers = map(_format, (m.value, m.standard_error, m.real))
            rows.append((m.name, *numbers, m.unit, m.how))
        return rows

    def _texts(self):
        """Returns the line above the table, and the lines below it."""
        p = self.protocol
        head = f"{p['test_examples']} test examples, seed {p['seed']}, on {p['backend']}; "
        head += f"standard errors are {p['standard_errors']}"
        remarks = [f"{m.name} {_format(m.value)}: {m.remark}" for m in self.measures if m.remark]
        notes = [
            *remarks,
            self.verdict,
            *(f"Left out: {k}: {why}" for k, why in self.left_out.items()),
        ]
        return head, [*filter(None, notes)]


def _line(cells, widths):
    name, *numbers, unit, how = (
        cell.rjust(width) if 0 < index < 4 else cell.ljust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([name, *numbers, unit, how]).rstrip()


def _format(value):
    if value is None:
        return ""
    if isinstance(value, list):
        return f"{min(value):.3g}..{max(value):.3g}"
    if isinstance(value, int):
        return str(value)
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"
