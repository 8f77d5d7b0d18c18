"""`tlkit cache`: show, check and clear the files that are kept between calls."""

import contextlib
import json
import time
from typing import Annotated

import typer

from tlkit.cli.options import Commands
from tlkit.cli.terminal import print_table, say
from tlkit.images.layout import count
from tlkit.names import make_printable

cache = Commands(invoke_without_command=True)


@cache.callback()
def show(context: typer.Context):
    """Show the features, converted networks and weights that are kept between calls; check or clear them."""
    if context.invoked_subcommand is not None:
        return
    from tlkit.features.cache.inventory import KINDS, LIMITED, list_kept, read_limit_bytes
    from tlkit.storage import cache_folder

    limit_bytes, kept = read_limit_bytes(), list_kept()
    groups, rows = {}, []  # files with the same description are one row
    for one in kept:
        groups.setdefault((one.kind, _describe(one)), []).append(one)
    for (kind, content), parts in sorted(groups.items(), key=lambda item: KINDS.index(item[0][0])):
        pictures = f"{_count_pictures(parts):,}" if kind == "features" else ""
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(max(one.used_s for one in parts)))
        rows.append((kind, content, pictures, _write_mb(parts), used))
    limited = sum(one.size_bytes for one in kept if one.kind in LIMITED) / 1e9
    print_table(
        ("kept", "content", "pictures", "MB", "last used"),
        rows,
        title=f"{_write_mb(kept)} MB kept",
        caption=f"Folder: {cache_folder()}; set TLKIT_CACHE_DIR to change it.\n"
        f"Features and converted networks: {limited:.2f} GB of at most {limit_bytes / 1e9:g} GB, which "
        "TLKIT_CACHE_LIMIT_GB sets. If they exceed it, the least recently used files go first. Weights stay.",
        left=("kept", "content"),
    )


@cache.command()
def check(
    remove: Annotated[bool, typer.Option("--remove", help="Remove damaged files; they are computed again.")] = False,
):
    """Read all kept files and list the damaged ones."""
    from tlkit.features.cache.damage import find_damage
    from tlkit.features.cache.inventory import list_kept
    from tlkit.features.cache.inventory import remove as remove_one

    kept = list_kept()
    n_damaged = n_removed = 0
    for one in kept:
        damage = find_damage(one)
        if damage is not None:
            content, is_removed = _describe(one), remove and remove_one(one)
            n_damaged, n_removed = n_damaged + 1, n_removed + is_removed
            say(f"{'removed' if is_removed else 'DAMAGED'} {one.paths[0]} ({content}): {damage}")
    say(f"{count(len(kept), 'file')} of features, converted networks and weights read, {n_damaged} damaged")
    if n_damaged > n_removed:
        say("to remove damaged files: tlkit cache check --remove")
        raise typer.Exit(1)


@cache.command(epilog="Removed files are computed, or must be downloaded, again. Running programs are not affected.")
def clear(
    features: Annotated[bool, typer.Option("--features", help="Remove features.")] = False,
    converted: Annotated[bool, typer.Option("--converted", help="Remove converted networks.")] = False,
    weights: Annotated[bool, typer.Option("--weights", help="Remove weights that were downloaded or added.")] = False,
    older_than_days: Annotated[
        float | None, typer.Option(min=0, help="Remove only files not used for this number of days.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without confirmation.")] = False,
):
    """Remove features and converted networks, or only the given kinds; weights only with --weights."""
    from tlkit.features.cache.inventory import list_kept, remove, tidy
    from tlkit.storage import cache_folder

    named = {"features": features, "converted": converted, "weights": weights}
    kinds = [kind for kind, is_named in named.items() if is_named] or ["features", "converted"]
    kept = list_kept(kinds)
    if older_than_days is not None:
        kept = [one for one in kept if one.used_s < time.time() - older_than_days * 24 * 60 * 60]
    if not kept:
        say(f"nothing to remove: no such {' or '.join(kinds)} in {cache_folder()}")
        return
    if not yes:
        by_kind = {kind: [one for one in kept if one.kind == kind] for kind in kinds}
        parts = ", ".join(f"{_write_mb(files)} MB of {kind}" for kind, files in by_kind.items() if files)
        typer.confirm(make_printable(f"Remove {parts} from {cache_folder()}?"), abort=True)
    removed = [one for one in kept if remove(one)]
    tidy()
    say(f"removed {_write_mb(removed)} MB")
    if len(removed) < len(kept):
        raise OSError(f"{count(len(kept) - len(removed), 'file')} couldn't be removed; close programs that use them")


def _describe(kept):
    """Return a text on the content: network, size, stage, engine and precision of features, or the file name."""
    path = kept.paths[0]
    if kept.kind == "features":
        key = _read_json(path.with_name("key.json"))
        parts = [f"{key.get('backbone', 'an unknown network')} at {key.get('image_size_px', '?')} px"] if key else []
        if "stage" in key:
            parts.append(str(key["stage"]) if key.get("pooled") == "True" else f"maps of {key['stage']}")
        parts += [str(key.get("engine", "unknown engine")), str(key.get("precision", "unknown precision"))]
        return ", ".join(parts) if key else "an unknown network"
    if kept.kind == "converted":
        for record in path.parent.glob("*.json"):
            known = _read_json(record)
            if str(known.get("fingerprint", "?")).startswith(path.name[:32]):
                size_px = known["recipe"].get("crop_size_px") if isinstance(known.get("recipe"), dict) else None
                return f"{known.get('name', 'an unknown network')} at {size_px or '?'} px"
        return "an unknown or tuned network"
    return path.name


def _read_json(path):
    """Return the content of a JSON file as a dict, which is empty if the file is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _count_pictures(kept):
    """Return the number of pictures with features in some files; damaged ones hold none."""
    from tlkit.features.cache.shards import DamagedShardError, Shard

    n_pictures = 0
    for one in kept:
        with contextlib.suppress(OSError, DamagedShardError):
            n_pictures += len(Shard(one.paths[0]).digests)
    return n_pictures


def _write_mb(kept):
    """Return the size of kept files in MB, as text."""
    return f"{sum(one.size_bytes for one in kept) / 1e6:,.1f}"
