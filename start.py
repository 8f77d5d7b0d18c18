"""Set up tlkit in .venv next to this file and open lesson 00 in JupyterLab. Needs only Python 3.11 or newer.

python3 start.py [OPTIONS OF JUPYTERLAB]     set up if needed, open the lesson (Windows: py start.py)
python3 start.py test [OPTIONS OF PYTEST]    set up if needed, run tests and notebooks; with --quick in 5 minutes
python3 start.py wheels FOLDER               fill FOLDER, for example a USB stick, for computers of the same kind
python3 start.py setup [--wheels FOLDER]     set up only; from such a folder without internet
"""  # this file has no syntax newer than Python 3.6, so that an old Python can report that it is too old

import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "tlkit-stamp.txt"
VERSION = "{}.{}".format(*sys.version_info)
KIT = ".[test]"  # the same extras for every command, so that one stamp is valid for all of them
LESSON = "notebooks/00_start.ipynb"
PROGRAMS = {"lab": "jupyterlab --LabApp.default_url=/lab/tree/" + LESSON, "test": "pytest --nbval -n2 --dist=loadfile"}
CPU_BUILD = "; 3 GB are enough with PIP_EXTRA_INDEX_URL set to pytorch.org's CPU index, or conda and environment.yml"


def run(python, module, *arguments):
    """Run a step and show its progress; if it fails, exit with the last line of its errors."""
    command = [python, "-m", module, *arguments]
    done = subprocess.run(command, cwd=HERE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
    if done.returncode:
        lines = re.findall(".+", done.stderr) + re.findall("^ERROR: .+", done.stderr, re.M)
        sys.exit(f"{module} failed: {lines[-1] if lines else 'no error message'}")


def check_room(wheels):
    """Exit if a new .venv does not fit on the disk."""
    from_cpu_index = "cpu" in os.environ.get("PIP_EXTRA_INDEX_URL", "")
    with_cuda = any(wheels.glob("nvidia*")) if wheels else sys.platform == "linux" and not from_cpu_index
    needed_gb, free_gb = 10 if with_cuda else 3, shutil.disk_usage(HERE).free / 1e9
    if free_gb < needed_gb and not VENV.exists():
        sys.exit(f"No room: {HERE} has {free_gb:.1f} of the {needed_gb} GB needed{CPU_BUILD * with_cuda}.")


def set_up(wheels):
    """Make .venv hold what pyproject.toml and constraints.txt list; return at once if it does."""
    required = [(HERE / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    stamp = hashlib.sha256(b"\0".join([*required, VERSION.encode(), KIT.encode()])).hexdigest()
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == stamp:
        return
    is_new = not VENV.exists()
    if not is_new and not (PYTHON.exists() and f" = {VERSION}." in (VENV / "pyvenv.cfg").read_text()):
        sys.exit(f"{VENV} is not a working environment of Python {VERSION}: remove it and run this again.")
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        sys.exit("The Python modules venv and ensurepip are missing: on Debian, run apt-get install python3-venv")
    check_room(wheels)
    source = ["--no-index", "--find-links", wheels] if wheels else []
    try:
        STAMP.unlink(missing_ok=True)  # so that the next start repeats an interrupted upgrade
        run(sys.executable, "venv", VENV)
        run(PYTHON, "pip", "install", *source, "-c", "constraints.txt", "-e", KIT)
        STAMP.write_text(stamp)
    except BaseException as reason:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the clean-up
        if is_new:
            shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(str(reason) or "Interrupted: run this again to set up.")


def main(command="lab", *arguments):
    """Run a command and return the exit status."""
    if command.startswith("-"):
        return print(__doc__) if command in ("-h", "--help") else main("lab", command, *arguments)
    wheels = Path(*arguments[1:2]).resolve() if arguments[:1] == ("--wheels",) else None
    arguments = arguments[2:] if wheels else arguments
    if command not in PROGRAMS and len(arguments) != {"setup": 0, "wheels": 1}.get(command):
        sys.exit(f"Unknown command {' '.join(sys.argv[1:])!r}: python3 start.py --help lists the commands.")
    if wheels and not any(wheels.glob("*.whl")):
        sys.exit(f"There are no wheels in {wheels}: fill that folder with python3 start.py wheels FOLDER.")
    if command == "lab" and not (HERE / LESSON).exists():
        sys.exit(f"The lesson {LESSON} is missing next to start.py: get a complete copy of the project.")
    set_up(wheels)
    if command == "wheels":
        run(PYTHON, "pip", "download", "--dest", Path(*arguments).resolve(), "-c", "constraints.txt", KIT)
    if command in PROGRAMS:
        process = subprocess.Popen([PYTHON, "-m", *PROGRAMS[command].split(), *arguments], cwd=HERE)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # from now on that program handles Ctrl-C
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return process.wait()


if __name__ == "__main__":
    if sys.version_info < (3, 11):
        sys.exit(f"tlkit needs Python 3.11 or newer, but this is {VERSION}: install a newer one from python.org.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a termination cleans up as Ctrl-C does
    sys.exit(main(*sys.argv[1:]))
