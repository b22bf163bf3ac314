#!/usr/bin/python3
"""Stands in for inference-worker where a test is about the operator: the same flags, link and signals, without LibTorch.

Environment: FAKE_SERVICE_SECONDS (sleep per job), FAKE_START_SECONDS (until ready), FAKE_FAILURE (complain and exit 3), FAKE_DIES_OF (SHA-256 of pictures under which it ends like a killed process).
"""
import argparse
import hashlib
import http.server
import json
import os
import pathlib
import select
import signal
import sys
import threading
import time

from tests.process.fake_worker import FakeWorker
from tests.process.websocket import WebSocketClosed

FLAGS = ["address", "port", "metrics-port", "name", "model-name", "model-uri", "model-uri-query-file", "sha256", "labels", "labels-query-file", "precision", "cache-dir",
         "token-file", "drain-timeout", "log-level", "ports-file"]


class State:
    ready = False
    stopping = False


class Probe(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if State.ready else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Address:
    def __init__(self, text):
        self.link = int(text.rsplit(":", 1)[1])


def serve(link, token, arguments):
    """One dispatcher's jobs, one after the other, until SIGTERM or the end of the link; cancellations are ignored, as they are advisory."""
    worker = FakeWorker(Address(link), arguments.name, token=token, model=arguments.model_name)
    State.ready = True
    try:
        while not State.stopping:
            worker.ready()
            job = None
            while job is None:
                if State.stopping:
                    worker.tell({"type": "bye"})
                    worker.close()
                    return
                if worker.buffer or select.select([worker.socket], [], [], 0.05)[0]:
                    job = worker.next_job()
            if hashlib.sha256(job[1]).hexdigest() in os.environ.get("FAKE_DIES_OF", "").split(","):
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(float(os.environ.get("FAKE_SERVICE_SECONDS", "0.02")))
            worker.answer(job, label=arguments.model_uri)
        worker.tell({"type": "bye"})
        time.sleep(0.05)
    except (WebSocketClosed, ConnectionError):
        State.ready = False


def main():
    parser = argparse.ArgumentParser()
    for flag in FLAGS:
        parser.add_argument("--" + flag)
    parser.add_argument("--dispatcher", action="append")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: setattr(State, "stopping", True))
    if "FAKE_FAILURE" in os.environ:
        print(json.dumps({"ts": "", "level": "error", "event": "model_failed", "error": os.environ["FAKE_FAILURE"]}), flush=True)
        sys.exit(3)
    server = http.server.ThreadingHTTPServer((arguments.address, 0), Probe)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ports = pathlib.Path(arguments.ports_file)
    partial = ports.with_suffix(".partial")
    partial.write_text(json.dumps({"http": server.server_port, "metrics": server.server_port}))
    partial.rename(ports)
    time.sleep(float(os.environ.get("FAKE_START_SECONDS", "0.1")))
    token = pathlib.Path(arguments.token_file).read_text().strip()
    links = [threading.Thread(target=serve, args=(link, token, arguments)) for link in arguments.dispatcher]
    for link in links:
        link.start()
    while any(link.is_alive() for link in links):
        time.sleep(0.02)


main()
