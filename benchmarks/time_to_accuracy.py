"""Accuracy over time, from a folder of pictures to predictions: tlkit against training loops of other libraries.

Every cell, one way of training on one fold, runs in a new process on the same files. Its row is written as soon as it
has ended, and finished cells are not repeated, so the table can be made in several sittings. The ways take turns within
a fold. Prints the means over folds; with --report also writes Markdown, and with --figure draws them.
"""

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import tempfile
from pathlib import Path

from machine import describe_machine, run_alone, use_cores
from rows import append_row, read_rows

COLUMNS = (
    *("arm", "fold", "accuracy", "n_test", "n_train", "duration_s", "processor_s", "peak_mb"),
    *("n_threads", "order", "versions", "processor"),
)
N_FOLDS = 5
BASELINE = "train"
HERE = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way of training: how it is called, its words, and the library that it needs."""

    call: str  # an expression over the folders train, test and output; its value is the predicted classes
    words: str
    library: str = "tlkit"


# The fast ones come first, so that an interrupted table has all folds of them.
ARMS = {
    "probe": Arm("probe(train, test)", "tlkit: probe, 224 px"),
    "last_2_stages": Arm("tune(train, test, 'last_2_stages')", "tlkit: last_2_stages, 160 px"),
    "probe_last_2": Arm("tune(train, test, last(2))", "tlkit: probe, then last 2 stages, 160 px"),
    "probe_last_4": Arm("tune(train, test, last(4))", "tlkit: probe, then last 4 stages, 160 px"),
    "train": Arm("train_tlkit(train, test, output)", "tlkit: tl.train, all defaults"),
    "plain": Arm("train_plain(train, test)", "plain PyTorch, AdamW, one-cycle, 160 px", "torch"),
    "timm": Arm("train_timm(train, test)", "timm's parts, 160 px", "timm"),
    "lightning": Arm("train_lightning(train, test)", "Lightning, 160 px", "lightning"),
    "fastai_160": Arm("train_fastai(train, test, image_size_px=160)", "fastai's fine_tune, 160 px", "fastai"),
    "fastai_224": Arm("train_fastai(train, test)", "fastai's fine_tune, 224 px", "fastai"),
    "tutorial": Arm("train_tutorial(train, test)", "PyTorch's tutorial, 25 epochs, 224 px", "torchvision"),
}

# Imports and the sum of processor times come before the clock starts. A stopped process (Ctrl-Z, or a suspended
# machine) doesn't count: a thread ticks every half second, and longer gaps are taken off.
_CELL = """
import importlib, os, sys, threading, warnings
sys.path.insert(0, {here!r})
warnings.filterwarnings("ignore", message=".*(pin_memory|torch.jit.script|does not have many workers).*")
from pathlib import Path
for module in {modules!r}:
    importlib.import_module(module)
from {module} import *
pauses = []
def tick():
    last = time.perf_counter()
    while True:
        time.sleep(0.5)
        now = time.perf_counter()
        pauses.append(max(0.0, now - last - 5))
        last = now
threading.Thread(target=tick, daemon=True).start()
train, test, output = Path({train!r}), Path({test!r}), Path({output!r})
before, started = sum(os.times()[:4]), time.perf_counter()
predicted = {call}
notes["duration_s"] = time.perf_counter() - started - sum(pauses)
notes["processor_s"] = sum(os.times()[:4]) - before
notes["predicted"] = [str(name) for name in predicted]
"""


def main():
    """Make the missing cells, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--arms", nargs="+", default=list(ARMS), choices=list(ARMS), metavar="ARM", help=", ".join(ARMS)
    )
    parser.add_argument("--folds", nargs="+", type=int, default=list(range(N_FOLDS)), choices=range(N_FOLDS))
    parser.add_argument("--threads", type=int, default=2, help="use only so many cores (Linux)")
    parser.add_argument("--limit-s", type=float, help="start no further cell after so many seconds")
    parser.add_argument("--rows", type=Path, default=HERE / "time_to_accuracy.csv")
    parser.add_argument("--report", type=Path, help="a Markdown file")
    parser.add_argument("--figure", type=Path, help="a PNG or SVG file")
    arguments = parser.parse_args()
    arms = leave_out(arguments.arms)
    missing = list_missing(read_rows(arguments.rows), arms, arguments.folds, arguments.threads)
    if missing:
        make_cells(missing, arguments)
    rows = read_rows(arguments.rows)
    summary = summarise(rows, arguments.threads)
    print("\n".join(tabulate(summary)))
    if arguments.report:
        arguments.report.write_text(write_report(rows, summary, arguments.threads), encoding="utf-8")
    if arguments.figure:
        draw(summary, arguments.figure)


def leave_out(arms):
    """Return the arms whose library is installed, and print one line for each of the others."""
    import tlkit as tl

    kept = []
    for name in arms:
        library = ARMS[name].library
        if importlib.util.find_spec(library) is None:
            print(f'{name} is left out: {library} is not installed (pip install -e ".[bench]")')
        elif name == "train" and "train" not in tl.__all__:
            print(f"{name} is left out: this version of tlkit has no tl.train")
        else:
            kept.append(name)
    return kept


def list_missing(rows, arms, folds, n_threads):
    """Return the cells (arm, fold) without a row for this number of threads, fold by fold."""
    done = {(row["arm"], int(row["fold"])) for row in rows if int(row["n_threads"]) == n_threads}
    return [(arm, fold) for fold in folds for arm in arms if (arm, fold) not in done]


def make_cells(cells, arguments):
    """Write the files of the folds, run the cells in turn, and append their rows."""
    import time

    use_cores(arguments.threads)
    print(f"{describe_machine()}; {len(cells)} cells are missing", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        folders = {
            fold: write_files(Path(place) / f"fold_{fold}", fold) for fold in sorted({fold for _, fold in cells})
        }
        for arm, fold in cells:
            if arguments.limit_s is not None and time.monotonic() - started > arguments.limit_s:
                print("the time is over; the same command continues", flush=True)
                break
            row = run_cell(arm, fold, folders[fold], Path(place) / f"{arm}_{fold}", arguments.threads)
            row["order"] = len(read_rows(arguments.rows))
            append_row(arguments.rows, row, COLUMNS)
            print(
                f"{arm} {fold}: {row['accuracy']:.3f}, {row['duration_s']:.1f} s, processor {row['processor_s']:.1f} s",
                flush=True,
            )


def write_files(folder, fold):
    """Write clip-art and sketches as PNG files in class folders; return the folders (training, test) of a fold."""
    import tlkit as tl

    chosen = tl.load_images("styles").select(domain=["clipart", "sketch"], role="core")
    sides = dict(zip(("train", "test"), chosen.split(test_fold=fold), strict=True))
    for side, images in sides.items():
        for index, (picture, label) in enumerate(images):
            path = folder / side / images.classes[label] / f"{index:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
    return [folder / side for side in sides]


def run_cell(arm, fold, folders, scratch, n_threads):
    """Train once in a new process with an empty cache; return the row."""
    train, test = folders
    is_own = ARMS[arm].library == "tlkit"
    code = _CELL.format(
        here=str(HERE),
        modules=list_imports(arm),
        module="time_to_accuracy" if is_own else "peers",
        train=str(train),
        test=str(test),
        output=str(scratch / "run"),
        call=ARMS[arm].call,
    )
    notes = run_alone(code, TLKIT_CACHE_DIR=str(scratch / "cache"), OMP_NUM_THREADS=str(n_threads))
    truth = [path.parent.name for path in list_files(test)]
    if len(truth) != len(notes["predicted"]):
        raise RuntimeError(f"{arm}: {len(notes['predicted'])} predictions for {len(truth)} pictures")
    right = sum(map(str.__eq__, truth, notes["predicted"]))
    numbers = {name: round(notes[name], 2) for name in ("duration_s", "processor_s")}
    return numbers | {
        "arm": arm,
        "fold": fold,
        "accuracy": round(right / len(truth), 4),
        "n_test": len(truth),
        "n_train": len(list_files(train)),
        "peak_mb": round(notes["peak_mb"]),
        "n_threads": n_threads,
        "versions": describe_versions(arm),
        "processor": describe_machine(),
    }


def list_imports(arm):
    """Return the modules that are imported before the clock starts."""
    peers = {"fastai": ["fastai.vision.all"], "timm": ["timm.data", "timm.optim", "timm.scheduler", "timm.loss"]}
    own = ["openvino", "sklearn.linear_model", "torch.export", "torchvision", "pandas", "scipy.stats"]
    own += ["tlkit.workflow.train"]  # which imports Matplotlib
    library = ARMS[arm].library
    # torch imports torch._dynamo at the first step of an optimizer, or when it exports a network.
    return ["torch", "torch._dynamo", "timm", *(own if library == "tlkit" else peers.get(library, [library]))]


def describe_versions(arm):
    """Return the versions of the libraries of an arm."""
    names = dict.fromkeys(("tlkit", "torch", ARMS[arm].library))
    return " ".join(f"{name}={importlib.metadata.version(name)}" for name in names)


def list_files(folder):
    """Return the paths of all pictures of a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def probe(train, test):
    """Return the classes that a logistic head on frozen features predicts."""
    import tlkit as tl

    learned, tested = (
        tl.extract_features("efficientnet_lite0", tl.load_images(folder), progress=False) for folder in (train, test)
    )
    head = tl.fit_head(learned)
    return [learned.classes[index] for index in head.predict(tested.values).argmax(1)]


def last(n_stages):
    """Return the strategy that solves the head and then tunes it with the last stages, for six epochs."""
    import tlkit as tl

    phases = [tl.Phase(["head"], None), tl.Phase([*range(-n_stages, 0), "head"], 6, 2e-4)]
    return tl.Strategy(phases, name=f"probe_last_{n_stages}")


def tune(train, test, strategy, image_size_px=160):
    """Return the classes that a network predicts which was tuned by a strategy."""
    import tlkit as tl

    images = tl.load_images(train)
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    return name_classes(tl.transfer(backbone, images, strategy, progress=False), test)


def train_tlkit(train, test, output):
    """Return the classes that the run of `tl.train` predicts; choosing the strategy and writing the run count."""
    import pandas as pd

    import tlkit as tl

    tl.train(train, output, test=test)
    table = pd.read_csv(output / "test_predictions.csv", index_col="picture", dtype=str)
    return table["predicted"][[path.relative_to(test.parent).as_posix() for path in list_files(test)]]


def name_classes(run, test):
    """Return the predicted class of each picture of a folder."""
    return [run.classes[index] for index in run.predict(list_files(test)).argmax(1)]


def summarise(rows, n_threads):
    """Return a table with one row per arm, sorted by time, for the cells with a number of threads.

    Columns: arm, words, is_own, n_folds; accuracy (mean over folds), duration_s and processor_s (geometric means),
    peak_mb; `values` of accuracy and processor_s (one per fold); gain (accuracy of `BASELINE` minus that of the arm on
    the same fold) and ratio (processor time in units of that of `BASELINE`, geometric mean) over n_pairs folds. All but
    peak_mb have `<name>_low` and `<name>_high` (95 % t interval, for times of their logarithms).
    """
    import pandas as pd

    cells = pd.DataFrame([row for row in rows if int(row["n_threads"]) == n_threads], columns=COLUMNS)
    cells = cells.astype(dict.fromkeys(("accuracy", "duration_s", "processor_s", "peak_mb"), float) | {"fold": int})
    lines = []
    for arm, own in cells.groupby("arm", sort=False):
        line = {"arm": arm, "words": ARMS[arm].words, "is_own": ARMS[arm].library == "tlkit", "n_folds": len(own)}
        line |= describe("accuracy", own["accuracy"])
        line |= describe_times("duration_s", own["duration_s"]) | describe_times("processor_s", own["processor_s"])
        line["values"] = {name: list(own[name]) for name in ("accuracy", "processor_s")}
        pairs = own.merge(cells[cells["arm"] == BASELINE], on="fold", suffixes=("", "_baseline"))
        line |= {"peak_mb": own["peak_mb"].mean(), "n_pairs": len(pairs)}
        line |= describe("gain", pairs["accuracy_baseline"] - pairs["accuracy"])
        lines.append(line | describe_times("ratio", pairs["processor_s"] / pairs["processor_s_baseline"]))
    return pd.DataFrame(lines).sort_values("processor_s", ignore_index=True) if lines else pd.DataFrame()


def describe(name, values):
    """Return {name: mean, name_low: …, name_high: …} of the values of folds; no interval (NaN) below three folds."""
    from tlkit.evaluation.intervals import t_interval

    low, high = t_interval(values if len(values) > 2 else [])
    return {name: values.mean(), f"{name}_low": low, f"{name}_high": high}


def describe_times(name, values):
    """Return the same for times or ratios: the geometric mean and the interval of the logarithms."""
    import numpy as np

    return {key: np.exp(value) for key, value in describe(name, np.log(values)).items()}


def tabulate(summary):
    """Return the lines of a Markdown table, one row per arm."""
    lines = [
        "| way of training | folds | accuracy | seconds | processor seconds | MB | `tl.train` is ahead by "
        "| takes times as long as `tl.train` |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in summary.to_dict("records"):
        is_baseline = row["arm"] == BASELINE or not row["n_pairs"]
        comparison = ["–", "–"] if is_baseline else [spell(row, "gain", "+.3f"), spell(row, "ratio", ".1f")]
        numbers = [spell(row, "accuracy", ".3f"), spell(row, "duration_s", ".0f"), spell(row, "processor_s", ".0f")]
        cells = [row["words"], str(row["n_folds"]), *numbers, f"{row['peak_mb']:.0f}", *comparison]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def spell(row, name, spec):
    """Return a mean and its interval as text; the mean alone without an interval."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]:{spec}}" + ("" if low != low else f" ({low:{spec}} to {high:{spec}})")


def write_report(rows, summary, n_threads):
    """Return the conditions and the table, as Markdown."""
    mine = [row for row in rows if int(row["n_threads"]) == n_threads]
    processors = "; ".join(dict.fromkeys(row["processor"] for row in mine))
    versions = sorted({version for row in mine for version in row["versions"].split()})
    counts = ", ".join(dict.fromkeys(f"{row['n_train']} and {row['n_test']}" for row in mine))
    lines = [
        "# Accuracy over time",
        "",
        "From folders of PNG files to the predicted classes of the test pictures, with EfficientNet-Lite0: bundled "
        f"clip-art and sketches of 14 classes, five folds that keep variants together (pictures for training and test: "
        f"{counts}). README.md describes each way. Every cell ran in a new process with an empty cache; imports are "
        "not counted. Accuracies are means over folds and times geometric means, with 95 % intervals (Student's t) if "
        "there are three folds. The last two columns compare accuracy and processor time on the same folds.",
        "",
        f"{n_threads} thread{'s' * (n_threads > 1)} on {processors}. {', '.join(versions)}.",
        "",
        *tabulate(summary),
    ]
    if others := [arm.words for name, arm in ARMS.items() if name not in {row["arm"] for row in mine}]:
        lines += ["", f"Not run yet: {'; '.join(others)}."]
    return "\n".join(lines) + "\n"


def draw(summary, path):
    """Draw accuracy and time of each arm, one row per arm with intervals and single folds; own arms are filled."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter

    plt.rcParams |= {"font.size": 10, "svg.fonttype": "none"}
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=(9.0, 1.2 + 0.34 * len(summary)), layout="constrained")
    for position, row in enumerate(summary.to_dict("records")):
        colour = "#0b3c6f" if row["is_own"] else "#555555"
        marker = "D" if row["arm"] == BASELINE else "o" if row["is_own"] else "s"
        style = {"color": colour, "marker": marker, "markersize": 8, "capsize": 3}
        style |= {"markerfacecolor": colour if row["is_own"] else "white"}
        for axis, name in zip(axes, ("accuracy", "processor_s"), strict=True):
            mean, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
            spans = None if low != low else [[mean - low], [high - mean]]
            axis.errorbar([mean], [position], xerr=spans, **style)
            folds = row["values"][name]
            axis.plot(folds, [position + 0.28] * len(folds), "|", color=colour, markersize=7)
    labels = [f"{row.words} ({row.n_folds})" for row in summary.itertuples()]
    axes[0].set_yticks(range(len(summary)), labels)
    axes[0].invert_yaxis()
    axes[0].set_xlabel("accuracy (in brackets: folds)")
    axes[1].set_xscale("log")
    axes[1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[1].xaxis.set_major_formatter("{x:g}")
    axes[1].xaxis.set_minor_formatter(NullFormatter())
    axes[1].set_xlabel("seconds of processor time")
    for axis in axes:
        axis.grid(axis="both", color="#dddddd", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main()
