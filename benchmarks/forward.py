"""The forward pass of a frozen network: eager torch in a plain loop against tlkit's engines. Prints ratios."""

import argparse
import copy
import os
import tempfile
import time
import warnings

from machine import describe_machine, offers_bf16, use_cores

NETWORKS = ("efficientnet_lite0", "resnet18", "vgg16", "densenet121", "inception_v3")
EAGER_BATCH = 32


def main():
    """Time all arms in turn, in several rounds, and print the pictures per second of each arm's best round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--cores", type=int, help="use only so many cores; by default all")
    parser.add_argument("--n-pictures", type=int, default=32, help="pictures per round and arm, best a multiple of 32")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    use_cores(arguments.cores)
    print(describe_machine(), "" if offers_bf16() else "; no units for bf16: fast is float32 too", sep="")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TLKIT_CACHE_DIR"] = folder
        for name in arguments.networks:
            report(name, arguments.n_pictures, arguments.rounds)


def report(name, n_pictures, n_rounds):
    """Time the arms of one network and print them."""
    import numpy as np

    import tlkit as tl

    backbone = tl.load_backbone(name, weights="pretrained" if name.startswith("efficientnet") else None)
    side = backbone.image_size_px
    print(f"\n{name}, {side} px, {n_pictures} pictures")
    images = tl.load_images("styles", domain="photo")
    recipe = backbone.recipe
    squares = [np.asarray(recipe.crop(recipe.resize(images.read(index % len(images))))) for index in range(n_pictures)]
    arms = make_arms(backbone, squares)
    for run in arms.values():
        run()  # warm up
    durations_s, values = {arm: [] for arm in arms}, {}
    for _ in range(n_rounds):
        for arm, run in arms.items():
            start = time.perf_counter()
            values[arm] = run()
            durations_s[arm].append(time.perf_counter() - start)
    eager, eager_s = values["eager torch, batch 32"], min(durations_s["eager torch, batch 32"])
    print("arm                               pictures/s  times eager  largest difference / largest feature")
    for arm in arms:
        best_s = min(durations_s[arm])
        difference = np.abs(values[arm] - eager).max() / np.abs(eager).max()
        print(f"{arm:34} {n_pictures / best_s:9.1f} {eager_s / best_s:12.2f}  {difference:.1e}", flush=True)
    for precision in ("exact", "fast"):
        bare_s = min(min(durations_s[arm]) for arm in arms if arm.startswith(f"bare OpenVINO, {precision}"))
        ours_s = min(durations_s[f"tlkit, openvino, {precision}"])
        print(f"tlkit's {precision} reaches {100 * bare_s / ours_s:.0f} % of the faster bare OpenVINO")


def make_arms(backbone, squares):
    """Return {arm: callable that returns the features of all squares, (n, n_features) float32}."""
    import numpy as np
    import torch

    from tlkit.features.engines import open_engine, run_in_batches
    from tlkit.features.frozen_network import FrozenNetwork

    recipe, network = backbone.recipe, FrozenNetwork.of(backbone)
    # The plain loop and the bare engine receive standardised floats; tlkit receives pictures as bytes.
    floats = (np.stack(squares) / np.float32(255) - np.float32(recipe.mean)) / np.float32(recipe.std)
    floats = np.ascontiguousarray(floats.transpose(0, 3, 1, 2))
    channels_last = torch.from_numpy(floats).contiguous(memory_format=torch.channels_last)
    laid_out = copy.deepcopy(backbone).eval()

    def run_eager(pictures):
        def run():
            with torch.no_grad():
                return np.concatenate([laid_out(batch).numpy() for batch in pictures.split(EAGER_BATCH)])

        return run

    def run_channels_last():
        laid_out.to(memory_format=torch.channels_last)
        values = run_eager(channels_last)()
        laid_out.to(memory_format=torch.contiguous_format)
        return values

    def run_engine(name, precision):
        engine = open_engine(name, network, network.output(None, True), precision)
        return lambda: np.concatenate(list(run_in_batches(engine, squares)))

    arms = {"eager torch, batch 32": run_eager(torch.from_numpy(floats)), "eager, channels last": run_channels_last}
    arms["tlkit, torch, exact"] = run_engine("torch", "exact")
    for precision in ("exact", "fast"):
        arms[f"tlkit, openvino, {precision}"] = run_engine("openvino", precision)
        for batch_size, n_requests in ((8, 0), (EAGER_BATCH, 1)):
            words = f"bare OpenVINO, {precision}, batch {batch_size}"
            arms[words] = make_bare(backbone, floats, precision, batch_size, n_requests)
    return arms


def make_bare(backbone, floats, precision, batch_size, n_requests):
    """Return a callable: OpenVINO's own queue on batches of floats; with 0 requests OpenVINO chooses their number."""
    import numpy as np
    import torch

    from tlkit.features.openvino_engine import import_openvino, open_core

    openvino = import_openvino()
    example = torch.zeros(batch_size, *floats.shape[1:])
    with torch.no_grad():
        converted = openvino.convert_model(torch.export.export(backbone.eval(), (example,)))
    hints = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "fast" and offers_bf16() else "f32",
        "PERFORMANCE_HINT": "LATENCY" if n_requests == 1 else "THROUGHPUT",
    }
    compiled = open_core().compile_model(converted, "CPU", hints)
    starts = range(0, len(floats) - len(floats) % batch_size, batch_size)
    values = np.zeros((len(floats), backbone.n_features), np.float32)

    def keep(request, start):
        values[start : start + batch_size] = request.get_output_tensor(0).data

    queue = openvino.AsyncInferQueue(compiled, n_requests)
    queue.set_callback(keep)

    def run():
        for start in starts:
            queue.start_async({0: floats[start : start + batch_size]}, start)
        queue.wait_all()
        return values.copy()

    return run


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=UserWarning)
    main()
