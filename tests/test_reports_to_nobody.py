"""ONNX Runtime 1.31 sends reports of the machine to its makers, unless ORT_DISABLE_TELEMETRY is set before its import.

Without that the session below leaves deviceid and onnxruntime.db, the queue of reports, in the user's cache folder.
"""

import os
import subprocess
import sys

import pytest

SESSION = """
import onnx, onnxruntime
from onnx import TensorProto, helper
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "g", ends[:1], ends[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
"""


@pytest.mark.parametrize("first", ["countenance", "countenance.faces.yunet"])
def test_a_session_leaves_no_report_to_be_sent(first, tmp_path):
    unset = {"ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    env = {name: value for name, value in os.environ.items() if name not in unset} | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", f"import {first}{SESSION}"], check=True, env=env)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == []
