"""OpenVINO runs a converted network on the processor; torch is not imported once the network is kept converted."""

import collections

import numpy as np

from tlkit.features.arithmetic import find_arithmetic
from tlkit.features.openvino_model import BATCH_SIZE, read_converted


class OpenVINOEngine:
    """One output of a network, compiled for this processor; arguments as in `open_engine`."""

    batch_size = BATCH_SIZE

    def __init__(self, network, output, precision):
        import openvino

        self._compiled = openvino.Core().compile_model(
            _arrange(read_converted(network), network, output),
            "CPU",
            # Where the processor has bf16 units OpenVINO would use them unasked and change the features' third digit.
            {
                "INFERENCE_PRECISION_HINT": find_arithmetic("openvino", precision),
                "PERFORMANCE_HINT": "THROUGHPUT",
            },
        )

    def run(self, batches):
        """Yield (batch_size, *shape) float32 of each batch; while some are computed the next are made."""
        # OpenVINO's queue with a callback would be shorter, but the thread that called back may still be waiting for
        # Python's lock when the network is thrown away; that waits for the thread and holds the lock: a deadlock, seen
        # on a busy machine.
        n_requests = self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        free = [self._compiled.create_infer_request() for _ in range(n_requests)]
        running = collections.deque()
        for batch in batches:
            if not free:
                request = running.popleft()
                request.wait()
                values = request.get_output_tensor(0).data.copy()
                free.append(request)
            else:
                values = None
            request = free.pop()
            request.start_async({0: batch})
            running.append(request)
            if values is not None:
                yield values
        for request in running:
            request.wait()
            yield request.get_output_tensor(0).data.copy()


def _arrange(converted, network, output):
    # Puts standardising before the network and the mean over places behind the wanted output.
    import openvino
    from openvino import opset15 as operations
    from openvino.preprocess import PrePostProcessor

    converted = converted.clone()
    place = len(network.stages) if output.stage is None else network.stages.index(output.stage)
    wanted = converted.outputs[place].node.input_value(0)
    if output.stage is not None and output.pooled and output.places:
        wanted = operations.reduce_mean(wanted, np.array(output.places), False).output(0)
    elif not output.pooled and output.places == (1, 2):
        wanted = operations.transpose(wanted, np.array([0, 3, 1, 2])).output(0)
    model = openvino.Model([wanted], converted.get_parameters())
    side = network.image_size_px
    model.reshape([BATCH_SIZE, 3, side, side])
    prepared = PrePostProcessor(model)
    prepared.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    prepared.input().model().set_layout(openvino.Layout("NCHW"))
    prepared.input().preprocess().convert_element_type(openvino.Type.f32).mean(
        [255 * mean for mean in network.recipe.mean]
    ).scale([255 * std for std in network.recipe.std])
    return prepared.build()
