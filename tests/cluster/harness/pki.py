"""Certificates and kubeconfigs, made with openssl; each cluster has its own authority."""

import json
import pathlib
import subprocess

# Longer than any test, short enough that a forgotten folder is no lasting credential.
VALID_DAYS = "7"


def _openssl(*args: str, stdin: str | None = None) -> None:
    subprocess.run(["openssl", *args], input=stdin, check=True, capture_output=True, text=True, timeout=30)


class Authority:
    """One certificate authority in a folder: `ca.crt`, `ca.key` and what it signs."""

    def __init__(self, folder: pathlib.Path, name: str):
        self.folder = folder
        self.cert = folder / "ca.crt"
        folder.mkdir(parents=True, exist_ok=True)
        if not self.cert.exists():
            self._key(folder / "ca.key")
            _openssl(
                *("req", "-x509", "-new", "-key", str(folder / "ca.key"), "-subj", f"/CN={name}"),
                *("-days", VALID_DAYS, "-out", str(self.cert)),
                *("-addext", "keyUsage=critical,keyCertSign,digitalSignature,cRLSign"),
            )

    @staticmethod
    def _key(path: pathlib.Path) -> None:
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path))
        path.chmod(0o600)

    def issue(self, name: str, subject: str, names: str = "") -> tuple[str, str]:
        """Returns (certificate, key) paths; `names` is openssl's subjectAltName."""
        cert, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if not cert.exists():
            self._key(key)
            extensions = "extendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n"
            (self.folder / f"{name}.ext").write_text(extensions + (f"subjectAltName={names}\n" if names else ""))
            request = self.folder / f"{name}.csr"
            _openssl("req", "-new", "-key", str(key), "-subj", subject, "-out", str(request))
            _openssl(
                *("x509", "-req", "-in", str(request), "-CA", str(self.cert), "-CAkey", str(self.folder / "ca.key")),
                *("-CAcreateserial", "-days", VALID_DAYS, "-extfile", str(self.folder / f"{name}.ext")),
                *("-out", str(cert)),
            )
        return str(cert), str(key)


def signing_key(path: pathlib.Path) -> str:
    """The key that signs service account tokens (RSA, as every client library accepts)."""
    if not path.exists():
        _openssl("genrsa", "-out", str(path), "2048")
        path.chmod(0o600)
    return str(path)


def kubeconfig(path: pathlib.Path, server: str, authority: Authority, cert: str, key: str) -> str:
    """Writes a kubeconfig (JSON is YAML) with everything embedded, so the file travels alone."""
    import base64

    def embed(file) -> str:
        return base64.b64encode(pathlib.Path(file).read_bytes()).decode()

    # In one step: another program that reads it just then must not find it empty.
    fresh = path.with_suffix(".new")
    fresh.touch(0o600)
    fresh.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {
                        "name": "test",
                        "cluster": {"server": server, "certificate-authority-data": embed(authority.cert)},
                    }
                ],
                "users": [
                    {
                        "name": "test",
                        "user": {"client-certificate-data": embed(cert), "client-key-data": embed(key)},
                    }
                ],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "current-context": "test",
            },
            indent=1,
        )
    )
    fresh.rename(path)
    return str(path)
