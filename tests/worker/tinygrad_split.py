"""Run by a runtime's Python: operations of a split training step, and of the same step as one captured function."""

import importlib.util
import json
import sys
import types

FOLDER = sys.argv[1]
for name, places in (("passtime", []), ("passtime.worker", [FOLDER])):
    package = types.ModuleType(name)
    package.__path__ = places
    sys.modules[name] = package
spec = importlib.util.spec_from_file_location("adapter", FOLDER + "/adapters/tinygrad.py")
adapter = importlib.util.module_from_spec(spec)
spec.loader.exec_module(adapter)

from tinygrad.helpers import GlobalCounters  # noqa: E402

from passtime.worker.inside.models import AVERAGE, BATCHNORM, CONV, DENSE, MAXPOOL, RELU, Layer  # noqa: E402

LAYERS = [
    *(Layer(CONV, 4, 8, 3, padding=1, has_bias=False), Layer(BATCHNORM, 8, 8), Layer(RELU)),
    *(Layer(MAXPOOL, kernel=2, stride=2), Layer(CONV, 8, 8, 3, padding=1), Layer(RELU)),
    *(Layer(AVERAGE), Layer(DENSE, 8, 10)),
]


def operations(function):
    GlobalCounters.reset()
    function()
    return GlobalCounters.global_ops


def filled():
    model = adapter.Model(LAYERS, True, drops=False)
    return model, model.filler.normal((2, 4, 16, 16))


model, batch = filled()
split = adapter.Workload(model, batch, 0)
whole_model, whole_batch = filled()
output_gradient = whole_model.filler.constant((2, 10), 1.0)


@adapter.tinygrad.TinyJit
def whole():
    output = whole_model(whole_batch)
    gradients = output.gradient(*whole_model.parameters, gradient=output_gradient)
    adapter.Tensor.realize(output, *gradients, *whole_model.updates)
    return [output, *gradients]


for _ in range(3):
    whole()
counted = {"forward": split.forward, "backward": lambda: split.backward(None), "whole": whole}
print(json.dumps({name: operations(function) for name, function in counted.items()}))
