"""Public names of a package that are imported on first use, and that editors read from the package's stub."""

import lazy_loader


def attach(package_name, filename):
    """Return `__getattr__`, `__dir__` and `__all__` of a package, from the `.pyi` file next to its `__init__.py`."""
    load, list_names, names = lazy_loader.attach_stub(package_name, filename)

    # lazy_loader's own message would not suggest the nearest names.
    def __getattr__(name):
        if name not in names:
            from tlkit.arguments import suggest

            raise AttributeError(f"{package_name} has no {name!r}; {suggest(name, names)}")
        return load(name)

    return __getattr__, list_names, names
