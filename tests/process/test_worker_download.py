"""Weights from https: checked, resumed, cached, and refused where they should be."""
import hashlib
import http.server
import io
import os
import ssl
import subprocess
import threading
import zipfile

import pytest
import requests

from tests.process import worker
from tests.process.background import Background
from tests.process.picture_files import picture
from tests.process.programs import ROOT


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", str(directory / "key.pem"),
                    "-out", str(directory / "cert.pem")], check=True, capture_output=True)
    return directory


@pytest.fixture(scope="module")
def weights():
    return (ROOT / "inference/weights/shapes.safetensors").read_bytes()


class FileServer:
    """Serves one file over TLS. `breaks`: after how many bytes each answer breaks off, first to last. `headers` are more
    of them; a Location makes every answer a redirect."""

    def __init__(self, certificate, data, breaks=(), ranges=True, status=200, headers=None):
        outer = self
        self.headers = headers or {}
        self.data, self.breaks, self.ranges, self.status = data, list(breaks), ranges, status
        self.requests = []  # the Range header of each
        self.paths = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.requests.append(self.headers.get("Range"))
                outer.paths.append(self.path)
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}/weights"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler):
        start, asked = 0, handler.headers.get("Range")
        if self.status != 200:
            handler.send_response(self.status)
            for name, value in self.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if asked and self.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}")
        else:
            handler.send_response(200)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if "Content-Length" not in self.headers:
            handler.send_header("Content-Length", str(len(self.data) - start))
        handler.send_header("ETag", '"one"')
        handler.end_headers()
        end = start + self.breaks.pop(0) if self.breaks else len(self.data)
        handler.wfile.write(self.data[start:end])
        if end < len(self.data):
            handler.close_connection = True

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve(certificate, weights):
    servers = []

    def start(data=weights, **options):
        servers.append(FileServer(certificate, data, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def classify(tmp_path, certificate):
    """Classifies one picture with weights from a URL, which loads them as any start does."""
    (tmp_path / "a.png").write_bytes(picture("PNG"))

    def run(url, *flags, trust=True, allow=("--allow-address", "loopback"), labels="builtin://shapes"):
        environment = dict(os.environ)
        if trust:
            environment["SSL_CERT_FILE"] = str(certificate / "cert.pem")
        return worker.run("--model-uri", url, "--cache-dir", tmp_path / "cache", "--labels", labels, *allow, *flags,
                          "--classify", tmp_path / "a.png", env=environment)
    return run


def digest(data):
    return hashlib.sha256(data).hexdigest()


def cached(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache").iterdir() if path.suffix not in (".lock", ".partial"))


def test_a_download_is_checked_kept_and_used_without_the_network_next_time(serve, classify, tmp_path, weights):
    server = serve()
    first = classify(server.url, "--sha256", digest(weights))
    assert first.returncode == 0, first.stderr
    assert cached(tmp_path) == [digest(weights)]
    server.close()
    second = classify(server.url, "--sha256", digest(weights).upper())
    assert second.returncode == 0, second.stderr
    assert second.stdout.split('"preprocess_ms"')[0] == first.stdout.split('"preprocess_ms"')[0]
    assert len(server.requests) == 1


def test_a_broken_transfer_is_resumed_where_it_stopped(serve, classify, weights):
    server = serve(breaks=[1_000_000, 5_000_000])
    done = classify(server.url, "--sha256", digest(weights))
    assert done.returncode == 0, done.stderr
    assert server.requests[0] is None
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in server.requests[1:]]
    assert len(starts) == 2
    assert 0 < starts[0] <= 1_000_000 < starts[1] <= 6_000_000


def test_without_a_digest_the_parts_are_held_together_by_the_etag(serve, classify, weights):
    server = serve(breaks=[3_000_000])
    done = classify(server.url)
    assert done.returncode == 0, done.stderr
    assert len(server.requests) == 2 and server.requests[1] is not None


def test_a_server_without_ranges_starts_over(serve, classify, weights):
    server = serve(breaks=[2_000_000], ranges=False)
    done = classify(server.url, "--sha256", digest(weights))
    assert done.returncode == 0, done.stderr


def test_a_later_process_goes_on_with_what_an_earlier_one_left(serve, classify, tmp_path, weights):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / (digest(weights) + ".partial")).write_bytes(weights[:10_000_000])
    server = serve()
    done = classify(server.url, "--sha256", digest(weights))
    assert done.returncode == 0, done.stderr
    assert server.requests == ["bytes=10000000-"]


def test_a_part_of_another_version_is_thrown_away(serve, classify, tmp_path, weights):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / (digest(weights) + ".partial")).write_bytes(b"x" * 10_000_000)
    server = serve()
    done = classify(server.url, "--sha256", digest(weights))
    assert done.returncode == 0, done.stderr
    assert server.requests == ["bytes=10000000-", None]


def test_a_wrong_digest_is_refused_and_nothing_is_kept(serve, classify, tmp_path, weights):
    server = serve()
    done = classify(server.url, "--sha256", "0" * 64)
    assert done.returncode == 1
    assert f"has the SHA-256 {digest(weights)}, expected is {'0' * 64}" in done.stderr
    assert cached(tmp_path) == []


def test_a_damaged_cache_is_noticed_and_mended(serve, classify, tmp_path, weights):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / digest(weights)).write_bytes(weights[:-1] + b"?")
    done = classify(serve().url, "--sha256", digest(weights))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cache" / digest(weights)).read_bytes() == weights


def test_a_missing_file_is_an_error_at_once(serve, classify):
    server = serve(status=404)
    done = classify(server.url, "--sha256", "0" * 64)
    assert done.returncode == 1
    assert "404" in done.stderr
    assert len(server.requests) == 1


def test_an_unknown_certificate_is_not_trusted(serve, classify, weights):
    server = serve()
    done = classify(server.url, "--sha256", digest(weights), trust=False)
    assert done.returncode == 1
    assert "certificate" in done.stderr.splitlines()[-1]
    assert server.requests == []


def test_a_transfer_that_does_not_begin_ends_the_worker_with_the_reason(serve, classify):
    server = serve()
    server.close()
    done = classify(server.url, "--sha256", "0" * 64)
    assert done.returncode == 1
    assert done.stderr.count("download_broken") >= 2, "it is tried again before"
    assert "refused" in done.stderr.splitlines()[-1]


def test_plain_http_is_refused_but_to_this_machine(tmp_path):
    error = worker.start_error("--model-uri", "http://example.org/weights", "--cache-dir", tmp_path)
    assert "use https" in error


def test_two_workers_with_one_cache_download_once(serve, classify, weights):
    server = serve()
    both = [Background(classify, server.url, "--sha256", digest(weights)) for _ in range(2)]
    assert [one.result(60).returncode for one in both] == [0, 0]
    assert len(server.requests) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]"])
def test_this_machine_is_not_asked_unless_that_is_allowed(serve, classify, weights, host):
    server = serve()
    url = server.url.replace("127.0.0.1", host)
    done = classify(url, "--sha256", digest(weights), allow=())
    assert done.returncode == 1
    assert "is a loopback address; allowed with --allow-address loopback" in done.stderr.splitlines()[-1]
    assert server.requests == []


@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166", "[fd00:ec2::254]", "[::ffff:a9fe:a9fe]", "0.0.0.0", "[fe80::1]"])
def test_metadata_and_link_local_addresses_are_never_asked(classify, host):
    done = classify(f"https://{host}/latest", allow=("--allow-address", "loopback", "--allow-address", "private"))
    assert done.returncode == 1
    assert "from which nothing is ever loaded" in done.stderr.splitlines()[-1]
    assert "download_broken" not in done.stderr, "it is not tried again"


@pytest.mark.parametrize(
    "target, says",
    [
        ("https://169.254.169.254/latest", "from which nothing is ever loaded"),
        ("https://10.0.0.1/x", "is a private address"),
        ("https://[::ffff:10.0.0.1]/x", "is a private address"),
        ("http://127.0.0.1:1/x", "a redirect from https to http://127.0.0.1:1/x is not followed"),
        ("file:///etc/passwd", "http, https"),
    ],
)
def test_a_redirect_reaches_no_further_than_the_url_itself(serve, classify, target, says):
    server = serve(status=302, headers={"Location": target})
    done = classify(server.url, "--sha256", "0" * 64)
    assert done.returncode == 1
    assert says in done.stderr.splitlines()[-1]
    assert len(server.requests) == 1


def test_a_redirect_to_a_host_that_is_not_listed_is_not_followed(serve, classify, weights):
    store = serve()
    front = serve(status=302, headers={"Location": store.url})
    hosts = [f"127.0.0.1:{each.server.server_port}" for each in (front, store)]
    allow = ("--allow-address", "loopback", "--allow-host", hosts[0])
    done = classify(front.url, "--sha256", digest(weights), allow=allow)
    assert done.returncode == 1
    assert f"{hosts[1]} is not among the hosts" in done.stderr.splitlines()[-1]
    assert store.requests == []
    done = classify(front.url, "--sha256", digest(weights), allow=(*allow, "--allow-host", hosts[1]))
    assert done.returncode == 0, done.stderr


def test_redirects_end(serve, classify):
    server = serve(status=302, headers={"Location": "/again"})
    done = classify(server.url, "--sha256", "0" * 64)
    assert done.returncode == 1
    assert "more than 5 redirects" in done.stderr
    assert len(server.requests) % 6 == 0


def torch_script():
    """As much of a TorchScript archive as tells what it is."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("archive/data.pkl", b"\x80\x02N.")
        out.writestr("archive/constants.pkl", b"\x80\x02).")
        out.writestr("archive/code/__torch__.py", b"import os")
        out.writestr("archive/version", b"3\n")
    return archive.getvalue()


def test_a_program_from_the_network_is_run_only_with_its_digest_whatever_it_is_called(serve, classify):
    program = torch_script()
    server = serve(data=program)
    done = classify(server.url)
    assert done.returncode == 1
    assert "TorchScript, which is a program: it is run only with the SHA-256" in done.stderr.splitlines()[-1]
    done = classify(server.url, "--sha256", digest(program))
    assert done.returncode == 1
    assert "not a usable TorchScript classifier" in done.stderr.splitlines()[-1], "LibTorch has seen it"


def test_what_may_be_secret_in_a_url_is_in_no_log_and_in_no_error(serve, classify, weights):
    fine, broken, missing = serve(), serve(breaks=[1_000_000]), serve(status=404)
    query = "?X-Amz-Signature=KEY&token=KEY"
    for server, code in ((fine, 0), (broken, 0), (missing, 1)):
        done = classify(server.url + query, allow=("--allow-address", "loopback"))
        assert done.returncode == code, done.stderr
        assert "KEY" not in done.stderr and "[redacted]" in done.stderr
    moved = serve(status=302, headers={"Location": "http://127.0.0.1:1/x" + query})
    done = classify(moved.url + query)
    assert "is not followed" in done.stderr and "KEY" not in done.stderr
    done = classify("https://me:KEY@127.0.0.1/x" + query)
    assert done.returncode == 2 and "KEY" not in done.stderr
    done = classify(fine.url + query, "--sha256", "0" * 64)
    assert "expected is" in done.stderr and "KEY" not in done.stderr


def test_a_signature_comes_in_a_file_and_no_argument_or_log_has_it(serve, classify, weights, tmp_path):
    server = serve()
    asked = tmp_path / "query"
    labels = serve(data=b"\n".join(b"name %d" % i for i in range(24)))
    for text in ("X-Amz-Signature=KEY&token=KEY\n", "?X-Amz-Signature=KEY&token=KEY\r\n"):
        asked.write_text(text)
        done = classify(server.url, "--model-uri-query-file", asked, "--labels-query-file", asked, labels=labels.url)
        assert done.returncode == 0, done.stderr
        assert "KEY" not in done.stdout + done.stderr and "KEY" not in str(done.args)
        assert '"label":"name ' in done.stdout
        assert server.paths[-1] == labels.paths[-1] == "/weights?X-Amz-Signature=KEY&token=KEY"
    for text in ("", "\n", "two words KEY", "KEY\nKEY", "a=KEY#b", "a=\x01KEY", "a=KEYä", "KEY" * 10_000):
        asked.write_text(text)
        done = classify(server.url, "--model-uri-query-file", asked)
        assert done.returncode == 2 and "--model-uri-query-file" in done.stderr and "KEY" not in done.stderr
    asked.write_text("a=KEY")
    for url in (server.url + "?a=b", "file:///weights", "builtin://shapes"):
        done = classify(url, "--model-uri-query-file", asked)
        assert done.returncode == 2 and "https:// without a query" in done.stderr and "KEY" not in done.stderr
    done = classify(server.url, "--model-uri-query-file", tmp_path / "none")
    assert done.returncode == 2 and "none" in done.stderr


def test_bytes_that_would_have_to_be_unpacked_are_refused(serve, classify, weights):
    done = classify(serve(headers={"Content-Encoding": "gzip"}).url, "--sha256", digest(weights))
    assert done.returncode == 1
    assert "Content-Encoding gzip" in done.stderr.splitlines()[-1]


def test_a_download_over_the_limit_is_refused_before_its_first_byte(serve, classify, tmp_path):
    server = serve(headers={"Content-Length": "1000000001"})
    done = classify(server.url, "--sha256", "0" * 64)
    assert done.returncode == 1
    assert "larger than 1000000000 bytes" in done.stderr.splitlines()[-1]
    assert (tmp_path / "cache" / ("0" * 64 + ".partial")).stat().st_size == 0


def test_downloads_that_were_used_long_ago_make_room(serve, classify, tmp_path, weights):
    cache = tmp_path / "cache"
    cache.mkdir()
    for at, name in enumerate(("a" * 64, "b" * 64 + ".partial", "notes.txt")):
        with open(cache / name, "wb") as file:
            file.truncate(990_000_000)
        os.utime(cache / name, (at + 1, at + 1))
    done = classify(serve().url, "--sha256", digest(weights))
    assert done.returncode == 0, done.stderr
    assert "cache_evicted" in done.stderr
    left = {path.name for path in cache.iterdir() if path.suffix != ".lock"}
    assert left == {"b" * 64 + ".partial", "notes.txt", digest(weights)}, "the oldest went, and nothing of others"


@pytest.mark.parametrize("uri", ["file:///proc/self/environ", "file:///tmp/../proc/self/environ", "/dev/zero"])
def test_files_of_the_system_are_no_weights_and_no_labels(tmp_path, uri):
    assert "is no file of weights or labels" in worker.start_error("--model-uri", uri)
    assert "is no file of weights or labels" in worker.start_error("--labels", uri)
    (tmp_path / "link").symlink_to("/proc/self/environ")
    assert "is no file of weights or labels" in worker.start_error("--labels", tmp_path / "link")


@pytest.mark.parametrize("source", ["builtin", "file", "checked file"])
def test_the_version_is_the_beginning_of_the_weights_sha256(start_worker, source):
    weights = ROOT / "inference/weights/shapes.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    flags = {"builtin": ["--model-uri", "builtin://shapes"], "file": ["--model-uri", str(weights)],
             "checked file": ["--model-uri", str(weights), "--sha256", digest]}[source]
    program = start_worker(*flags)
    answer = requests.post(program.url + "/predict", data=picture(), headers={"Content-Type": "image/jpeg"}, timeout=20)
    assert answer.json()["model_version"] == digest[:12]
    assert requests.get(program.url, timeout=20).json()["model_version"] == digest[:12]
    assert program.log("model_ready")[0]["model_version"] == digest[:12]
    assert program.metrics().sum("ml_app_model_info", version=digest[:12]) == 1
