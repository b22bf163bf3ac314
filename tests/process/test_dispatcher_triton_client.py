"""Triton's own Python client, as its users call it."""
import base64

import pytest

from tests.process.clients import run_triton
from tests.process.fake_worker import WorkingWorker
from tests.process.picture_files import picture

JPEG = picture()
START = """
import base64
import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException
client = http.InferenceServerClient(args[0], connection_timeout=20, network_timeout=20)
def images(*files, binary=True):
    tensor = http.InferInput("image", [len(files)], "BYTES")
    tensor.set_data_from_numpy(np.array([base64.b64decode(f) if binary else f.encode() for f in files], dtype=object), binary_data=binary)
    return [tensor]
def tensors(array, binary=True, name="image", datatype="FP32"):
    tensor = http.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return [tensor]
def error_of(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return None
"""


def triton(dispatcher, code, *arguments):
    return run_triton(START + code, f"127.0.0.1:{dispatcher.http}", *arguments)


def test_metadata_and_readiness_of_a_model_and_its_version(dispatcher, link):
    ask = """
out = [client.is_server_live(), client.is_server_ready(), client.is_model_ready("resnet18"), client.is_model_ready("resnet18", "1"),
       client.is_model_ready("resnet18", "2"), client.is_model_ready("vgg")]
"""
    assert triton(dispatcher, ask) == [True, False, False, False, False, False]
    link()
    dispatcher.wait_for_metric("dispatcher_workers", 1, state="idle")
    assert triton(dispatcher, ask) == [True, True, True, True, False, False]
    assert "classification" in triton(dispatcher, 'out = client.get_server_metadata()["extensions"]')
    assert triton(dispatcher, 'out = client.get_model_metadata("resnet18", "1")["versions"]') == ["1"]


@pytest.mark.parametrize("version", ["", "1"])
def test_pictures_and_tensors_are_classified(dispatcher, link, version):
    worker = link(WorkingWorker)
    other = picture(size=(50, 40))
    out = triton(dispatcher, """
answers = [client.infer("resnet18", inputs, model_version=args[2], request_id="7") for inputs in
           (images(*args[1]), tensors(np.full([2, 3, 224, 224], 0.5, np.float32)), tensors(np.full([1, 3, 224, 224], 0.5, np.float32), False))]
out = [[a.as_numpy("label").tolist(), a.as_numpy("probability").tolist(), a.get_response()["id"]] for a in answers]
out = [[[label.decode() if isinstance(label, bytes) else label for label in one[0]], one[1], one[2]] for one in out]
""", [base64.b64encode(one).decode() for one in (JPEG, other)], version)
    assert out == [[["working"] * count, [pytest.approx(0.931)] * count, "7"] for count in (2, 2, 1)]
    assert [payload for _, payload in worker.jobs[:2]] == [JPEG, other]


@pytest.mark.parametrize("binary", [True, False])
def test_the_classification_extension(dispatcher, link, binary):
    link(WorkingWorker)
    out = triton(dispatcher, """
outputs = [http.InferRequestedOutput("probabilities", binary_data=args[2], class_count=3)]
got = client.infer("resnet18", images(args[1]), outputs=outputs).as_numpy("probabilities")
out = [list(got.shape), [one.decode() if isinstance(one, bytes) else one for one in got.flatten()]]
""", base64.b64encode(JPEG).decode(), binary)
    assert out == [[1, 1], ["0.931000:1:working"]]  # the fake worker gives one


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_request_is_decoded_and_a_plain_answer_is_taken(dispatcher, link, coding):
    worker = link(WorkingWorker)
    out = triton(dispatcher, """
options = dict(request_compression_algorithm=args[2], response_compression_algorithm=args[2])
answers = [client.infer("resnet18", inputs, **options) for inputs in
           (images(args[1]), images(args[1], binary=False), tensors(np.zeros([6, 3, 224, 224], np.float32)))]
out = [a.as_numpy("probability").tolist() for a in answers]
big = error_of(client.infer, "resnet18", tensors(np.zeros([20, 3, 224, 224], np.float32)), **options)
out.append(big)
""", base64.b64encode(JPEG).decode(), coding)
    assert out[:3] == [[pytest.approx(0.931)]] * 2 + [[pytest.approx(0.931)] * 6]
    assert [payload for _, payload in worker.jobs[:2]] == [JPEG, JPEG]
    assert out[3][0] == "413" and "100 times" in out[3][1]


def test_every_error_is_one_that_the_client_can_read(dispatcher):
    out = triton(dispatcher, """
big = np.zeros([28, 3, 224, 224], np.float32)
one = np.zeros([1, 3, 224, 224], np.float32)
out = [error_of(client.infer, "resnet18", tensors(big)),
       error_of(client.infer, "resnet18", tensors(one, name="input_0")),
       error_of(client.infer, "resnet18", tensors(one.astype(np.float16), datatype="FP16")),
       error_of(client.infer, "resnet18", tensors(one), outputs=[http.InferRequestedOutput("logits")]),
       error_of(client.infer, "vgg", tensors(one)),
       error_of(client.infer, "resnet18", tensors(one), headers={"X": "x" * 20000}),
       error_of(client.infer, "resnet18", tensors(one), headers={"X-Request-Timeout-Ms": "50"}),
       error_of(client.get_model_config, "resnet18"),
       error_of(client.load_model, "resnet18")]
""")
    assert [status for status, _ in out] == ["413", "400", "400", "400", "404", "431", "503", "404", "404"]
    for (_, message), words in zip(out, (["16777216"], ['"input_0"', '"image"'], ["FP16", '"BYTES", "FP32"'], ["logits", "probabilities"],
                                         ["vgg"], ["header"], ["no worker"], ["/config"], ["/load"])):
        assert all(word in message for word in words), message
        assert "exception occurred in the client" not in message


def test_a_version_that_no_worker_has_is_named_with_those_there_are(dispatcher, link):
    link(version="0123456789ab")
    dispatcher.wait_for_metric("dispatcher_workers", 1, state="idle")
    one = "tensors(np.zeros([1, 3, 224, 224], np.float32))"
    status, message = triton(dispatcher, f'out = error_of(client.infer, "resnet18", {one}, model_version="2")')
    assert status == "404" and 'version "2"' in message and '"0123456789ab"' in message
