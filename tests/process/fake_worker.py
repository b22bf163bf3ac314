"""A worker whose every move a test decides."""
import json
import socket
import struct
import threading
import time

from tests.process.websocket import WebSocket, WebSocketClosed

# Of every dispatcher that a test starts.
TOKEN = "a-token-for-tests"


def encode_frame(header, payload=b""):
    text = json.dumps(header).encode()
    return struct.pack(">I", len(text)) + text + payload


def decode_frame(frame):
    size, = struct.unpack(">I", frame[:4])
    return json.loads(frame[4:4 + size]), frame[4 + size:]


class FakeWorker(WebSocket):
    """A worker that does exactly what a test says, over the real worker link."""

    CLASSES = 3

    def __init__(self, dispatcher, name="fake", token=TOKEN, model="resnet18", slots=1, hello=True, tls=None,
                 version=None):
        super().__init__(dispatcher.link, "/link", [("Authorization", f"Bearer {token}")], tls=tls)
        assert self.status == 101, self.head
        self.name = name
        self.jobs = []  # every job received: (header, payload)
        if hello:
            told = {} if version is None else {"model_version": version}
            self.tell({"type": "hello", "worker": name, "model": model, "classes": self.CLASSES,
                       "labels_sha256": "", "slots": slots, **told})

    def tell(self, header, payload=b""):
        self.send(encode_frame(header, payload))

    def ready(self):
        self.tell({"type": "ready"})

    def take(self, timeout=10):
        """Asks for a job and waits for it."""
        self.ready()
        return self.next_job(timeout)

    def next_job(self, timeout=10):
        while True:
            header, payload = decode_frame(self.receive(timeout))
            if header["type"] == "job":
                self.jobs.append((header, payload))
                return header, payload

    def answer(self, job, label="tabby", probability=0.931, inference_ms=12.5):
        header, _ = job
        items = []
        for item in header["items"]:
            for _ in range(item.get("count", 1)):
                items.append({"top": [{"label": label, "index": 1, "probability": probability}]})
        payload = struct.pack("<3f", 0.0625, 0.5, 0.4375) * len(items) if header["probabilities"] else b""
        self.tell({"type": "result", "id": header["id"], "items": items, "preprocess_ms": 1.5,
                   "inference_ms": inference_ms, "probabilities": header["probabilities"]}, payload)

    def fail(self, job, status, detail):
        self.tell({"type": "result", "id": job[0]["id"], "items": [{"error": {"status": status, "detail": detail}}],
                   "preprocess_ms": 0, "inference_ms": 0, "probabilities": False})


class WorkingWorker(FakeWorker):
    """A fake worker that serves until it is stopped: each answer takes `seconds`, its label is the worker's name."""

    def __init__(self, dispatcher, name="working", seconds=0.0, **options):
        super().__init__(dispatcher, name, **options)
        self.seconds = seconds
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        try:
            self.ready()
            while True:
                job = self.next_job(timeout=60)
                time.sleep(self.seconds)
                self.answer(job, label=self.name)
                self.ready()
        except (OSError, WebSocketClosed):
            pass

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(10)
        super().close()
