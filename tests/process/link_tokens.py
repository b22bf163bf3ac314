"""Signed tokens as a cluster makes them, and as it never would: written by hand, for a library refuses to make bad ones."""
import base64
import hashlib
import hmac
import json
import os
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

ISSUER = "https://kubernetes.default.svc"
AUDIENCE = "elasticinference.dev/link/vision/resnet18/uid-1"
SUBJECT = "system:serviceaccount:vision:default"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64_number(number, size=None):
    return b64(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


def compact(header, claims, sign):
    text = b64(json.dumps(header).encode()) + "." + b64(json.dumps(claims).encode())
    return text + "." + b64(sign(text.encode()))


def claims(life=600, **changes):
    """What the API server says about a pod's token; a change to None leaves the claim out."""
    now = int(time.time())
    said = {"iss": ISSUER, "aud": [AUDIENCE], "sub": SUBJECT, "iat": now, "nbf": now, "exp": now + life, "jti": os.urandom(8).hex(),
            "kubernetes.io": {"namespace": "vision", "pod": {"name": "resnet18-worker-1", "uid": "u"},
                              "serviceaccount": {"name": "default", "uid": "s"}}}
    said.update(changes)
    return {name: value for name, value in said.items() if value is not None}


class RsaKey:
    algorithm = "RS256"

    def __init__(self, kid):
        self.kid, self.key = kid, rsa.generate_private_key(65537, 2048)

    def jwk(self):
        numbers = self.key.public_key().public_numbers()
        return {"kty": "RSA", "kid": self.kid, "use": "sig", "alg": "RS256", "n": b64_number(numbers.n), "e": b64_number(numbers.e)}

    def signature(self, text):
        return self.key.sign(text, padding.PKCS1v15(), hashes.SHA256())

    def token(self, header=None, life=600, **changes):
        header = {"alg": self.algorithm, "kid": self.kid, **(header or {})}
        return compact(header, claims(life, **changes), self.signature)


class EcKey(RsaKey):
    algorithm = "ES256"

    def __init__(self, kid):
        self.kid, self.key = kid, ec.generate_private_key(ec.SECP256R1())

    def jwk(self):
        numbers = self.key.public_key().public_numbers()
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "x": b64_number(numbers.x, 32), "y": b64_number(numbers.y, 32)}

    def signature(self, text):
        r, s = utils.decode_dss_signature(self.key.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def hmac_token(secret, header):
    return compact(header, claims(), lambda text: hmac.new(secret, text, hashlib.sha256).digest())


def unsigned_token(header):
    return compact(header, claims(), lambda text: b"")


def replace(path, text):
    """As a kubelet does: readers see the old file or the new one."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    os.replace(fresh, path)


def publish(path, *keys, issuer=ISSUER):
    replace(path, json.dumps({"issuer": issuer, "keys": [key.jwk() for key in keys]}))


def flags(keys_file):
    return ["--link-keys", str(keys_file), "--link-audience", AUDIENCE, "--link-subject", SUBJECT]
