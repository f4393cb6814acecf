"""ONNX Runtime: one step of the operator LSTM and a linear layer, called for every character.

ONNX Runtime has no setting that keeps it from AVX-512.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime
import problem
from onnx import TensorProto, helper, numpy_helper
from serving import PROBED_NUMBERS, PROBED_SIDE, Contestant, measure_speed, serve

ORDER = "iofc"  # the order of gates in ONNX
IR_VERSION, OPSET = 8, 17


def open_session(graph: Any, threads: int) -> Any:
    """Return a session that runs a graph."""
    model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def describe(name: str, *shape: int) -> Any:
    """Return the description of a tensor of float32 numbers."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def sampling(hidden: int, streams: int, processes: int) -> Iterator[Contestant]:
    """Sample characters, one a call."""
    H, V, B = hidden, problem.CHARACTERS, streams
    weights = problem.make_weights(H, 1, V)
    U, W, b = (problem.order_gates(weights[f"layer0/{name}"], ORDER) for name in "UWb")
    constants = {"U": U.T[None], "W": W.T[None], "b": np.append(b, np.zeros(4 * H, np.float32))[None]}
    constants |= {"W_out": weights["output/W"], "b_out": weights["output/b"], "first": np.array([0])}
    nodes = [
        helper.make_node("LSTM", ["x", "U", "W", "b", "", "h", "c"], ["", "new_h", "new_c"], hidden_size=H),
        helper.make_node("Squeeze", ["new_h", "first"], ["output"]),
        helper.make_node("Gemm", ["output", "W_out", "b_out"], ["logits"]),
    ]
    inputs = [describe("x", 1, B, V), describe("h", 1, B, H), describe("c", 1, B, H)]
    outputs = [describe("logits", B, V), describe("new_h", 1, B, H), describe("new_c", 1, B, H)]
    initial = [numpy_helper.from_array(np.ascontiguousarray(values), name) for name, values in constants.items()]
    session = open_session(helper.make_graph(nodes, "lstm", inputs, outputs, initial), processes)
    one_hot, rng = np.eye(V, dtype=np.float32), np.random.default_rng(0)
    state, last = [np.zeros((1, B, H), np.float32)] * 2, np.zeros(B, np.intp)

    def predict(ids: Any) -> Any:
        logits, *state[:] = session.run(None, {"x": one_hot[ids][None], "h": state[0], "c": state[1]})
        return logits

    def check() -> list[float]:
        for character in problem.CHECKED_TEXT:
            logits = predict(np.full(B, character))
        return logits[-1].tolist()

    def work(count: int) -> None:
        nonlocal last
        for _ in range(count):
            last = problem.draw(predict(last), rng)
            last.tolist()

    yield Contestant(work, check)


def probe() -> dict[str, Any]:
    """Measure the functions of ONNX Runtime with one thread."""
    rng = np.random.default_rng(0)
    numbers, square = (rng.standard_normal(shape, np.float32) for shape in (PROBED_NUMBERS, (PROBED_SIDE,) * 2))
    tanh, multiply = (
        open_session(
            helper.make_graph(
                [helper.make_node(operator, ["x"] * operands, ["y"])],
                "probe",
                [describe("x", *values.shape)],
                [describe("y", *values.shape)],
            ),
            1,
        )
        for operator, operands, values in (("Tanh", 1, numbers), ("MatMul", 2, square))
    )
    speed = measure_speed(lambda: tanh.run(None, {"x": numbers}), lambda: multiply.run(None, {"x": square}))
    return {"says": "not restricted", **speed}


if __name__ == "__main__":
    serve(globals(), probe)
