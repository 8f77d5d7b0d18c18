"""Pretrained networks without their classifiers, and freezing parts of them."""

__all__ = ["table"]


def __getattr__(name):
    # Imported when first used: the package is imported by what needs no pandas.
    if name == "table":
        from tlkit.backbones.network_table import table

        return table
    raise AttributeError(f"tlkit.backbones has no {name!r}; it has 'table' and its modules")
