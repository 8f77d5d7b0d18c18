"""Steps before and after the phases of a strategy, named without importing the code that executes them."""

import dataclasses
import importlib


@dataclasses.dataclass(frozen=True)
class Step:
    """A function of `tlkit.training` that is imported when it is called, so that a description needs no torch.

    Parameters
    ----------
    module : str
        Name of the module within `tlkit.training`.
    __name__ : str
        Name of the function in that module; descriptions and drawings show it.
    """

    module: str
    __name__: str

    def __call__(self, *arguments, **settings):
        """Call the function."""
        module = importlib.import_module(f"tlkit.training.{self.module}")
        return getattr(module, self.__name__)(*arguments, **settings)


reinitialise = Step("norm_statistics", "reinitialise")
finish_norm_statistics = Step("norm_statistics", "finish_norm_statistics")
insert_lora = Step("lora", "insert_lora")
merge_lora = Step("lora", "merge_lora")
interpolate_with_parent = Step("wise_ft", "interpolate_with_parent")
