"""The card of a run, README.md: a header for the Hugging Face Hub, then uses, limits, training and evaluation."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np

from tlkit import __version__
from tlkit.evaluation.share_intervals import wilson_interval
from tlkit.names import format_strategy, make_printable
from tlkit.storage import written_whole

CARD = "README.md"
_MARK = 'library_name: "tlkit"'  # of the cards that may be replaced
# Licences as the Hub spells them; others are "other" with a name.
_HUB_LICENCES = {"apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-sa-4.0", "cc0-1.0"}
_HUB_LICENCES |= {"gpl-3.0", "mit", "unknown"}
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


def write_card(folder, run=None):
    """Write README.md into a folder, from a `Run` or the folder's run.json, and from every export.json in it."""
    folder = Path(folder)
    path = folder / CARD
    if path.exists() and _MARK not in path.read_text(encoding="utf-8", errors="replace"):
        raise ValueError(f"folder: {path.absolute()} is not a card of tlkit and is not replaced: move it elsewhere")
    facts = _describe(run) if run is not None else json.loads((folder / "run.json").read_text(encoding="utf-8"))
    files = [*folder.glob("export.json"), *sorted(folder.glob("export/*/export.json"))]
    exports = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    figures = sorted(file.name for file in folder.glob("figures/*.png"))
    with written_whole(path) as temporary:
        temporary.write_text(compose_card(facts, exports, figures), encoding="utf-8")


def compose_card(facts, exports=(), figures=()):
    """Return the text of a card from the entries of run.json, of export.json files, and the names of figures."""
    sections = {
        "Use": _write_use(facts),
        "Classes": _write_classes(facts),
        "Training": _write_training(facts),
        "Evaluation": _write_evaluation(facts, figures),
        "None of the above": _write_rejection(facts, exports),
        "Exports": _write_exports(exports),
        "Licences": _write_licences(facts),
    }
    lines = ["---", *_write_header(facts), "---", f"# {_name(facts)}", ""]
    for title, text in sections.items():
        lines += [f"## {title}", "", *text, ""] if text else []
    return "\n".join(lines)


def _describe(run):
    """Return the facts of a `Run` under the names that they have in run.json."""
    parts = {"backbone", "head", "adapters", "rejection"}
    facts = {
        name: getattr(run, name) for name in (field.name for field in dataclasses.fields(run)) if name not in parts
    }
    backbone = run.backbone
    facts["backbone"] = {name: getattr(backbone, name) for name in ("name", "image_size_px", "provenance")}
    return facts


def _name(facts):
    """Return the title of a card."""
    source = facts.get("report", {}).get("pictures", {}).get("source")
    return f"{_words(facts['backbone']['name'])} for {_words(source) if source else 'pictures'}"


def _words(text):
    """Return a text of a user as plain words of Markdown in one line."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", make_printable(text))


def _write_header(facts):
    """Return the lines of the header. JSON is YAML, so that any name is quoted rightly."""
    licence = facts["backbone"]["provenance"].get("licence") or "unknown"
    known = licence.casefold() in _HUB_LICENCES
    header = {"license": licence.casefold() if known else "other"}
    if not known:
        header["license_name"] = re.sub(r"[^a-z0-9.]+", "-", licence.casefold()).strip("-") or "unknown"
    header |= {"library_name": "tlkit", "pipeline_tag": "image-classification"}
    header["tags"] = ["image-classification", "transfer-learning", "tlkit"]
    base = facts["backbone"]["name"].replace("timm:", "timm/")
    if _HUB_NAME.fullmatch(base):
        header["base_model"] = base
    if test := facts.get("report", {}).get("test"):
        header["metrics"] = ["accuracy"]
        names = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}
        metrics = [{"type": key, "name": name, "value": round(test[key], 4)} for key, name in names.items()]
        data = {"type": "imagefolder", "name": make_printable(facts["report"]["pictures"]["source"]), "split": "test"}
        task = {"type": "image-classification", "name": "Image classification"}
        results = [{"task": task, "dataset": data, "metrics": metrics}]
        header["model-index"] = [{"name": f"{base} tuned with tlkit", "results": results}]
    return [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in header.items()]


def _write_use(facts):
    """Return the lines on uses and limits."""
    return [
        f"Sorts a picture into one of {len(facts['classes'])} classes. Load it with `tlkit.load_run(folder)`, or run "
        "`tlkit predict FOLDER PICTURES`.",
        "",
        "Limits:",
        "",
        "- The accuracy below holds for pictures like the held-out ones. With another camera, place or style it can be "
        "much lower.",
        "- Each class gets a probability, also if a picture shows none of them.",
        "- Don't use it for decisions on people's health, safety or rights without tests of your own.",
    ]


def _write_classes(facts):
    """Return the lines of the table of classes, with recalls if the run was evaluated."""
    report = facts.get("report", {})
    test, counts = report.get("test"), report.get("pictures", {}).get("n_train_by_class")
    if not test:
        return [", ".join(map(_words, facts["classes"]))]
    lines = ["| class | training pictures | test pictures | recall |", "|---|---|---|---|"]
    for index, name in enumerate(facts["classes"]):
        row = test["confusion"][index]
        recall = f"{row[index] / sum(row):.2f}" if sum(row) else "–"
        lines.append(f"| {_words(name)} | {counts[index] if counts else '–'} | {sum(row)} | {recall} |")
    return lines


def _write_training(facts):
    """Return the lines on the training."""
    backbone, report = facts["backbone"], facts.get("report", {})
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    lines = [
        f"- Network: {_words(backbone['name'])} at {backbone['image_size_px']} px, started from "
        f"{_words(backbone['provenance'].get('source', 'unknown weights'))}",
        f"- Strategy: {_words(format_strategy(facts['strategy']['name']))}, seed {facts['seed']}, "
        f"{len(facts['history'])} epochs" + ("" if facts["completed"] else "; interrupted before its end"),
        f"- Pictures: {facts['n_train']} for training",
        f"- Time: {facts['duration_s']:.0f} s on {_words(facts['processor'])}",
        f"- Versions: {versions}",
    ]
    if choice := report.get("choice"):
        lines += [f"- Choice: {_words(choice['reason'])}"]
    return lines


def _write_evaluation(facts, figures):
    """Return the lines on the score on held-out pictures."""
    if not (test := facts.get("report", {}).get("test")):
        return ["This run has no recorded score on held-out pictures."]
    n, looks = test["n"], max(facts["looks"].values(), default=1)
    lines = [
        f"On {n} held-out pictures, which neither trained the network nor chose its settings:",
        "",
        f"- Accuracy {test['accuracy']:.3f} (95 % interval {test['accuracy_low']:.3f} to {test['accuracy_high']:.3f})",
        f"- Balanced accuracy {test['balanced_accuracy']:.3f} (95 % interval {test['balanced_accuracy_low']:.3f} to "
        f"{test['balanced_accuracy_high']:.3f})",
        f"- Looks at the test set: {looks}",
    ]
    for name in figures:
        words = name.removesuffix(".png").replace("_", " ")
        lines += ["", f"![{words.capitalize()} of this run](figures/{name})"]
    return lines


def _write_rejection(facts, exports):
    """Return the lines on rejected pictures, from the run or an export; none without a rejection."""
    rejection = facts.get("report", {}).get("rejection")
    return [f"- {_words(name.replace('_', ' '))}: {value:.3g}" for name, value in (rejection or {}).items()]


def _write_exports(exports):
    """Return the lines of the table of exports."""
    if not exports:
        return []
    lines = ["Each export predicted the same pictures again in the runtime that it is made for.", ""]
    lines += ["| kind | file | largest difference | other class | checked in |", "|---|---|---|---|---|"]
    for export in exports:
        other = f"{export['n_disagreements']} of {export['n_checked']}"
        cells = (export["kind"], export["model"], f"{export['largest_difference']:.2g}", other, export["checked_in"])
        lines.append(f"| {' | '.join(_words(cell) for cell in cells)} |")
    return lines


def _write_licences(facts):
    """Return the lines on licences of weights and pictures."""
    licence = facts["backbone"]["provenance"].get("licence") or "unknown"
    lines = [f"- Weights that the training started from: {_words(licence)}"]
    counts = facts.get("report", {}).get("pictures", {}).get("licences")
    listed = ", ".join(f"{_words(name) or 'not stated'} ({n})" for name, n in (counts or {"not recorded": 0}).items())
    lines += [f"- Training pictures: {listed if counts else 'not recorded'}"]
    return [*lines, "", f"Written by tlkit {__version__}."]


def describe_test(evaluation):
    """Return the scores of an `Evaluation` with 95 % intervals, as plain values for a report."""
    confusion, n = evaluation.confusion, len(evaluation.labels)
    low, high = wilson_interval(int(np.trace(confusion)), n)
    balanced = evaluation.balanced_accuracy
    # The variance of a mean of recalls; Agresti and Coull 1998 (Approximate is better than "exact"), who add two
    # successes and two failures, keep small classes from looking certain.
    sizes = confusion.sum(axis=1)[confusion.sum(axis=1) > 0]
    shares = (np.diagonal(confusion)[confusion.sum(axis=1) > 0] + 2) / (sizes + 4)
    half_width = 1.96 * float(np.sqrt((shares * (1 - shares) / (sizes + 4)).sum())) / len(sizes)
    return {
        "n": n,
        "accuracy": evaluation.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "balanced_accuracy": balanced,
        "balanced_accuracy_low": max(0.0, balanced - half_width),
        "balanced_accuracy_high": min(1.0, balanced + half_width),
        "confusion": confusion.tolist(),
    }
