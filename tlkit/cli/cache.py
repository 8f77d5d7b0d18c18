"""`tlkit cache`: what is kept between calls, whether it is intact, and room."""

import time
from pathlib import Path
from typing import Annotated

import typer

from tlkit.cli.tables import print_table

_COLUMNS = ("kept", "what", "pictures", "MB", "last used")
_DAY_S = 24 * 60 * 60

cache = typer.Typer(invoke_without_command=True)


@cache.callback()
def show(context: typer.Context):
    """Show what is kept between calls: features, converted networks and weights; check it, or make room."""
    if context.invoked_subcommand is not None:
        return
    from tlkit.features.cache.inventory import KINDS, describe, list_kept
    from tlkit.features.cache.limit import LIMITED, read_limit_bytes
    from tlkit.storage import cache_folder

    limit_bytes, kept = read_limit_bytes(), list_kept()
    rows = []
    for (kind, what), parts in sorted(_group(kept, describe).items(), key=lambda item: KINDS.index(item[0][0])):
        pictures = f"{_count_pictures(parts):,}" if kind == "features" else ""
        used_s = max(one.used_s for one in parts)
        rows.append((kind, what, pictures, _write_mb(parts), time.strftime("%Y-%m-%d %H:%M", time.localtime(used_s))))
    limited = sum(one.size_bytes for one in kept if one.kind in LIMITED) / 1e9
    print_table(
        _COLUMNS,
        rows,
        title=f"{_write_mb(kept)} MB kept",
        caption=f"In {cache_folder()}, or where TLKIT_CACHE_DIR says.\n"
        f"Features and converted networks: {limited:.2f} GB of at most {limit_bytes / 1e9:g} GB, which "
        "TLKIT_CACHE_LIMIT_GB sets; what was used longest ago goes first. Weights stay.",
        left=("kept", "what"),
    )


@cache.command()
def check(
    remove: Annotated[bool, typer.Option("--remove", help="Remove what is damaged; it is computed again.")] = False,
):
    """Read all that is kept and say what is damaged."""
    from tlkit.features.cache.damage import find_damage
    from tlkit.features.cache.inventory import describe, list_kept
    from tlkit.features.cache.inventory import remove as remove_one

    kept = list_kept()
    n_damaged = n_removed = 0
    for one in kept:
        damage = find_damage(one)
        if damage is not None:
            what, is_removed = describe(one), remove and remove_one(one)
            n_damaged, n_removed = n_damaged + 1, n_removed + is_removed
            typer.echo(f"{'removed' if is_removed else 'DAMAGED'} {one.paths[0]} ({what}): {damage}")
    typer.echo(f"{len(kept)} files of features, converted networks and weights read, {n_damaged} damaged")
    if n_damaged > n_removed:
        typer.echo("remove what is damaged: tlkit cache check --remove")
        raise typer.Exit(1)


@cache.command()
def clear(
    features: Annotated[bool, typer.Option("--features", help="Features.")] = False,
    converted: Annotated[bool, typer.Option("--converted", help="Converted networks.")] = False,
    weights: Annotated[bool, typer.Option("--weights", help="Weights that were downloaded or added.")] = False,
    older_than_days: Annotated[
        float | None, typer.Option(min=0, help="Only what hasn't been used for so many days.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
):
    """Remove what is kept: features and converted networks, or only what is named. Weights go only when named.

    What is removed is computed, or has to be downloaded, again. A program that is running goes on.
    """
    from tlkit.features.cache.inventory import list_kept, remove, tidy
    from tlkit.storage import cache_folder

    named = {"features": features, "converted": converted, "weights": weights}
    kinds = [kind for kind, is_named in named.items() if is_named] or ["features", "converted"]
    kept = list_kept(kinds)
    if older_than_days is not None:
        kept = [one for one in kept if one.used_s < time.time() - older_than_days * _DAY_S]
    if not kept:
        typer.echo(f"nothing to remove: no such {' or '.join(kinds)} in {cache_folder()}")
        return
    if not yes:
        parts = ", ".join(f"{_write_mb(of_kind)} MB of {kind}" for kind in kinds if (of_kind := _select(kept, kind)))
        typer.confirm(f"Remove {parts} from {cache_folder()}?", abort=True)
    removed = [one for one in kept if remove(one)]
    tidy()
    typer.echo(f"removed {_write_mb(removed)} MB")
    if len(removed) < len(kept):
        raise OSError(f"{len(kept) - len(removed)} files couldn't be removed; close the programs that use them")


def _group(kept, describe):
    # {(kind, what): list of Kept}; a folder of features is described once, and two that read the same are one row.
    whats, groups = {}, {}
    for one in kept:
        place = one.paths[0].parent if one.kind == "features" else one.paths[0]
        if place not in whats:
            whats[place] = describe(one)
        groups.setdefault((one.kind, whats[place]), []).append(one)
    return groups


def _count_pictures(shards):
    from tlkit.features.cache.shards import count_rows

    return sum(count_rows(Path(one.paths[0])) or 0 for one in shards)


def _select(kept, kind):
    return [one for one in kept if one.kind == kind]


def _write_mb(kept):
    return f"{sum(one.size_bytes for one in kept) / 1e6:,.1f}"
