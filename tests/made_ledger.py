"""A small ledger of claims, whose measurements take no time."""

SOURCE = '''
from tlkit.claims import Claim, measurement


@measurement(
    {"seed": [0, 1, 2], "size": [64, 96], "domain": ["photo", "sketch"]},
    grows=Claim("It grows.", "helps"),
    is_small=Claim("It stays below 4.", (None, 4), effect="a number"),
)
def measure_growth(seed, size, domain):
    """A growth that depends on the choices."""
    effect = seed / 10 - (0.05 if domain == "sketch" else -0.1)
    return {"grows": (effect, effect - 0.02, effect + 0.02), "is_small": float(seed)}
'''


def make_ledger(folder, monkeypatch, source=SOURCE):
    """Write a ledger into a folder, which the kit uses from now on."""
    from tlkit.claims import ledger

    (folder / "lesson_01.py").write_text(source, "utf-8")
    monkeypatch.setattr(ledger, "find_folder", lambda: folder)
    return folder
