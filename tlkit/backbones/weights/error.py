"""The error for weights that can't be used, with what is wrong tensor by tensor. Without torch."""

import dataclasses

N_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class Fault:
    """One tensor of a file that doesn't fit.

    Arguments
    ---------
    tensor: str
        Its name in the network, or in the file where the network has none of that name.
    fault: "missing", "unexpected", "shape", "type", "NaN or infinity" or "comes twice"
    given, expected: str
        What the file and the network hold.
    """

    tensor: str
    fault: str
    given: str
    expected: str


class WeightsError(RuntimeError):
    """Weights that are not at hand, damaged, or not those of the network.

    Arguments
    ---------
    message: str
    faults: sequence of Fault
        The first 20 are part of the text; `faults` and `table` have all of them.
    """

    def __init__(self, message, faults=()):
        super().__init__("\n".join([message, *_write_table(faults)]))
        self.faults = tuple(faults)

    @property
    def table(self):
        """All faults as a DataFrame: tensor, fault, given, expected."""
        import pandas as pd

        columns = [field.name for field in dataclasses.fields(Fault)]
        return pd.DataFrame([dataclasses.astuple(fault) for fault in self.faults], columns=columns)


def _write_table(faults):
    if not faults:
        return
    rows = [("tensor", "fault", "given", "expected"), *map(dataclasses.astuple, faults[:N_SHOWN])]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    if len(faults) > N_SHOWN:
        yield f"  and {len(faults) - N_SHOWN} more"
