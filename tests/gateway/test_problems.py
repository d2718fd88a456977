"""What a client reads of a failure."""

import orjson
import pytest

from parallax.contract import errors
from parallax.gateway import problems


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("/srv/m/plain/1/m.onnx: no outputs", "m.onnx: no outputs"),
        ("/srv/my models/1/m.onnx: shapes (1, 8)", "m.onnx: shapes (1, 8)"),
        ("m.onnx: [Errno 13] denied: '/srv/my m/x.onnx'", "m.onnx: [Errno 13] denied: 'x.onnx'"),
        ("Load from /srv/my m/x.onnx failed", "Load from ... (the server's log says all)"),
        ("Expected and/or found", "Expected and/or found"),
    ],
)
def test_the_reason_of_a_refused_package_names_no_folder(reason: str, told: str) -> None:
    refused = errors.ModelRefusedError(f"Model plain/1 cannot be served: {reason}")
    body = orjson.loads(problems.body(refused))
    assert body == {"message": f"Model plain/1 cannot be served: {told}"}
