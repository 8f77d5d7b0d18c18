"""The arithmetic of an engine: float32, or bfloat16 if the processor supports it. Without torch."""

PRECISIONS = ("exact", "fast")


def find_arithmetic(engine, precision):
    """Return "f32" or "bf16", in which an engine computes here; "fast" is bf16 where there are units for it."""
    if precision == "exact" or engine == "torch":
        return "f32"
    if engine == "openvino":
        import openvino

        offered = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    else:
        import torch

        offered = torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if offered else "f32"
