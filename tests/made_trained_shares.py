"""Costs and accuracies made for tests of strategies that train few parameters."""

import pandas as pd


def make_trained_shares():
    """Return four strategies; the last trains as much as the one before it."""
    rows = [
        ("linear_probe", 0.005, 16.0, 0.0625, 0.4, 0.8),
        ("lora", 0.03, 128.0, 0.5, 0.5, 0.78),
        ("lp_ft", 1.0, 160.0, 12.5, 0.55, 0.74),
        ("l2_sp", 1.0, 160.0, 12.5, 0.52, 0.76),
    ]
    table = pd.DataFrame(rows, columns=["strategy", "trained_share", "memory_mib", "stored_mib", "accuracy", "outside"])
    ends = {f"{score}_{end}": table[score] + sign * 0.05 for score in ("accuracy", "outside") for end, sign in _ENDS}
    return table.assign(**ends)


_ENDS = (("low", -1), ("high", 1))
