"""Options that several commands share, and messages of the library in the words of the command line."""

import contextlib
import itertools
import re
import shlex
from pathlib import Path

import typer
from typer.core import TyperCommand

BACKBONE = typer.Option("--backbone", help="Name of the network, as `tlkit backbones` lists them.")
WEIGHTS = typer.Option("--weights", help="Tag of the weights, as `tlkit backbones --all` lists them, or a file.")
IMAGE_SIZE = typer.Option("--image-size", help="Height and width of the network's input, in pixels.")
SKIP_BAD = typer.Option("--skip-bad", help="Leave out unreadable pictures.")
INSIDE = typer.Option("--inside", help="Folder within FOLDER or the zip file that holds the class folders.")
MERGE_TWINS = typer.Option("--merge-twins", help="Make one class of names that look alike, such as cat and Cat.")
CSV = typer.Option("--csv", help="Write the table with all columns to this file.")

# Other names that functions of the library have for a parameter of a command.
_ALIASES = {"images": ["source"], "strategy": ["strategies"], "name": ["backbone", "names"], "path": ["files"]}
_ALIASES |= {"pictures": ["source", "examples"], "folder": ["output", "run", "copies"]}
# Advice that only a call of the library could follow, in the words of a command.
_ADVICE = (
    (r", or give a list of \(file, label\)|, or a list of \(file, label\)|; they are listed in \.quarantine", ""),
    (r"give a list of \(file, label\)", "sort the pictures into folders"),
    (r", or (give both copies one group and )?pass images\.disjoint_from\(test\) instead of images", ""),
    (r"pass images\.disjoint_from\(test\) instead of images", "take them out of one of the two folders"),
    (r"select\(classes=…\)", "a folder without them"),
    (r": Strategy\(…, name=…\)", ""),
    (r"a Strategy or the name of one", "the name of one (`tlkit strategies` lists them)"),
    (r"load_images itself", "the command itself"),
    (r"run\.predict\(folder\)", "`tlkit predict RUN PICTURES`"),
    (r"(?<=\)) \+ (?=load_images\(|…)", " or "),
    (r"use domain, or", "write"),
    (r"^backbone: None, expected (your own '.*?'): .*", r"RUN: of \1, whose code only tl.load_run(…, backbone=…) runs"),
    (r", nor None", ""),
    (r"take pooled=True", "leave out --maps"),
    (r"take weights=None, or a file", "give --weights a file"),
    (r"; (for random weights, pass|with) weights=None(, any)?|, or name in allow= the tensors .* ignored", ""),
)
_CALL = re.compile(r'load_images\("([^"]+)"(?:, inside="([^"]+)")?(?:, domain="[^"]+")?\)')


class Command(TyperCommand):
    """A command, which is remembered while it runs, so that errors and notes name its options."""

    running = None

    def parse_args(self, context, arguments):
        """Refuse empty texts, as of a shell's unset variable: as paths they would be the current folder."""
        for before, text in itertools.pairwise([self.name, *arguments]):
            if not text or re.fullmatch("--[a-z-]+=", text):
                raise ValueError(f"{text[:-1] or before}: an empty text, expected a value: check the shell's variables")
        return super().parse_args(context, arguments)

    def invoke(self, context):
        """Run the command, also if a shell leaves the tilde of --output=~/new as it is."""
        Command.running = self
        context.params |= {k: path.expanduser() for k, path in context.params.items() if isinstance(path, Path)}
        return super().invoke(context)


class Commands(typer.Typer):
    """A group of commands that all are a `Command`."""

    def command(self, *arguments, **settings):
        """Return the decorator of a function that becomes a command."""
        return super().command(*arguments, cls=Command, **settings)


def translate(message):
    """Return a message of the library with options of the running command instead of arguments of functions."""
    if Command.running is None:
        return message
    parameters = {parameter.name: parameter for parameter in Command.running.params}
    for name, others in _ALIASES.items():
        for other in set(others) & set(parameters):
            parameters.setdefault(name, parameters[other])

    def spell(found):
        name = found[1] or found[2]
        return _spell(parameters[name]) if name in parameters else found[0]

    def spell_value(found):
        if found[1] not in parameters:
            return found[0]
        option = parameters[found[1]]
        value = "" if getattr(option, "is_flag", False) else found[2] or ""
        return f"{_spell(option)} {value}".rstrip()

    for pattern, words in _ADVICE:
        message = re.sub(pattern, words, message)
    message = _CALL.sub(lambda call: shlex.join([call[1], *(["--inside", call[2]] if call[2] else [])]), message)
    message = re.sub(r"""\b(\w+)=("[^"]*"|'[^']*'|[\w./-]*\w)?""", spell_value, message)
    return re.sub(r"^(\w+)(?=(?: \([^)]*\))?: )|`(\w+)`", spell, message)


def _spell(parameter):
    """Return an option, or the word for an argument, as the help of the command shows it."""
    is_option = parameter.param_type_name == "option"
    return parameter.opts[0] if is_option else parameter.metavar or parameter.name.upper()


@contextlib.contextmanager
def blaming(option):
    """Let errors about the argument `source` name another option."""
    try:
        yield
    except (ValueError, OSError) as error:
        message = str(error)
        if not message.startswith("source: "):
            raise
        raise type(error)(option + message.removeprefix("source")) from None
