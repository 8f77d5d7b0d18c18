"""Steps before and after the phases of a strategy, named without importing the code that executes them."""

import dataclasses
import importlib


@dataclasses.dataclass(frozen=True)
class Step:
    """A function of a module in `tlkit.training`, imported when it is called."""

    module: str
    __name__: str  # as functions have it: descriptions and drawings show it

    def __call__(self, *arguments, **settings):
        """Call the function."""
        module = importlib.import_module(f"tlkit.training.{self.module}")
        return getattr(module, self.__name__)(*arguments, **settings)


reinitialise = Step("precise_batch_norm", "reinitialise")
finish_norm_statistics = Step("precise_batch_norm", "finish_norm_statistics")
insert_lora = Step("lora", "insert_lora")
merge_lora = Step("lora", "merge_lora")
interpolate_with_parent = Step("wise_ft", "interpolate_with_parent")
