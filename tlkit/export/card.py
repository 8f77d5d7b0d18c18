"""The card of a run, README.md: a header for the Hugging Face Hub, then uses, limits, training and evaluation."""

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import numpy as np

from tlkit import __version__
from tlkit.evaluation.intervals import wilson_interval
from tlkit.names import format_strategy, make_printable
from tlkit.notices import warn
from tlkit.storage import written_whole

CARD = "README.md"
END = "<!-- SHA-256 of all above, by which edits are found:"
# Licences as the Hub spells them; others are "other" with a name.
_HUB_LICENCES = {"apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-sa-4.0", "cc0-1.0"}
_HUB_LICENCES |= {"gpl-3.0", "mit", "unknown"}
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


def write_card(folder, run=None):
    """Write README.md into a folder, from a `Run` or its run.json, and each export.json; an edited card stays."""
    folder = Path(folder)
    path = folder / CARD
    if is_edited(path):
        return warn(f"{path} was edited or is not a card of tlkit and is not replaced: move it away for a new one")
    facts = _describe(run) if run is not None else json.loads((folder / "run.json").read_text(encoding="utf-8"))
    files = [*folder.glob("export.json"), *sorted(folder.glob("export/*/export.json"))]
    exports = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    figures = sorted(file.stem for file in folder.glob("figures/*.png"))
    with written_whole(path) as temporary:
        temporary.write_text(_sign(compose_card(facts, exports, figures)), encoding="utf-8")


def is_edited(path):
    """Return whether there is a card that isn't as `write_card` wrote it."""
    found = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return found not in ("", _sign(found.rpartition(END)[0]))


def _sign(text):
    """Return the text of a card with its hash, by which edits are found."""
    return f"{text}{END} {hashlib.sha256(text.encode()).hexdigest()} -->\n"


def _describe(run):
    """Return the facts of a `Run` under the names that they have in run.json."""
    names = {field.name for field in dataclasses.fields(run)} - {"backbone", "head", "adapters", "rejection"}
    facts = {name: getattr(run, name) for name in names} | {"rejection": run.rejection and run.rejection.describe()}
    return facts | {"backbone": {name: getattr(run.backbone, name) for name in ("name", "image_size_px", "provenance")}}


def compose_card(facts, exports=(), figures=()):
    """Return the text of a card from the entries of run.json, of export.json files, and the names of figures."""
    backbone, report = facts["backbone"], facts.get("report", {})
    test, pictures, choice = (report.get(name, {}) for name in ("test", "pictures", "choice"))
    classes, source = facts["classes"], pictures.get("source", "pictures")
    licence = backbone["provenance"].get("licence") or "unknown"
    counts = pictures.get("n_train_by_class", ["–"] * len(classes))
    rows = list(zip(classes, counts, test.get("confusion", []), strict=False))
    recalls = [f"{row[index] / sum(row):.2f}" if sum(row) else "–" for index, (_, _, row) in enumerate(rows)]
    licences = pictures.get("licences", {"not recorded": facts["n_train"]})
    looks = max(facts["looks"].values(), default=1)
    cells = "{kind}", "{model}", "{largest_difference:.2g}", "{n_disagreements} of {n_checked}", "{checked_in}"
    checks = [[cell.format_map(each) for cell in cells] for each in exports]
    return "\n".join(
        [
            *("---", *_write_header(backbone["name"], licence, source, test), "---"),
            f"# {_words(backbone['name'])} for {_words(source)}\n",
            "## Use\n",
            f"Sorts a picture into one of {len(classes)} classes. Load it with `tlkit.load_run(folder)`, or run",
            "`tlkit predict FOLDER PICTURES`. Limits:\n",
            "- The accuracy below holds for pictures like the held-out ones. With another camera, place or style it",
            "  can be much lower.",
            "- Each class gets a probability, also if a picture shows none of them.",
            "- Don't use it for decisions on people's health, safety or rights without tests of your own.\n",
            "## Classes\n",
            *([] if rows else [", ".join(map(_words, classes))]),
            *_write_table(
                ("class", "training pictures", "test pictures", "recall"),
                [(row[0], row[1], sum(row[2]), recall) for row, recall in zip(rows, recalls, strict=True)],
            ),
            "\n## Training\n",
            f"- Network: {_words(backbone['name'])} at {backbone['image_size_px']} px, weights: "
            + _words(backbone["provenance"].get("source", "unknown weights")),
            f"- Strategy: {_words(format_strategy(facts['strategy']['name']))}, seed {facts['seed']}, "
            f"{len(facts['history']) or 'no'} epochs" + ("" if facts["completed"] else "; interrupted before its end"),
            *([f"- Choice: {_words(choice['reason'])}"] if choice else []),
            f"- Pictures: {facts['n_train']} for training",
            f"- Time: {facts['duration_s']:.0f} s on {_words(facts['processor'])}",
            f"- Versions: {', '.join(f'{name} {number}' for name, number in facts['versions'].items())}",
            "\n## Evaluation\n",
            *_write_evaluation(test, looks),
            *(f"\n![{name.replace('_', ' ').capitalize()} of this run](figures/{name}.png)" for name in figures),
            *_write_rejection(facts.get("rejection")),
            *["\n## Exports\n\nEach export predicted the same pictures again in its own runtime.\n"] * bool(exports),
            *_write_table(("kind", "file", "largest difference", "predicted otherwise", "checked in"), checks),
            "\n## Licences\n",
            f"- Weights that the training started from: {_words(licence)}",
            "- Training pictures: "
            + ", ".join(f"{_words(name) or 'not stated'} ({n})" for name, n in licences.items()),
            f"\nWritten by tlkit {__version__}.\n",
        ]
    )


def _words(text):
    """Return a text of a user as plain words of Markdown in one line."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", make_printable(text))


def _write_table(columns, rows):
    """Return the lines of a table; none without rows."""
    cells = [columns, ["---"] * len(columns), *(map(_words, row) for row in rows)]
    return [f"| {' | '.join(row)} |" for row in cells] if rows else []


def _write_header(name, licence, source, test):
    """Return the lines of the header. JSON is YAML, so that any name is quoted rightly."""
    key = licence.casefold()
    header = {"license": key if key in _HUB_LICENCES else "other"}
    if key not in _HUB_LICENCES:
        header["license_name"] = re.sub(r"[^a-z0-9.]+", "-", key).strip("-") or "unknown"
    header |= {"library_name": "tlkit", "pipeline_tag": "image-classification"}
    header["tags"] = ["image-classification", "transfer-learning", "tlkit"]
    base = name.replace("timm:", "timm/")
    if _HUB_NAME.fullmatch(base):
        header["base_model"] = base
    if test:
        header["metrics"] = ["accuracy"]
        scores = ("accuracy", "balanced_accuracy")
        metrics = [{"type": each, "name": each.replace("_", " "), "value": round(test[each], 4)} for each in scores]
        data = {"type": "imagefolder", "name": make_printable(source), "split": "test"}
        results = [{"task": {"type": "image-classification"}, "dataset": data, "metrics": metrics}]
        header["model-index"] = [{"name": f"{make_printable(name)} tuned with tlkit", "results": results}]
    return [f"{entry}: {json.dumps(value, ensure_ascii=False)}" for entry, value in header.items()]


def _write_evaluation(test, looks):
    """Return the lines on the score on held-out pictures."""
    if not test:
        return ["This run has no recorded score on held-out pictures."]
    lines = [f"On {test['n']} held-out pictures, which neither trained the network nor chose its settings:\n"]
    for name in ("accuracy", "balanced_accuracy"):
        interval = f"95 % interval {test[f'{name}_low']:.3f} to {test[f'{name}_high']:.3f}"
        lines.append(f"- {name.replace('_', ' ').capitalize()} {test[name]:.3f} ({interval})")
    return [*lines, f"- Looks at the test set: {looks}"]


def _write_rejection(rejection):
    """Return the lines on the rejection of unfamiliar pictures; none without one."""
    if not rejection:
        return []
    text = f"By default, about {rejection['default_share']:.0%} of pictures of known classes are rejected."
    text += " The threshold was set on held-out pictures; `tlkit train` takes the test pictures for it."
    if rejection["auroc"] is not None:
        text += (
            f" Of pictures of a class that was left out, {rejection['false_acceptance']:.0%} are accepted nevertheless "
            f"(mean over the classes; AUROC {rejection['auroc']:.2f})."
        )
    return ["\n## None of the above\n", text]


def describe_test(evaluation):
    """Return the scores of an `Evaluation` with 95 % intervals, as plain values for a report."""
    confusion = evaluation.confusion
    n_right, sizes = np.diagonal(confusion), confusion.sum(axis=1)
    known = [(right, n) for right, n in zip(n_right, sizes, strict=True) if n]
    recalls, lows, highs = np.transpose([(right / n, *wilson_interval(int(right), int(n))) for right, n in known])
    # Zou and Donner 2008 (Construction of confidence limits about effect measures), to each side apart.
    below, above = (np.sqrt(((recalls - limits) ** 2).sum()) / len(recalls) for limits in (lows, highs))
    low, high = wilson_interval(int(n_right.sum()), int(sizes.sum()))
    return {
        "n": int(sizes.sum()),
        "accuracy": evaluation.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "balanced_accuracy": evaluation.balanced_accuracy,
        "balanced_accuracy_low": float(recalls.mean() - below),
        "balanced_accuracy_high": float(recalls.mean() + above),
        "confusion": confusion.tolist(),
    }
