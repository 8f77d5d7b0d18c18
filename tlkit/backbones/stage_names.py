"""Names of stages, and which one is meant. Without torch."""

from tlkit.arguments import suggest

WHOLE = "network"  # the only stage of a network that couldn't be cut


def find_stage(name, stages, stage):
    """Return the place of a stage among a network's, by its name or by a negative number (-1 is the last).

    Arguments
    ---------
    name: str
        Of the network, for the error.
    stages: sequence of str
    stage: str or int

    >>> find_stage("a network", ("stem", "stage1", "stage2"), -1)
    2
    """
    if stage in stages:
        return stages.index(stage)
    if tuple(stages) == (WHOLE,):
        raise ValueError(
            f"stage: {stage!r}, but {name} couldn't be cut into stages that are verified to be the whole together; "
            f"there is only {WHOLE!r}. It gives features, and `freeze` takes names=['*norm*']"
        )
    if isinstance(stage, int) and not isinstance(stage, bool) and -len(stages) <= stage < 0:
        return len(stages) + stage
    raise ValueError(f"stage: {stage!r} is not a stage of {name}, nor -1 to -{len(stages)}; {suggest(stage, stages)}")
