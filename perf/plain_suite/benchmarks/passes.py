"""What one would write with asv alone: torch is imported here, the model is built in `setup`, asv does the timing.

`sweep_cost.py` runs it for comparison. Only the sizes, and the number of samples, are passtime's.
"""

import json
import os

import torch
import torchvision

WORKLOADS = ["resnet18", "resnet50", "conv3x3/1", "dense"]

# Samples in a round, by workload, so that the two suites take the same number; asv's own choice otherwise.
TRAINING_SAMPLES = json.loads(os.environ.get("PLAIN_SUITE_TRAINING_SAMPLES", "{}"))
INFERENCE_SAMPLES = json.loads(os.environ.get("PLAIN_SUITE_INFERENCE_SAMPLES", "{}"))


def build(workload):
    """The model, its input and its output's gradient."""
    if workload == "conv3x3/1":
        return torch.nn.Conv2d(3, 64, 3, padding=1), torch.randn(1, 3, 224, 224), torch.ones(1, 64, 224, 224)
    if workload == "dense":
        return torch.nn.Linear(1024, 512), torch.randn(1, 1024), torch.ones(1, 512)
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
