"""A trained network as ONNX whose arrays are inputs, and the arrays beside it."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch.onnx import ONNXProgram

    from onehead.training.networks import RouterNetwork

OUTPUTS = ("quality", "log_input", "log_output", "confidence")
_OPSET = 18


def export(
    network: RouterNetwork, width: int
) -> tuple[bytes, dict[str, NDArray[Any]], dict[str, int | None]]:
    """The ONNX model, its arrays, and the model axis of each (None: it has none).

    width: of the features. The batch is a free dimension, and so is every model axis.
    """
    import torch

    network = network.eval()
    with _quiet():
        program = torch.onnx.export(
            network,
            (torch.zeros(2, width),),
            dynamo=True,
            input_names=["features"],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            opset_version=_OPSET,
            optimize=False,
            verbose=False,
        )
    axes = _model_axes(network)
    arrays = {
        name: np.asarray(tensor.detach().numpy(), order="C")
        for name, tensor in network.state_dict().items()
    }
    proto = cast("ONNXProgram", program).model_proto  # None only from the older exporter
    arrays = _lift(proto, arrays, axes)
    _forget_origins(proto)
    return proto.SerializeToString(), arrays, {name: axes.get(name) for name in arrays}


def _model_axes(network: RouterNetwork) -> dict[str, int]:
    """Array name → model axis, from what each head declares."""
    return {
        f"{path}.{name}".removeprefix("."): axis
        for path, module in network.named_modules()
        for name, axis in getattr(module, "model_axes", {}).items()
    }


def _lift(
    proto: Any, arrays: dict[str, NDArray[Any]], axes: dict[str, int]
) -> dict[str, NDArray[Any]]:
    """Turn the graph's initializers into inputs; returns the arrays that the graph uses.

    The dimensions of lifted inputs are left unnamed: what is loaded fixes them.
    """
    from onnx import helper

    used = {tensor.name for tensor in proto.graph.initializer if tensor.name in arrays}
    kept = [tensor for tensor in proto.graph.initializer if tensor.name not in used]
    for tensor in proto.graph.initializer:
        if tensor.name in used:
            shape = list(tensor.dims)
            if tensor.name in axes:
                shape[axes[tensor.name]] = "models"
            info = helper.make_tensor_value_info(tensor.name, tensor.data_type, shape)
            proto.graph.input.append(info)
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    del proto.graph.value_info[:]
    for output in proto.graph.output:
        for dimension in output.type.tensor_type.shape.dim[1:]:
            dimension.dim_param = "models"
    return {name: array for name, array in arrays.items() if name in used}


def _forget_origins(proto: Any) -> None:
    """Drop the exporter's notes of where in which file a node comes from.

    They name folders of the machine that trained, and are most of the file.
    """
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.ClearField("doc_string")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's chatter: its own deprecations and the ops it cannot register."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
