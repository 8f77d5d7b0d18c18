"""Copies of the lessons for students: without outputs, in a folder of their own, never over their work."""

import hashlib
import json
import re
from pathlib import Path

from tlkit import languages
from tlkit.arguments import check_known
from tlkit.course import COPIES, find_course
from tlkit.names import number_repeats
from tlkit.notices import warn
from tlkit.storage import written_whole

_RECORD = ".tlkit-copies.json"  # {name of a copy: hash of its content when it was written}


def copy(folder: str | Path = COPIES, *, language: str = languages.ENGLISH) -> dict[str, Path]:
    """Copy all lessons, without outputs, and the glossary that they link to into a folder.

    Copies that were changed since, for example by running them, are kept. If a lesson has a newer version, it gets a
    name of its own beside such a copy, with a notice.

    Parameters
    ----------
    folder : str or path-like, default "my_lessons"
        Where the copies go; it is made if it is missing.
    language : {"en", "zh"}
        Language of the texts; code stays as it is, and texts without a translation are in English. Copies of another
        language than English have it in their names, by which widgets, checks and figures know it.

    Returns
    -------
    dict of str to Path
        The copy of each lesson by the lesson's number, such as "05": the reader's own if the lesson is still the same.

    Raises
    ------
    ValueError
        If the folder is the one of the originals, or the language is unknown.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     copy(folder)["01"].name
    '01_why_transfer.ipynb'
    """
    check_known("language", language, languages.list_languages())
    folder, course = Path(folder).expanduser().absolute(), find_course()
    if folder.resolve() == (course / "notebooks").resolve():
        raise ValueError(f"folder: {folder} has the originals, which stay as they are; choose another folder")
    record, paths = _read_record(folder), {}
    before = dict(record)
    for source in [course / "docs" / "glossary.md", *sorted((course / "notebooks").glob("[0-9]*.ipynb"))]:
        content = _translate(source, language) if source.suffix == ".md" else _strip(source, language)
        name = languages.name_copy(source.name, language)
        paths[source.name.partition("_")[0]] = _place(folder / name, content, record)
    if record != before:
        with written_whole(folder / _RECORD) as temporary:
            temporary.write_text(json.dumps(record, indent=1), "utf-8")
    del paths["glossary.md"]
    return paths


def _read_record(folder):
    """Return the record of a folder, empty if there is none; a copy that isn't in it counts as changed."""
    try:
        record = json.loads((folder / _RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _strip(path, language):
    """Return a notebook without outputs (bytes); its links lead to the copies beside it."""
    notebook = json.loads(path.read_text("utf-8"))
    languages.translate_cells(notebook, languages.read_translations(language, f"notebooks/{path.stem}"))

    def lead(link):
        return f"]({languages.name_copy(link[1], language)}{link[2] or ''})"

    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
        else:
            source = re.sub(r"\]\((?:\.\./docs/)?(\w+\.(?:md|ipynb))(#[^)]*)?\)", lead, "".join(cell["source"]))
            cell["source"] = source.splitlines(keepends=True)
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _translate(path, language):
    """Return the glossary in a language (bytes)."""
    words = dict(languages.read_translations(language, f"docs/{path.stem}"))
    for term in [each for each in words if each.startswith("## ")]:  # JupyterLab follows links to ASCII headings only
        words[term] = f"{term}\n\n**{words[term].removeprefix(term).removeprefix('## ')}**"
    return languages.translate_page(path.read_text("utf-8"), words).encode()


def _place(path, content, record):
    """Return the path of the copy with a content: the one that is there, however it was changed since, or a new one."""
    version = hashlib.sha256(content).hexdigest()
    pattern = re.compile(rf"{re.escape(path.stem)}( \(\d+\))?{re.escape(path.suffix)}")
    taken = [each for each in path.parent.glob(f"{path.stem}*") if pattern.fullmatch(each.name)]
    hashes = {each: hashlib.sha256(each.read_bytes()).hexdigest() for each in taken if each.is_file()}
    if current := [each for each in hashes if version in (record.get(each.name), hashes[each])]:
        return current[0]
    untouched = [each.name for each in hashes if hashes[each] == record.get(each.name)]
    (name,) = untouched[:1] or number_repeats([path.name], [each.name for each in taken])
    with written_whole(path.with_name(name)) as temporary:
        temporary.write_bytes(content)
    record[name] = version
    if taken and not untouched:
        warn(f"your {path.name} stays as it is; the newer version of this lesson is {name}, beside it")
    return path.with_name(name)
