"""The worker link with signed tokens: who is let in, and what happens when tokens and keys are replaced."""
import json
import time

import pytest
import requests
from cryptography.hazmat.primitives import serialization

from bench.processes import free_port
from bench.waiting import wait_until
from tests.process.background import Background
from tests.process.link_tokens import ISSUER, EcKey, RsaKey, b64, claims, compact, flags, hmac_token, publish, replace, unsigned_token
from tests.process.picture_files import picture
from tests.process.websocket import WebSocket

JPEG = picture()
RANDOM = ["--model-uri", "builtin://random?classes=4"]


@pytest.fixture(scope="module")
def rsa_key():
    return RsaKey("rsa")


@pytest.fixture(scope="module")
def ec_key():
    return EcKey("ec")


@pytest.fixture
def keys_file(tmp_path, rsa_key, ec_key):
    path = tmp_path / "keys.json"
    publish(path, rsa_key, ec_key)
    return path


@pytest.fixture
def dispatcher(start_dispatcher, keys_file):
    return start_dispatcher(*flags(keys_file), token=None)


def answer_to(dispatcher, token, scheme="Bearer "):
    socket = WebSocket(dispatcher.link, "/link", [("Authorization", scheme + token)])
    socket.close()
    return socket.status


def last_reason(dispatcher):
    return wait_until(lambda: dispatcher.log("link_refused"))[-1]["reason"]


def pem(key):
    return key.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_tokens_of_both_kinds_of_key_are_let_in(dispatcher, rsa_key, ec_key):
    assert answer_to(dispatcher, rsa_key.token()) == 101
    assert answer_to(dispatcher, ec_key.token()) == 101
    assert not dispatcher.log("link_refused") and not dispatcher.log("link_open")


WRONG = {
    "another audience": (lambda rsa, ec: rsa.token(aud=["elasticinference.dev/link/vision/other/uid-2"]), "audience"),
    "the API server's own audience": (lambda rsa, ec: rsa.token(aud=[ISSUER]), "audience"),
    "no audience": (lambda rsa, ec: rsa.token(aud=None), "audience"),
    "another issuer": (lambda rsa, ec: rsa.token(iss="https://elsewhere"), "issuer"),
    "another namespace": (lambda rsa, ec: rsa.token(sub="system:serviceaccount:other:default"), "is not of"),
    "another service account": (lambda rsa, ec: ec.token(sub="system:serviceaccount:vision:builder"), "is not of"),
    "expired": (lambda rsa, ec: rsa.token(life=-120), "expired"),
    "never expiring": (lambda rsa, ec: rsa.token(exp=None), "expiry"),
    "of the future": (lambda rsa, ec: rsa.token(nbf=int(time.time()) + 3600), "not valid yet"),
    "of no pod": (lambda rsa, ec: rsa.token(**{"kubernetes.io": {"namespace": "vision"}}), "pod"),
    "a key that is not published": (lambda rsa, ec: RsaKey("rsa").token(), "signature"),
    "an unknown key id": (lambda rsa, ec: rsa.token({"kid": "other"}), "unknown key"),
    "no key id": (lambda rsa, ec: rsa.token({"kid": ""}), "unknown key"),
    "the other key's id": (lambda rsa, ec: rsa.token({"kid": "ec"}), "algorithm"),
    "no algorithm": (lambda rsa, ec: unsigned_token({"alg": "none", "kid": "rsa"}), "token"),
    "no algorithm in capitals": (lambda rsa, ec: unsigned_token({"alg": "NONE", "kid": "rsa"}), "token"),
    "no signature": (lambda rsa, ec: rsa.token().rpartition(".")[0] + ".", "token"),
    "an HMAC with the public key's PEM": (lambda rsa, ec: hmac_token(pem(rsa), {"alg": "HS256", "kid": "rsa"}), "algorithm"),
    "an HMAC with the public modulus": (lambda rsa, ec: hmac_token(rsa.jwk()["n"].encode(), {"alg": "HS256", "kid": "rsa"}), "algorithm"),
    "an HMAC with nothing": (lambda rsa, ec: hmac_token(b"", {"alg": "HS256", "kid": "rsa"}), "algorithm"),
    "its own key in the header": (lambda rsa, ec: RsaKey("x").token({"kid": "x", "jwk": RsaKey("x").jwk()}), "unknown key"),
    "a critical header": (lambda rsa, ec: rsa.token({"crit": ["x"], "x": 1}), "critical"),
    "other claims under a good signature": (
        lambda rsa, ec: ".".join([rsa.token().split(".")[0], b64(json.dumps(claims(life=9999)).encode()), rsa.token().split(".")[2]]),
        "signature",
    ),
    "claims that are a list": (lambda rsa, ec: compact({"alg": "RS256", "kid": "rsa"}, [1], rsa.signature), "claims"),
    "garbage": (lambda rsa, ec: "garbage", "no JWT"),
    "two dots": (lambda rsa, ec: "..", "token"),
    "a huge token": (lambda rsa, ec: rsa.token(padding="x" * 4700), "more than 6144 bytes"),
    "deep claims": (lambda rsa, ec: compact({"alg": "RS256", "kid": "rsa"}, nested(100), rsa.signature), "claims"),
}


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"x": value}
    return value


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_token_is_refused_and_the_log_says_why(dispatcher, rsa_key, ec_key, kind):
    make, words = WRONG[kind]
    assert answer_to(dispatcher, make(rsa_key, ec_key)) == 401
    assert words in last_reason(dispatcher)
    assert answer_to(dispatcher, rsa_key.token()) == 101


@pytest.mark.parametrize("headers", [[], [("Authorization", "")], [("Authorization", "Bearer ")], [("Authorization", "Basic YTpi")]])
def test_without_a_token_nobody_is_let_in(dispatcher, headers):
    socket = WebSocket(dispatcher.link, "/link", headers)
    assert socket.status == 401
    socket.close()


def test_while_the_signing_key_changes_both_keys_count_and_after_it_the_new_one(dispatcher, keys_file, rsa_key):
    second = RsaKey("second")
    assert answer_to(dispatcher, second.token()) == 401
    publish(keys_file, rsa_key, second)
    assert answer_to(dispatcher, second.token()) == 101
    assert answer_to(dispatcher, rsa_key.token()) == 101
    publish(keys_file, second)
    assert answer_to(dispatcher, rsa_key.token()) == 401
    assert answer_to(dispatcher, second.token()) == 101
    assert [each["keys"] for each in dispatcher.log("link_keys")] == [2, 2, 1]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"issuer": "i", "keys": []}', None])
def test_keys_that_cannot_be_used_leave_those_before_in_force(dispatcher, keys_file, rsa_key, text):
    if text is None:
        keys_file.unlink()
    else:
        replace(keys_file, text)
    for _ in range(3):
        assert answer_to(dispatcher, rsa_key.token()) == 101
    assert len(dispatcher.log("link_keys_unusable")) == 1  # and not one for every link
    second = RsaKey("second")
    publish(keys_file, second)
    assert answer_to(dispatcher, second.token()) == 101


def test_a_former_token_counts_as_long_as_its_file_is_there(start_dispatcher, keys_file, tmp_path, rsa_key):
    former = tmp_path / "former"
    dispatcher = start_dispatcher(*flags(keys_file), "--former-token-file", str(former), token=None)
    assert answer_to(dispatcher, "shared") == 401
    former.write_text("shared\n")
    assert answer_to(dispatcher, "shared") == 101
    assert answer_to(dispatcher, rsa_key.token()) == 101
    former.unlink()
    assert answer_to(dispatcher, "shared") == 401


def test_an_empty_former_token_lets_nobody_in(start_dispatcher, keys_file, tmp_path):
    former = tmp_path / "former"
    former.write_text("\n")
    dispatcher = start_dispatcher(*flags(keys_file), "--former-token-file", str(former), token=None)
    assert answer_to(dispatcher, "") == 401


def test_a_link_outlives_its_token_and_the_next_one_takes_a_fresh_token(start_dispatcher, start_worker, keys_file, tmp_path, rsa_key):
    """The kubelet replaces a token at 80 % of its life; a link is not cut for it."""
    port = free_port()
    dispatcher = start_dispatcher(*flags(keys_file), token=None, link_port=port)
    token_file = tmp_path / "token"
    token_file.write_text("none yet")
    worker = start_worker(*RANDOM, "--token-file", str(token_file), dispatchers=[dispatcher], token=None)

    def linked():
        # Within the leeway for clocks that differ it is still good, and soon it is not.
        replace(token_file, rsa_key.token(life=-50))
        time.sleep(0.5)
        return dispatcher.metrics().get("dispatcher_workers", state="idle") == 1

    wait_until(linked, 60, "the link")
    old = token_file.read_text()
    wait_until(lambda: answer_to(dispatcher, old) == 401, 20, "the token's end")
    for _ in range(3):
        assert requests.post(dispatcher.url + "/predict", data=JPEG, headers={"Content-Type": "image/jpeg"}, timeout=30).ok
    assert len(dispatcher.log("worker_linked")) == 1
    replace(token_file, rsa_key.token())
    assert dispatcher.stop() == 0
    again = start_dispatcher(*flags(keys_file), token=None, link_port=port)
    again.wait_for_metric("dispatcher_workers", 1, state="idle")
    assert not again.log("link_refused")
    assert worker.stop() == 0


def test_no_request_fails_while_tokens_and_keys_are_replaced_and_links_break(start_dispatcher, start_worker, keys_file, tmp_path, rsa_key):
    dispatcher = start_dispatcher(*flags(keys_file), token=None)
    token_files = [tmp_path / f"token-{i}" for i in range(2)]
    for file in token_files:
        file.write_text(rsa_key.token())
    workers = [start_worker(*RANDOM, "--token-file", str(file), dispatchers=[dispatcher], token=None) for file in token_files]
    dispatcher.wait_for_metric("dispatcher_workers", 2, state="idle")
    statuses, done = [], []

    def ask():
        while not done:
            answer = requests.post(dispatcher.url + "/predict", data=JPEG, headers={"Content-Type": "image/jpeg"}, timeout=30)
            statuses.append(answer.status_code)

    asking = [Background(ask) for _ in range(2)]
    second = RsaKey("second")
    publish(keys_file, rsa_key, second)
    for file in token_files:
        replace(file, second.token())
    publish(keys_file, second)
    # One after the other is stopped, and its successor links with the new key's token.
    for index, file in enumerate(token_files):
        assert workers[index].stop() == 0
        workers[index] = start_worker(*RANDOM, "--token-file", str(file), dispatchers=[dispatcher], token=None)
        wait_until(lambda: len(dispatcher.log("worker_linked")) == 3 + index, 20, "the new link")
    wait_until(lambda: len(statuses) > 20, 60, "answers")
    done.append(True)
    for each in asking:
        each.result()
    assert set(statuses) == {200}
    assert not dispatcher.log("link_refused")


def test_a_worker_serves_a_dispatcher_of_the_release_before_with_the_token_it_knows(start_dispatcher, start_worker, keys_file, tmp_path, rsa_key):
    """An upgrade rolls both programs: each meets the other's older and newer."""
    old = start_dispatcher(token="shared")
    new = start_dispatcher(*flags(keys_file), token=None)
    (tmp_path / "signed").write_text(rsa_key.token())
    (tmp_path / "former").write_text("shared")
    own = ["--token-file", str(tmp_path / "signed"), "--former-token-file", str(tmp_path / "former")]
    worker = start_worker(*RANDOM, *own, dispatchers=[old, new], token=None)
    for dispatcher in (old, new):
        dispatcher.wait_for_metric("dispatcher_workers", 1, state="idle")
        assert requests.post(dispatcher.url + "/predict", data=JPEG, headers={"Content-Type": "image/jpeg"}, timeout=30).ok
    assert worker.stop() == 0


def test_keys_audience_and_subject_go_together(tmp_path):
    import subprocess

    from tests.process.programs import BIN
    for given in (["--link-keys", "k"], ["--link-audience", "a"], ["--link-keys", "k", "--link-audience", "a"]):
        done = subprocess.run([str(BIN / "inference-dispatcher"), *given], capture_output=True, text=True, timeout=30)
        assert done.returncode == 2 and "--link-" in done.stderr, done


def test_a_dispatcher_does_not_start_with_keys_that_cannot_be_used(tmp_path):
    import subprocess

    from tests.process.programs import BIN
    for text, words in ((None, "cannot open"), ("{}", "names no issuer"), ('{"issuer": "i", "keys": [{"kty": "oct", "kid": "1"}]}', "no key")):
        file = tmp_path / "keys"
        if text is not None:
            file.write_text(text)
        done = subprocess.run([str(BIN / "inference-dispatcher"), *flags(file)], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and words in done.stderr, done
