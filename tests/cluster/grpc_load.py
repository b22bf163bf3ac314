"""Calls of Triton's client at a fixed rate for the cluster tests: `grpc_load.py HOST:PORT PICTURES RATE SECONDS`.

One connection for all calls, as the client keeps it. Prints one JSON object: codes, right answers (a picture's name ends
in `-<class>`), the first fault. Runs in the client's own environment, inside the node's network.
"""

import collections
import concurrent.futures
import json
import pathlib
import sys
import time

import numpy
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException


def run(address, folder, rate, seconds):
    client = triton.InferenceServerClient(address)
    pictures = [(path.stem, path.read_bytes()) for path in sorted(pathlib.Path(folder).glob("*.jpg"))]
    seen = {"codes": collections.Counter(), "right": 0, "first_fault": ""}

    def call(name, body):
        tensor = triton.InferInput("image", [1], "BYTES")
        tensor.set_data_from_numpy(numpy.array([body], dtype=object))
        try:
            label = client.infer("resnet18", [tensor], client_timeout=60).as_numpy("label")[0].decode()
            seen["right"] += label == name.rpartition("-")[2]
            seen["codes"]["OK"] += 1
        except InferenceServerException as error:
            seen["codes"][str(error.status()).removeprefix("StatusCode.")] += 1
            seen["first_fault"] = seen["first_fault"] or str(error)

    # As many at once as an overloaded service holds for the seconds of a time limit.
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        started = time.monotonic()
        for number in range(round(rate * seconds)):
            time.sleep(max(0, started + number / rate - time.monotonic()))
            pool.submit(call, *pictures[number % len(pictures)])
    return dict(seen, ready=client.is_server_ready())


if __name__ == "__main__":
    print(json.dumps(run(*sys.argv[1:3], *map(float, sys.argv[3:5]))))
