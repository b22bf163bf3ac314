"""What programs bear from clients that are slow, many or greedy: memory, probes, and answers for everybody else."""
import contextlib
import http.client
import os
import pathlib
import resource
import socket
import threading
import time

import requests
from PIL import Image

from bench.waiting import wait_until
from tests.process.background import Background
from tests.process.fake_worker import WorkingWorker
from tests.process.picture_files import picture
from tests.process.programs import Program
from tests.process.raw_client import RawClient

SMALL = picture()
PIECE = b":\r\na" * 1900
HEADER_KIB = 16


def status_kib(process, name):
    """A line of /proc/PID/status: VmHWM, the most memory that a process ever had; VmRSS, what it has now."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise AssertionError(f"no {name}")


def pieces_until_refused(port, begin, piece, most_bytes):
    """Sends `piece` again and again as packets of its own. (bytes sent, what was answered)"""
    client = RawClient(port)
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.socket.settimeout(0.012)
    sent, answer = len(begin), b""
    client.socket.sendall(begin)
    while sent < most_bytes and not answer:
        try:
            client.socket.sendall(piece)
            sent += len(piece)
        except OSError:
            break
        with contextlib.suppress(TimeoutError, ConnectionError):
            answer = client.socket.recv(65536) or b"closed"
    client.close()
    return sent, answer


class Tricklers:
    """So many connections that send a byte of a request every now and then; some come back when they are closed."""

    def __init__(self, port, count, begins, reconnect, pause=0.2):
        self.port, self.begins, self.reconnect, self.pause = port, begins, reconnect, pause
        self.sockets = [None] * count
        self.reconnects = 0
        self.stopped = threading.Event()
        self._round(0)
        self.thread = threading.Thread(target=self._trickle, daemon=True)
        self.thread.start()

    def _round(self, turn):
        for i, one in enumerate(self.sockets):
            try:
                if one is None and turn > 0 and not self.reconnect:
                    continue
                if one is None:
                    begin = self.begins[(i + turn) % len(self.begins)]
                    self.sockets[i] = one = socket.create_connection(("127.0.0.1", self.port), 5)
                    one.sendall(begin)
                else:
                    one.send(b"x")
            except OSError:
                if one is not None:
                    one.close()
                self.sockets[i] = None
                self.reconnects += 1

    def _trickle(self):
        turn = 0
        while not self.stopped.wait(self.pause):
            turn += 1
            self._round(turn)

    def close(self):
        self.stopped.set()
        self.thread.join(30)
        for one in self.sockets:
            if one is not None:
                one.close()


@contextlib.contextmanager
def tricklers(port, count, reconnect=True, pause=0.2, begins=(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", b"G",
                                   b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\nx", b"")):
    crowd = Tricklers(port, count, begins, reconnect, pause)
    try:
        yield crowd
    finally:
        crowd.close()


@contextlib.contextmanager
def operator(directory):
    """An operator whose API server accepts and never answers."""
    directory.mkdir()
    silent = socket.create_server(("127.0.0.1", 0))
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(f"""
apiVersion: v1
kind: Config
current-context: x
contexts: [{{name: x, context: {{cluster: x, user: x}}}}]
clusters: [{{name: x, cluster: {{server: "http://127.0.0.1:{silent.getsockname()[1]}"}}}}]
users: [{{name: x, user: {{token: t}}}}]
""")
    program = Program("inference-operator", directory, [
        "--kubeconfig", str(kubeconfig), "--metrics-port", "0", "--probe-port", "0", "--dispatcher-image", "d:1",
        "--worker-image", "w:1"])
    try:
        yield program
    finally:
        program.signal()
        try:
            program.wait(30)
        finally:
            program.kill()
            silent.close()


def test_a_header_is_refused_however_its_pieces_are_cut(dispatcher, tmp_path):
    begin = b"POST /predict HTTP/1.1\r\nHost: x\r\na"
    with operator(tmp_path / "operator") as one:
        ports = [(dispatcher, dispatcher.http), (dispatcher, dispatcher.ports["metrics"]), (dispatcher, dispatcher.link),
                 (one, one.ports["metrics"]), (one, one.ports["probes"])]
        for program, port in ports:
            for piece in (PIECE, b"a: b\r\n", b"\r\n:a", b"x" * 100):
                before = status_kib(program.process, "VmRSS")
                sent, answer = pieces_until_refused(port, begin, piece, 64 * 1024)
                assert sent <= HEADER_KIB * 1024 + len(begin) + len(piece), (port, piece[:10], sent)
                assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")) or answer == b"closed", answer[:100]
                assert status_kib(program.process, "VmRSS") - before < 4096
    assert requests.get(dispatcher.url + "/healthz", timeout=10).status_code == 200


def test_an_empty_line_between_two_requests_is_skipped(dispatcher):
    client = RawClient(dispatcher.http)
    post = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 4\r\n\r\nnone"
    client.send(post + b"\r\n" + post)
    for _ in range(2):
        status, headers, _ = client.response()
        assert status in (400, 415) and headers["connection"] == "keep-alive"
    client.close()


def test_a_bare_line_feed_in_a_quoted_chunk_extension_is_refused(dispatcher):
    client = RawClient(dispatcher.http)
    client.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"4;a=\"\n\"\r\nnone\r\n0\r\n\r\n")
    assert client.response()[0] == 400
    assert client.closed()
    client.close()


def upload(port, body, results):
    """As curl sends a large file: it asks for leave first. Adds (status, headers) to the results."""
    client = RawClient(port)
    client.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nExpect: 100-continue\r\n"
                b"X-Request-Timeout-Ms: 60000\r\nContent-Length: %d\r\n\r\n" % len(body))
    status, headers, _ = client.response(120)
    if status == 100:
        client.send(body)
        status, headers, _ = client.response(120)
    results.append((status, headers))
    client.close()


def test_a_crowd_of_large_uploads_stays_within_the_memory_and_everybody_hears(start_dispatcher):
    """100 pictures of 10 MiB at once are more than a pod's 1 GiB: as much as fits is taken, the rest is told to come back."""
    dispatcher = start_dispatcher("--request-timeout", "120s", "--body-timeout", "60s")
    large = Image.frombytes("RGB", (1800, 1800), os.urandom(1800 * 1800 * 3))
    path = dispatcher.directory / "large.png"
    large.save(path, compress_level=0)
    body = path.read_bytes()
    assert 9 << 20 < len(body) < 10 << 20
    waiting = [Background(requests.post, dispatcher.url + "/predict", data=SMALL, headers={"Content-Type": "image/jpeg"},
                          timeout=150) for _ in range(20)]
    dispatcher.wait_for_metric("dispatcher_queue_size", 20)
    results = []
    uploads = [Background(upload, dispatcher.http, body, results) for _ in range(100)]

    def settled():
        # Who was refused has its answer, who was taken waits for a worker.
        return len(results) + dispatcher.metrics().get("dispatcher_queue_size") - 20 == 100
    wait_until(settled, 120, "every upload to be refused or to wait")
    refused = list(results)
    worker = WorkingWorker(dispatcher)
    for one in waiting:
        assert one.result(150).status_code == 200
    for one in uploads:
        one.result(150)
    worker.close()
    assert len(refused) > 20
    for status, headers in refused:
        assert status in (413, 429), status
        assert status == 413 or int(headers["retry-after"]) >= 1
    served = [status for status, _ in results[len(refused):]]
    assert served and set(served) == {200}
    peak_mib = status_kib(dispatcher.process, "VmHWM") / 1024
    print(f"{len(served)} served, {len(refused)} refused, at most {peak_mib:.0f} MiB")
    assert peak_mib < 1024


def ask(port, method="GET", path="/healthz", body=None, source="127.0.0.1"):
    """The status of an honest client's request, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20, source_address=(source, 0))
    try:
        connection.request(method, path, body, {"Content-Type": "image/jpeg"} if body else {})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def test_tricklers_that_fill_a_dispatcher_keep_nobody_out(start_dispatcher):
    dispatcher = start_dispatcher("--max-connections", "64", "--max-connections-per-address", "0")
    worker = WorkingWorker(dispatcher)
    with tricklers(dispatcher.http, 64, reconnect=False):
        time.sleep(1.5)  # until all of them have been slow
        for _ in range(20):
            for path in ("/healthz", "/readyz", "/metrics"):
                assert ask(dispatcher.ports["metrics"], path=path) == 200
            assert ask(dispatcher.http, "POST", "/predict", SMALL) == 200
    worker.close()


def test_four_thousand_tricklers_cost_a_dispatcher_little_and_keep_nobody_out(start_dispatcher):
    """A byte every few seconds from each: in headers, in bodies, and in what has not been asked yet."""
    count = 4096
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    dispatcher = start_dispatcher("--max-connections", str(count), "--max-connections-per-address", "0")
    worker = WorkingWorker(dispatcher)
    assert ask(dispatcher.http, "POST", "/predict", SMALL) == 200
    before = status_kib(dispatcher.process, "VmRSS")
    with tricklers(dispatcher.http, count, pause=2) as crowd:
        for _ in range(20):
            for path in ("/healthz", "/readyz", "/metrics"):
                assert ask(dispatcher.ports["metrics"], path=path) == 200
            assert ask(dispatcher.http, "POST", "/predict", SMALL) == 200
            time.sleep(0.1)
        wait_until(lambda: crowd.reconnects > 0, 60, "a trickler that lost its place")
        peak = status_kib(dispatcher.process, "VmHWM")
    print(f"{(peak - before) / count:.1f} KiB for each of {count} tricklers")
    # What a pod's memory limit counts for each connection (docs/security.md).
    assert peak - before < 32 * count
    worker.close()


def test_tricklers_that_come_back_from_one_address_keep_no_other_out(start_dispatcher):
    dispatcher = start_dispatcher("--max-connections", "64")
    worker = WorkingWorker(dispatcher)
    with tricklers(dispatcher.http, 100) as crowd, tricklers(dispatcher.ports["metrics"], 300):
        for _ in range(20):
            for path in ("/healthz", "/readyz", "/metrics"):
                assert ask(dispatcher.ports["metrics"], path=path, source="127.0.0.2") == 200
            assert ask(dispatcher.http, "POST", "/predict", SMALL, source="127.0.0.2") == 200
            time.sleep(0.1)
        assert crowd.reconnects > 0
    worker.close()


def test_questions_that_wait_for_arrivals_keep_no_probe_out(start_dispatcher):
    dispatcher = start_dispatcher()
    metrics = dispatcher.ports["metrics"]
    held = []
    try:
        # As many as that port has connections, from more addresses than one.
        for i in range(300):
            held.append(socket.create_connection(("127.0.0.1", metrics), 10, source_address=(f"127.0.0.{10 + i % 3}", 0)))
            held[-1].sendall(b"GET /arrivals?known=0&wait_ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n")
        for path in ("/healthz", "/readyz", "/metrics"):
            assert ask(metrics, path=path) == 200
        assert ask(metrics, path="/arrivals?known=0&wait_ms=60000") == 503
    finally:
        for each in held:
            each.close()
    # The operator's question is heard again.
    wait_until(lambda: ask(metrics, path="/arrivals?known=0&wait_ms=10") == 204, what="room for a question")


def test_tricklers_at_an_operator_keep_nobody_out(tmp_path):
    with operator(tmp_path / "operator") as one:
        metrics, probes = one.ports["metrics"], one.ports["probes"]
        with tricklers(metrics, 64), tricklers(probes, 64):
            for _ in range(20):
                assert ask(probes) == 200
                assert ask(metrics) == 200
                assert ask(metrics, path="/metrics") == 200
        with tricklers(metrics, 300), tricklers(probes, 300):
            for _ in range(20):
                assert ask(probes, source="127.0.0.2") == 200
                assert ask(metrics, path="/metrics", source="127.0.0.2") == 200
        assert ask(probes, path="/metrics") == 404


def test_one_address_leaves_room_for_the_others(start_dispatcher):
    dispatcher = start_dispatcher("--max-connections", "16", "--max-connections-per-address", "4", "--request-timeout", "60s")
    held = [RawClient(dispatcher.http) for _ in range(4)]
    for client in held:
        client.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(SMALL) + SMALL)
    dispatcher.wait_for_metric("dispatcher_queue_size", 4)
    fifth = RawClient(dispatcher.http)
    status, headers, _ = fifth.response()
    assert status == 503 and headers["retry-after"] == "1"
    other = socket.create_connection(("127.0.0.1", dispatcher.http), 10, source_address=("127.0.0.2", 0))
    other.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert other.recv(100).startswith(b"HTTP/1.1 200 ")
    for client in (*held, fifth):
        client.close()
    other.close()
