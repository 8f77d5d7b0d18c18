"""Exercises of lesson 02: operations at another picture size, and the best network within a budget."""

from tlkit.arguments import suggest
from tlkit.lessons.exercise import NotYet, compare_number, exercise, expect_number, name_type


@exercise("02_operations", "a number of GFLOP", expect_number)
def _check_operations(answer, *, networks, network, image_size_px):
    """Return the verdict on the GFLOP per picture of a network at another height and width than its own."""
    row = networks.set_index("name").loc[network]
    own, ratio = row["n_flops"] / 1e9, image_size_px / row["image_size_px"]
    slips = {
        f"those are the operations at its own {row['image_size_px']:g} px.": own,
        "both height and width change, so the ratio of the sizes counts twice.": own * ratio,
        "the ratio is upside down: smaller pictures take fewer operations.": own / ratio**2,
        "a multiplication and its addition count as 2 operations in this table.": own * ratio**2 / 2,
        "that is the ratio of the sizes; multiply the network's operations by it, twice.": ratio,
        "that is the ratio of the areas; multiply the network's operations by it.": ratio**2,
        "that counts single operations; divide by a billion for GFLOP.": own * ratio**2 * 1e9,
        "nearly; give two digits.": round(own * ratio**2, 1),
    }
    compare_number(answer, own * ratio**2, slips, "operations grow with the number of pixels.", 6e-3)
    return f"{own:.2f} GFLOP × {ratio:.2f}² = {own * ratio**2:.2f} GFLOP per picture."


@exercise("02_best", "the name of a network, in quotes")
def _check_best(answer, *, networks, most_flops):
    """Return the verdict on the name of the most accurate network with at most this many operations per picture."""
    table = networks.dropna(subset=["accuracy", "n_flops"]).set_index("name")
    if not isinstance(answer, str):
        raise NotYet(f"a network is named by a str, and this is a {name_type(answer)}.")
    if answer not in table.index:
        raise NotYet(f"the table has no {answer!r}; {suggest(answer, table.index)}.")
    row, affordable = table.loc[answer], table[table["n_flops"] <= most_flops]
    if row["n_flops"] > most_flops:
        counted = "; a multiplication and its addition count as 2 operations" if row["n_flops"] < 2 * most_flops else ""
        raise NotYet(f"{answer} needs {row['n_flops'] / 1e9:.2f} GFLOP per picture, too many{counted}.")
    n_better = int((affordable["accuracy"] > row["accuracy"]).sum())
    if n_better:
        raise NotYet(f"{answer} fits, and {n_better} that fit as well have a higher accuracy.")
    return f"{row['accuracy']:.3f}, the highest of {len(affordable)} networks within the budget."
