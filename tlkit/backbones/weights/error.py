"""The error for weights that can't be used, with one row per tensor that doesn't fit. Without torch."""

import dataclasses

from tlkit.names import make_printable

N_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class Fault:
    """One tensor of a file that doesn't fit."""

    tensor: str  # its name in the network, or in the file if the network has no such tensor
    fault: str  # "missing", "unexpected", "shape", "type", "NaN or infinity" or "comes twice"
    given: str  # in the file
    expected: str  # in the network


class WeightsError(RuntimeError):
    """Weights that are not available, damaged, or of another network; `faults` and `table` list all faults."""

    def __init__(self, message, faults=()):
        lines = [make_printable(line) for line in message.split("\n")]
        super().__init__("\n".join([*lines, *_write_table(faults)]))
        self.faults = tuple(faults)

    @property
    def table(self):
        """All faults as a DataFrame: tensor, fault, given, expected."""
        import pandas as pd

        columns = [field.name for field in dataclasses.fields(Fault)]
        return pd.DataFrame([dataclasses.astuple(fault) for fault in self.faults], columns=columns)


def _write_table(faults):
    """Yield the lines of a table of the first faults."""
    if not faults:
        return
    rows = [("tensor", "fault", "given", "expected"), *map(dataclasses.astuple, faults[:N_SHOWN])]
    rows = [tuple(map(make_printable, row)) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if len(faults) > N_SHOWN:
        yield f"  and {len(faults) - N_SHOWN} more"
