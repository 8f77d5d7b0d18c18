"""The rates of false alarms and of detected effects of verdicts, on simulated results.

Pictures differ in the effect of a source on their prediction, which is the same for all seeds; seeds differ in their
training pictures. Each seed is tested on one of five folds, and the intervals of a call hold simultaneously.
"""

import argparse

import numpy as np
import pandas as pd

N_FOLDS = 5
N_PICTURES, N_OF_GROUP = 240, 2
SHOTS = (1, 5)
ARMS = ("pooled", "quarter")
# Gains are then about as uncertain as those of sketches and clip-art added to photographs: ± 0.09 with ten seeds.
CHANGED, PICTURE_SPREAD, SEED_SPREAD = 0.45, 1.2, 0.7


def main():
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="*", default=[5, 10, 20])
    parser.add_argument("--effects", type=float, nargs="*", default=[0.0, -0.05, -0.08, -0.11, -0.13, -0.22])
    arguments = parser.parse_args()
    rows = []
    for n_seeds in arguments.seeds:
        for effect in arguments.effects:
            rates = measure_rates(n_seeds, effect, arguments.trials)
            rows.append({"seeds": n_seeds, "effect": effect} | rates)
    print(f"{len(ARMS) * len(SHOTS)} verdicts per call, {arguments.trials} calls each")
    print(pd.DataFrame(rows).round(3).to_string(index=False))


def measure_rates(n_seeds, effect, n_trials):
    """Return half the mean width of intervals, and the shares of calls with false alarms and of detected effects."""
    from tlkit.evaluation import transfer_gain

    n_alarms = n_told = n_reversed = total_half = 0
    for trial in range(n_trials):
        runs, predictions = make_results(n_seeds, effect, trial)
        gains = transfer_gain(runs, predictions, "target_only")
        verdicts = gains["verdict"]
        total_half += ((gains["gain_high"] - gains["gain_low"]) / 2).mean()
        claimed, wrong = verdicts.isin(["helps", "harms"]), verdicts == ("helps" if effect < 0 else "harms")
        n_alarms += claimed.any() if effect == 0 else 0
        n_told += claimed.sum()
        n_reversed += wrong.sum() if effect else 0
    n_verdicts = n_trials * len(ARMS) * len(SHOTS)
    return {
        "half width": total_half / n_trials,
        "false alarms in a call": n_alarms / n_trials if effect == 0 else np.nan,
        "told": n_told / n_verdicts if effect else np.nan,
        "wrong sign": n_reversed / n_verdicts if effect else np.nan,
    }


def make_results(n_seeds, effect, trial):
    """Return (runs, predictions) of a simulated study, as `tlkit.adaptation.compare_target_shots` returns them."""
    random = np.random.default_rng(trial)
    folds = np.repeat(random.permutation(N_PICTURES // N_OF_GROUP) % N_FOLDS, N_OF_GROUP)
    groups = np.repeat(np.arange(N_PICTURES // N_OF_GROUP), N_OF_GROUP)
    alone = random.random((len(SHOTS), n_seeds, N_PICTURES)) < 0.6
    tables = {"target_only": alone}
    for arm in ARMS:
        tables[arm] = change(alone, groups, effect, random)
    runs, predictions = [], []
    for strategy, right in tables.items():
        for place, shots in enumerate(SHOTS):
            for seed in range(n_seeds):
                tested = np.flatnonzero(folds == seed % N_FOLDS)
                here = right[place, seed, tested]
                cell = {"strategy": strategy, "shots": shots, "seed": seed}
                runs.append(cell | {"fold": seed % N_FOLDS, "accuracy": here.mean()})
                said = {"picture": tested, "group": groups[tested], "label": 1, "predicted": here.astype(int)}
                predictions.append(pd.DataFrame(said).assign(**cell))
    return pd.DataFrame(runs), pd.concat(predictions, ignore_index=True)


def change(alone, groups, effect, random):
    """Return correct predictions with a source: a share is drawn again, with the tendencies of groups and seeds."""
    of_groups = PICTURE_SPREAD * random.normal(size=groups.max() + 1)
    tendency = of_groups[groups] + SEED_SPREAD * random.normal(size=(alone.shape[1], 1))
    redrawn = random.random(alone.shape) < CHANGED
    # The mean gain of all studies must be the effect. So a redrawn prediction is correct with its former probability
    # plus a tendency (around 0) plus the effect divided by the share of redrawn predictions.
    wanted = np.clip(0.6 + effect / CHANGED, 0, 1)
    spread = min(wanted, 1 - wanted)
    chances = wanted + spread * np.tanh(tendency)
    return np.where(redrawn, random.random(alone.shape) < chances, alone)


if __name__ == "__main__":
    main()
