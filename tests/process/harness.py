"""What the process tests share: starting our binaries, reading their metrics, and a worker whose every move a test decides."""
import base64
import io
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("EI_BIN", ROOT / "build/release/bin"))
TOKEN = "a-token-for-tests"
# Sanitized binaries on a busy machine start slowly; a test that waits this long has failed.
START_SECONDS = 20


def wait_until(condition, seconds=10, what="the condition"):
    """The first true value of condition(), which is asked every 10 ms."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.01)


def read_json(text):
    """json.loads for what people read too: no 1.25E1 for 12.5."""
    def plain(number):
        assert "E" not in number, f"{number} is not how people write it"
        return float(number)
    return json.loads(text, parse_float=plain)


class Program:
    """One of our binaries, running; its standard error is kept, one JSON object per line."""
    lossy_log = False  # set where the log's disk was full: a line may then be cut anywhere

    def __init__(self, name, directory, flags, ports=True, prefix=(), **popen):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_path = self.directory / f"{name}.log"
        self.ports_path = self.directory / f"{name}.ports"
        self.ports_path.unlink(missing_ok=True)
        command = [*prefix, str(BIN / name), *flags]
        if ports:
            command += ["--ports-file", str(self.ports_path)]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **popen)
        self.ports = self._wait_for_ports() if ports else {}

    def _wait_for_ports(self):
        def read():
            assert self.process.poll() is None, f"exited with {self.process.returncode}: {self.log_text()}"
            return self.ports_path.exists() and json.loads(self.ports_path.read_text())
        try:
            return wait_until(read, START_SECONDS, "the ports file")
        except BaseException:
            self.kill()
            raise

    def log_text(self):
        return self.log_path.read_text(errors="replace")

    def log(self, event=None):
        """The log's objects so far, all of them or one event's."""
        lines = []
        for line in self.log_text().splitlines():
            if not line.startswith("{"):
                continue
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                if not self.lossy_log:
                    raise
        return [line for line in lines if event in (None, line["event"])]

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=20):
        return self.process.wait(seconds)

    def stop(self, seconds=20):
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.signal()
        return self.wait(seconds)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Dispatcher(Program):
    def __init__(self, directory, *flags, token=TOKEN, address="127.0.0.1", link_port=0, **popen):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        default = ["--address", address, "--port", "0", "--metrics-port", "0", "--link-port", str(link_port),
                   "--grpc-port", "0"]
        if token:
            (directory / "token").write_text(token + "\n")
            default += ["--token-file", str(directory / "token")]
        super().__init__("inference-dispatcher", directory, [*default, *flags], **popen)
        self.http = self.ports["http"]
        self.link = self.ports["link"]
        self.url = f"http://{address}:{self.http}"
        self.metrics_url = f"http://{address}:{self.ports['metrics']}/metrics"

    def metrics(self):
        import requests
        return Metrics(requests.get(self.metrics_url, timeout=10).text)

    def wait_for_metric(self, name, value, **labels):
        wait_until(lambda: self.metrics().get(name, **labels) == value, what=f"{name}{labels} = {value}")


class Metrics:
    """A Prometheus exposition."""

    LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")

    def __init__(self, text):
        self.text = text
        self.samples = {}
        for line in text.splitlines():
            if line.startswith("#") or not line:
                continue
            name, labels, value = self.LINE.match(line).groups()
            pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
            self.samples[name, frozenset(pairs)] = float(value)

    def get(self, name, **labels):
        return self.samples.get((name, frozenset((key, str(value)) for key, value in labels.items())))

    def sum(self, name, **labels):
        wanted = {(key, str(value)) for key, value in labels.items()}
        return sum(value for (found, having), value in self.samples.items() if found == name and wanted <= having)


class WebSocketClosed(Exception):
    """The other side closed; args: code, reason."""


class WebSocket:
    """A blocking WebSocket client (RFC 6455) that can also misbehave."""

    def __init__(self, port, path, headers=(), timeout=10, tls=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *(f"{n}: {v}" for n, v in headers)]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError(f"no answer to the upgrade: {self.buffer!r}")
            self.buffer += more
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.status = int(head.split(b" ", 2)[1])
        self.head = head.decode()

    def _read(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(1 << 16)
            if not more:
                raise WebSocketClosed(1006, "end of stream")
            self.buffer += more
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out

    def send(self, data, opcode=2):
        mask = os.urandom(4)
        size = len(data)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 1 << 16:
            head += bytes([0x80 | 126]) + struct.pack(">H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", size)
        repeated = mask * (size // 4 + 1)
        body = (int.from_bytes(data, "big") ^ int.from_bytes(repeated[:size], "big")).to_bytes(size, "big")
        self.socket.sendall(head + mask + body)

    def receive(self, timeout=10):
        """The next message's bytes; pings are answered on the way, and do not prolong the wait."""
        end = time.monotonic() + timeout
        whole = b""
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no message within {timeout} s")
            self.socket.settimeout(left)
            first, second = self._read(2)
            size = second & 0x7F
            if size == 126:
                size, = struct.unpack(">H", self._read(2))
            elif size == 127:
                size, = struct.unpack(">Q", self._read(8))
            data = self._read(size)
            opcode = first & 0x0F
            if opcode == 8:
                code = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005
                raise WebSocketClosed(code, data[2:].decode(errors="replace"))
            if opcode == 9:
                self.send(data, opcode=10)
            elif opcode in (0, 1, 2):
                whole += data
                if first & 0x80:
                    return whole

    def die(self):
        """Ends the connection as a crashed process does: reset, without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


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


class Background:
    """Runs a function in a thread; result() gives its value or raises what it raised."""

    def __init__(self, function, *args, **kwargs):
        self.value = self.error = None

        def run():
            try:
                self.value = function(*args, **kwargs)
            except BaseException as error:  # handed to result()
                self.error = error
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def done(self):
        return not self.thread.is_alive()

    def result(self, seconds=20):
        self.thread.join(seconds)
        assert self.done(), "still running"
        if self.error:
            raise self.error
        return self.value


def picture(format="JPEG", size=(64, 48), mode="RGB", **options):
    """A real picture file."""
    from PIL import Image
    out = io.BytesIO()
    image = Image.linear_gradient("L").resize(size).convert(mode)
    image.save(out, format, **options)
    return out.getvalue()


class RawClient:
    """A TCP connection for requests that no HTTP library would send."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def response(self, timeout=20):
        """(status, headers with lower-case names, body) of the next answer with a Content-Length."""
        self.socket.settimeout(timeout)
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        size = int(headers.get("content-length", 0))
        while len(self.buffer) < size:
            self._more()
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return int(first.split(" ")[1]), headers, body

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError(f"closed after {self.buffer!r}")
        self.buffer += data

    def closed(self, timeout=20):
        """True when the other side closes without another byte."""
        self.socket.settimeout(timeout)
        try:
            return not self.buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()
