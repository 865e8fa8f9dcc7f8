"""What one would write with asv alone: torch is imported here, the model is built in `setup`, asv does the timing.

`sweep_cost.py` runs it for comparison. Only the sizes, and the number of samples, are passtime's.
"""

import json
import os

import torch
import torchvision

WORKLOADS = json.loads(os.environ.get("PLAIN_SUITE_WORKLOADS", '["resnet18", "resnet50", "conv3x3/1", "dense"]'))

# Samples in a round, by workload, so that the two suites take the same number; asv's own choice otherwise.
TRAINING_SAMPLES = json.loads(os.environ.get("PLAIN_SUITE_TRAINING_SAMPLES", "{}"))
INFERENCE_SAMPLES = json.loads(os.environ.get("PLAIN_SUITE_INFERENCE_SAMPLES", "{}"))

IMAGE = (1, 3, 224, 224)
# By layer: the shape of its input, that of its output, and what makes it.
LAYERS = {
    "conv3x3/1": (IMAGE, (1, 64, 224, 224), lambda: torch.nn.Conv2d(3, 64, 3, stride=1, padding=1)),
    "conv5x5/1": (IMAGE, (1, 64, 224, 224), lambda: torch.nn.Conv2d(3, 64, 5, stride=1, padding=2)),
    "conv3x3/2": (IMAGE, (1, 64, 112, 112), lambda: torch.nn.Conv2d(3, 64, 3, stride=2, padding=1)),
    "conv5x5/2": (IMAGE, (1, 64, 112, 112), lambda: torch.nn.Conv2d(3, 64, 5, stride=2, padding=2)),
    "dense": ((1, 1024), (1, 512), lambda: torch.nn.Linear(1024, 512)),
    "batchnorm": (IMAGE, IMAGE, lambda: torch.nn.BatchNorm2d(3)),
    "maxpool": (IMAGE, (1, 3, 112, 112), lambda: torch.nn.MaxPool2d(3, stride=2, padding=1)),
    "meanpool": (IMAGE, (1, 3, 112, 112), lambda: torch.nn.AvgPool2d(3, stride=2, padding=1)),
}


def build(workload):
    """The model, its input and its output's gradient."""
    if workload in LAYERS:
        input_shape, output_shape, make = LAYERS[workload]
        # A pooling layer's backward pass is its input's gradient; the others' is their parameters'.
        batch = torch.randn(*input_shape, requires_grad=workload.endswith("pool"))
        return make(), batch, torch.ones(*output_shape)
    return getattr(torchvision.models, workload)(), torch.randn(8, 3, 224, 224), torch.ones(8, 1000)


class Training:
    params = WORKLOADS
    timeout = 600

    def setup(self, workload):
        self.model, self.batch, self.gradient = build(workload)
        self.repeat = TRAINING_SAMPLES.get(workload, 0)

    def time_forward(self, workload):
        self.model(self.batch)

    def time_total(self, workload):
        self.model(self.batch).backward(self.gradient)


class Backward:
    params = WORKLOADS
    timeout = 600

    def setup(self, workload):
        model, batch, self.gradient = build(workload)
        self.output = model(batch)
        self.repeat = TRAINING_SAMPLES.get(workload, 0)

    def time_backward(self, workload):
        self.output.backward(self.gradient)


class Inference:
    params = WORKLOADS
    timeout = 600

    def setup(self, workload):
        self.model, self.batch, _ = build(workload)
        self.model.eval()
        self.repeat = INFERENCE_SAMPLES.get(workload, 0)

    def time_inference(self, workload):
        with torch.inference_mode():
            self.model(self.batch)
