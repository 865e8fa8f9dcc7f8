"""The torch adapter, with checks of what it built told as provenance. Runtimes run it, so it is for old Pythons too."""

import importlib.util
import os

_spec = importlib.util.spec_from_file_location("torch_adapter", os.environ["PASSTIME_TEST_ADAPTER"])
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)


class Checking(_module.Torch):
    def settings(self, workload):
        return dict(super().settings(workload), **_check(_module.torch, workload))


ADAPTER = Checking()


def _check(torch, workload):
    """What must hold after any number of passes."""
    smallest = torch.finfo(torch.float32).tiny
    checks = {
        "check.denormals": sum(
            int(((tensor != 0) & (tensor.abs() < smallest)).sum()) for tensor in [*workload.parameters, workload.batch]
        ),
        "check.equal_rows": sum(
            1 for tensor in workload.parameters if tensor.dim() > 1 and bool((tensor[0] == tensor[1]).all())
        ),
    }
    if workload.output_shape is None:
        output = workload.infer()
        checks["check.graph"] = output.requires_grad
    else:
        checks.update(_check_gradients(torch, workload))
        output = workload.forward()
        checks["check.graph"] = output.requires_grad
    checks["check.finite"] = bool((output == output).all()) and float(output.abs().max()) < 1e6
    return checks


def _check_gradients(torch, workload):
    """A step's gradients are those of one step, not a sum over all the steps before it."""
    torch.manual_seed(0)  # dropout's choice
    workload.prepare()
    cleared = all(tensor.grad is None for tensor in [*workload.parameters, workload.batch])
    workload.backward(workload.forward())
    first = [tensor.grad.clone() for tensor in workload.parameters]
    torch.manual_seed(0)
    workload.prepare()
    workload.backward(workload.forward())
    return {
        "check.cleared": cleared,
        "check.fresh": all(
            bool(torch.allclose(tensor.grad, gradient, rtol=1e-3, atol=1e-5 * float(gradient.abs().max())))
            for tensor, gradient in zip(workload.parameters, first)  # noqa: B905  not in old Pythons
        ),
        "check.input_gradient": workload.batch.grad is not None,
    }
