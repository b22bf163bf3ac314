#!/usr/bin/python3
"""One contestant of the inference benchmark, as a program: loads its model, says "ready", and then, for each line of
standard input (a COUNT), prints the milliseconds of COUNT forward passes of one picture in one line.

    contestants.py NAME FOLDER

FOLDER is what network.py wrote. Each name is imported here alone, so that a missing package ends only its own row.
"""
import pathlib
import sys
import time

import numpy as np

PICTURE = np.full((1, 3, 224, 224), 0.5, np.float32)


def onnxruntime(model):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: PICTURE})


def onnxruntime_int8(folder):
    """Static quantisation as its own documentation recommends it for x86 with VNNI: QDQ, per channel."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Pictures(CalibrationDataReader):
        def __init__(self):
            self.left = iter(np.load(folder / "pictures.npy"))

        def get_next(self):
            picture = next(self.left, None)
            return None if picture is None else {"input": picture[None]}

    quantised = folder / "model.int8.onnx"
    if not quantised.exists():
        quantize_static(str(folder / "model.onnx"), str(quantised), Pictures(), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    return onnxruntime(quantised)


def openvino(folder, precision):
    import openvino as ov

    core = ov.Core()
    model = core.read_model(str(folder / "model.onnx"))
    model.reshape([1, 3, 224, 224])
    if precision == "int8":
        import nncf
        pictures = np.load(folder / "pictures.npy")
        model = nncf.quantize(model, nncf.Dataset([picture[None] for picture in pictures]), subset_size=len(pictures))
    hint = "bf16" if precision == "bf16" else "f32"
    compiled = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1,
                                                 "INFERENCE_PRECISION_HINT": hint})
    request = compiled.create_infer_request()
    tensor = ov.Tensor(PICTURE)
    return lambda: request.infer({0: tensor})


def opencv(folder):
    import cv2

    cv2.setNumThreads(1)
    net = cv2.dnn.readNetFromONNX(str(folder / "model.onnx"))

    def run():
        net.setInput(PICTURE)
        return net.forward()
    return run


def torch(folder, script):
    import torch as library
    from torchvision.models import resnet18

    library.set_num_threads(1)
    state = library.load(folder / "weights.pth")
    net = resnet18(weights=None, num_classes=len(state["fc.bias"]))
    net.load_state_dict(state)
    net.eval()
    if script:
        net = library.jit.freeze(library.jit.script(net))
    picture = library.from_numpy(PICTURE)

    def run():
        with library.inference_mode():
            return net(picture)
    return run


MAKE = {
    "onnxruntime fp32": lambda folder: onnxruntime(folder / "model.onnx"),
    "onnxruntime int8": onnxruntime_int8,
    "openvino fp32": lambda folder: openvino(folder, "fp32"),
    "openvino bf16": lambda folder: openvino(folder, "bf16"),
    "openvino int8": lambda folder: openvino(folder, "int8"),
    "opencv fp32": opencv,
    "torchvision eager fp32": lambda folder: torch(folder, script=False),
    "torchvision script fp32": lambda folder: torch(folder, script=True),
}


def main():
    run = MAKE[sys.argv[1]](pathlib.Path(sys.argv[2]))
    run()
    print("ready", flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            times.append(1000 * (time.perf_counter() - start))
        print(" ".join(f"{value:.4f}" for value in times), flush=True)


if __name__ == "__main__":
    main()
