"""Public names of a package that are imported when first used and that editors read from its stub."""

import lazy_loader


def attach(package_name, filename):
    """Return (`__getattr__`, `__dir__`, `__all__`) of a package from the `.pyi` file beside its `__init__.py`.

    Like `lazy_loader.attach_stub`, but an unknown name is answered with the nearest ones.
    """
    load, list_names, names = lazy_loader.attach_stub(package_name, filename)

    def __getattr__(name):
        if name not in names:
            from tlkit.arguments import suggest

            raise AttributeError(f"{package_name} has no {name!r}; {suggest(name, names)}")
        return load(name)

    return __getattr__, list_names, names
