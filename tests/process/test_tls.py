"""TLS of the dispatcher and of the worker link: who is trusted, who is turned away and told why, and renewal under load."""
import calendar
import contextlib
import socket
import ssl
import subprocess
import threading
import time

import pytest
import requests

from bench.waiting import wait_until
from tests.process.certificates import Authority, Secret
from tests.process.fake_worker import FakeWorker, WorkingWorker
from tests.process.picture_files import picture
from tests.process.programs import BIN
from tests.process.raw_client import RawClient
from tests.process.tls_clients import Asker

PICTURE = picture()


class Pki:
    def __init__(self, folder):
        self.authority = Authority(folder, "authority")
        self.stranger = Authority(folder, "stranger")
        self.server = self.authority.issue("server", "IP:127.0.0.1")
        self.renewed = self.authority.issue("renewed", "IP:127.0.0.1", days=20)
        self.client = self.authority.issue("client")
        self.other_client = self.stranger.issue("other-client")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def secret(tmp_path, pki):
    return Secret(tmp_path / "secret", pki.server, pki.authority)


@pytest.fixture
def encrypted(start_dispatcher, secret):
    return start_dispatcher(*secret.flags(), "--drain-timeout", "200ms", "--header-timeout", "500ms")


def connect(dispatcher, context, session=None):
    """recv() raises where the server ends the connection without saying so in TLS."""
    raw = socket.create_connection(("127.0.0.1", dispatcher.http), 10)
    try:
        return context.wrap_socket(raw, server_hostname="127.0.0.1", suppress_ragged_eofs=False, session=session)
    except BaseException:
        raw.close()
        raise


def ask(dispatcher, context, path="/healthz"):
    """The status of one request on a connection of its own, in which a TLS 1.3 server may still refuse a client."""
    with connect(dispatcher, context) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while more := connection.recv(65536):
            answer += more
    return int(answer.split(b" ")[1])


def failures(dispatcher, reason):
    return dispatcher.metrics().get("dispatcher_tls_handshake_failures_total", reason=reason)


def test_a_picture_goes_over_tls_to_a_worker_and_its_answer_back(encrypted, link, pki):
    worker = link(WorkingWorker, dispatcher=encrypted, tls=pki.authority.trusting())
    url = f"https://127.0.0.1:{encrypted.http}/predict"
    answer = requests.post(url, files={"image": PICTURE}, verify=str(pki.authority.certificate), timeout=20)
    assert answer.status_code == 200 and answer.json()["top"][0]["label"] == worker.name
    # Larger than a record, than a read, and than what one write takes.
    large = picture(format="PNG", size=(1500, 1500), mode="RGB", compress_level=0)
    answer = requests.post(url, data=large, headers={"Content-Type": "image/png"},
                           verify=str(pki.authority.certificate), timeout=20)
    assert answer.status_code == 200
    assert worker.jobs[-1][1] == large
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(url, verify=str(pki.stranger.certificate), timeout=20)


def test_the_end_of_a_connection_is_said_in_tls(encrypted, pki):
    assert ask(encrypted, pki.authority.trusting()) == 200


def test_probes_and_metrics_stay_plain_and_tell_when_the_certificate_ends(encrypted, pki):
    base = f"http://127.0.0.1:{encrypted.ports['metrics']}"
    assert requests.get(base + "/healthz", timeout=10).status_code == 200
    with connect(encrypted, pki.authority.trusting()) as connection:
        ends = calendar.timegm(time.strptime(connection.getpeercert()["notAfter"], "%b %d %H:%M:%S %Y %Z"))
    assert encrypted.metrics().get("dispatcher_tls_certificate_expiry_timestamp_seconds") == ends


def test_plain_http_is_told_to_speak_https(encrypted):
    answer = requests.post(f"http://127.0.0.1:{encrypted.http}/predict", data=PICTURE, timeout=10)
    assert answer.status_code == 400 and "HTTPS" in answer.json()["detail"]
    assert failures(encrypted, "plain_http") == 1
    line, = encrypted.log("tls_handshake_failed")
    assert line["reason"] == "plain_http" and line["peer"].startswith("127.0.0.1:")


def test_who_never_ends_a_handshake_is_closed_and_counted(encrypted):
    client = RawClient(encrypted.http)
    client.send(b"\x16\x03\x01")
    assert client.closed()
    client.close()
    assert failures(encrypted, "timeout") == 1


def test_old_versions_and_foreign_protocols_are_refused(encrypted, pki):
    context = pki.authority.trusting()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connect(encrypted, context) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
        assert connection.version() == "TLSv1.3"
    context = pki.authority.trusting()
    context.set_alpn_protocols(["smtp"])
    with pytest.raises(ssl.SSLError):
        connect(encrypted, context)
    for newest, spoken in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_1, None)):
        context = pki.authority.trusting()
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = newest
        if spoken:
            with connect(encrypted, context) as connection:
                assert connection.version() == spoken
        else:
            with pytest.raises(ssl.SSLError):
                connect(encrypted, context)


def test_many_refused_handshakes_are_counted_but_not_logged_one_by_one(encrypted):
    for _ in range(20):
        client = RawClient(encrypted.http)
        client.send(b"\x80nonsense")
        assert client.closed()
        client.close()
    assert failures(encrypted, "protocol") == 20
    assert len(encrypted.log("tls_handshake_failed")) < 10


@pytest.mark.parametrize("client_auth", ["optional", "required"])
def test_a_client_shows_a_certificate_of_the_authority(start_dispatcher, secret, pki, client_auth):
    dispatcher = start_dispatcher(*secret.flags(client_auth))
    known = pki.authority.trusting(pki.client)
    assert ask(dispatcher, known) == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(dispatcher, pki.authority.trusting(pki.other_client))
    wait_until(lambda: failures(dispatcher, "untrusted") == 1)
    if client_auth == "optional":
        assert ask(dispatcher, pki.authority.trusting()) == 200
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(dispatcher, pki.authority.trusting())
        wait_until(lambda: failures(dispatcher, "no_certificate") == 1)
    # A worker shows its token and nothing else.
    FakeWorker(dispatcher, tls=pki.authority.trusting()).close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_with_a_certificate_resumes_its_session(start_dispatcher, secret, pki, version):
    dispatcher = start_dispatcher(*secret.flags("required"))
    context = pki.authority.trusting(pki.client)
    context.minimum_version = context.maximum_version = version
    with connect(dispatcher, context) as first:
        first.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert first.recv(12) == b"HTTP/1.1 200"
        session = first.session
    with connect(dispatcher, context, session) as second:
        assert second.session_reused
        second.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert second.recv(12) == b"HTTP/1.1 200"


def test_a_renewed_certificate_counts_under_load_and_a_broken_one_is_kept_out(encrypted, link, secret, pki):
    context = pki.authority.trusting()
    workers = [link(WorkingWorker, dispatcher=encrypted, tls=context, name=f"w{i}") for i in range(2)]
    askers = [Asker(encrypted, context, keep) for keep in (True, True, False, False)]

    def shown():
        with connect(encrypted, context) as connection:
            return connection.getpeercert(binary_form=True)

    def renewals(result):
        return encrypted.metrics().get("dispatcher_tls_renewals_total", result=result)

    assert shown() == pki.server.der()
    secret.update(pki.renewed.certificate, pki.renewed.key, pki.authority.certificate)
    wait_until(lambda: shown() == pki.renewed.der(), what="the new certificate")
    secret.update(pki.server.certificate, pki.renewed.key, pki.authority.certificate)
    wait_until(lambda: renewals("refused") == 1, what="the refusal")
    assert shown() == pki.renewed.der()
    refused, = encrypted.log("tls_certificate_refused")
    assert "private key" in refused["error"]
    before = [asker.answers for asker in askers]
    wait_until(lambda: all(asker.answers > count for asker, count in zip(askers, before)))
    for asker in askers:
        asker.stop()
    assert [asker.faults for asker in askers] == [[]] * 4
    assert renewals("success") == 1
    # And of the workers none was linked anew.
    assert len(encrypted.log("worker_linked")) == len(workers)
    assert not encrypted.log("worker_unlinked")


def test_a_real_worker_verifies_the_dispatcher_before_it_shows_its_token(encrypted, start_worker, secret, pki):
    trusting = start_worker("--dispatcher-ca", str(secret.ca), dispatchers=[encrypted])
    wait_until(lambda: encrypted.log("worker_linked"), what="the link")
    answer = requests.post(f"https://127.0.0.1:{encrypted.http}/predict", data=PICTURE,
                           headers={"Content-Type": "image/jpeg"}, verify=str(pki.authority.certificate), timeout=30)
    assert answer.status_code == 200
    assert trusting.log("linked")
    for ca, host, why in ((pki.stranger.certificate, "127.0.0.1", "certificate verify failed"),
                          (pki.authority.certificate, "localhost", "certificate verify failed"),
                          (None, "127.0.0.1", "400")):
        flags = ["--dispatcher-ca", str(ca)] if ca else []
        doubting = start_worker("--dispatcher", f"{host}:{encrypted.link}", *flags)
        lost = wait_until(lambda: doubting.log("link_lost"), what="the failed link")
        assert why in lost[0]["error"], lost[0]
        assert not doubting.log("linked")
        doubting.stop()
    assert len(encrypted.log("worker_linked")) == 1


class Forwarder:
    """A port in front of another one, whose connections a test can cut."""

    def __init__(self, port):
        self.port_behind, self.open = port, []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                pair = self.listening.accept()[0], socket.create_connection(("127.0.0.1", self.port_behind), 10)
                pair[1].settimeout(None)
                self.open += pair
                for source, target in (pair, pair[::-1]):
                    threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    @staticmethod
    def _copy(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)

    def cut(self):
        for each in self.open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.open.clear()

    def close(self):
        self.listening.close()
        self.cut()


def test_a_worker_follows_a_change_of_the_authority_over_a_bundle_of_both(encrypted, start_worker, secret, pki, tmp_path):
    """First both authorities, then a certificate of the new one, then the new one alone; each link is a new one."""
    both = tmp_path / "both.crt"
    both.write_text(pki.authority.certificate.read_text() + pki.stranger.certificate.read_text())
    moved = pki.stranger.issue("moved", "IP:127.0.0.1")
    between = Forwarder(encrypted.link)
    worker = start_worker("--dispatcher-ca", str(secret.ca), "--dispatcher", f"127.0.0.1:{between.port}")

    def served(certificate, authority):
        """Whether the dispatcher shows this certificate, to who trusts that authority."""
        with contextlib.suppress(ssl.SSLError), connect(encrypted, authority.trusting()) as connection:
            return connection.getpeercert(binary_form=True) == certificate.der()

    wait_until(lambda: worker.log("linked"), 30, "the first link")
    for shown, ca, authority in ((pki.server, both, pki.authority), (moved, both, pki.stranger),
                                 (moved, pki.stranger.certificate, pki.stranger)):
        secret.update(shown.certificate, shown.key, ca)
        wait_until(lambda: served(shown, authority), 20, "the certificate")
        links = len(worker.log("linked"))
        between.cut()
        wait_until(lambda: len(worker.log("linked")) > links, 30, "another link")
        answer = requests.post(f"https://127.0.0.1:{encrypted.http}/predict", data=PICTURE, headers={"Content-Type": "image/jpeg"},
                               verify=str(authority.certificate), timeout=30)
        assert answer.status_code == 200
    assert not [lost for lost in worker.log("link_lost") if "certificate" in lost["error"]]
    between.close()


def test_the_load_generator_trusts_the_authority_that_it_is_given(encrypted, link, secret, pki, tmp_path):
    link(WorkingWorker, dispatcher=encrypted, tls=pki.authority.trusting())
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").write_bytes(PICTURE)
    command = [str(BIN / "inference-bench"), "load", "--url", f"https://127.0.0.1:{encrypted.http}/predict",
               "--images", str(tmp_path / "images"), "--rate", "50", "--seconds", "0.5", "--seed", "1"]
    for ca, errors in ((secret.ca, False), (pki.stranger.certificate, True)):
        done = subprocess.run([*command, "--ca", str(ca)], capture_output=True, text=True, timeout=60)
        assert ("errors 0" not in done.stdout) == errors, done.stdout + done.stderr


def test_a_dispatcher_does_not_start_with_what_it_cannot_use(secret, pki):
    def start(*flags):
        return subprocess.run([str(BIN / "inference-dispatcher"), *map(str, flags)], capture_output=True,
                              text=True, timeout=20)
    wrong = start("--tls-cert", pki.server.certificate, "--tls-key", pki.renewed.key, "--port", "0")
    assert wrong.returncode == 1 and "bad_certificate" in wrong.stderr and "private key" in wrong.stderr
    assert start("--tls-cert", secret.certificate).returncode == 2
    assert start("--tls-client-ca", secret.ca).returncode == 2
    assert start(*secret.flags(), "--tls-client-auth", "required").returncode == 2
    assert start(*secret.flags("sometimes")).returncode == 2
    # An open port beside an encrypted one would be a way around its certificates.
    beside = start(*secret.flags(), "--grpc-port", "8003")
    assert beside.returncode == 2 and "gRPC does not speak TLS" in beside.stderr + beside.stdout
