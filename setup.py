"""Puts the course, which lies beside the package, into wheels; all else is in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

COURSE = ("notebooks/*.ipynb", "claims/*.csv", "claims/*.py", "cases/*.py", "docs/glossary.md", "binder/overrides.json")


class BuildWithCourse(build_py):
    """The usual step, and then a copy of the course inside the package."""

    def run(self):
        """Build; an editable install finds the course where it is, so nothing is copied."""
        super().run()
        for source, target in {} if self.editable_mode else self._list_course().items():
            self.mkpath(str(Path(target).parent))
            self.copy_file(source, target)

    def get_source_files(self):
        """Return the files of the package and of the course; source distributions have both."""
        return super().get_source_files() + list(self._list_course())

    def get_output_mapping(self):
        """Return {file that is built: its source}."""
        return super().get_output_mapping() | {target: source for source, target in self._list_course().items()}

    def _list_course(self):
        """Return {file of the course: its copy}."""
        here = Path(__file__).parent
        files = sorted(path.relative_to(here) for pattern in COURSE for path in here.glob(pattern))
        return {str(file): str(Path(self.build_lib, "tlkit", "course_files", file)) for file in files}


setup(cmdclass={"build_py": BuildWithCourse})
