"""Certificates for tests, made with openssl, and a folder in which a kubelet's mount of a Secret would lie."""
import hashlib
import pathlib
import shutil
import ssl
import subprocess


def openssl(*arguments):
    # Primes for RSA are found by luck: mostly in a second, on a busy machine in many.
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=120)


class Identity:
    """A certificate and its key, as files. `rsa_bits`: its length; else it is an ECDSA key, which computes less."""

    def __init__(self, folder, name, rsa_bits=None):
        self.certificate = folder / f"{name}.crt"
        self.key = folder / f"{name}.key"
        if rsa_bits:
            openssl("genrsa", "-out", self.key, rsa_bits)
        else:
            openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.key)

    def der(self):
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text())

    def digest(self):
        return hashlib.sha256(self.der()).hexdigest()


class Authority(Identity):
    def __init__(self, folder, name):
        folder = pathlib.Path(folder)
        super().__init__(folder, name)
        self.folder = folder
        openssl("req", "-x509", "-new", "-key", self.key, "-subj", f"/CN={name}", "-days", "2", "-out", self.certificate)

    def issue(self, name, names="", days=2, rsa_bits=None):
        """`names`: what the certificate is for, as openssl writes it: IP:127.0.0.1,DNS:localhost."""
        made = Identity(self.folder, name, rsa_bits)
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\n" if names else "basicConstraints=CA:FALSE\n")
        openssl("req", "-new", "-key", made.key, "-subj", f"/CN={name}", "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                "-days", days, "-extfile", extensions, "-out", made.certificate)
        return made

    def trusting(self, identity=None):
        """A client's context that trusts this authority, with a certificate of its own where one is given."""
        context = ssl.create_default_context(cafile=self.certificate)
        if identity:
            context.load_cert_chain(identity.certificate, identity.key)
        return context


class Secret:
    """A mounted Secret: links into a folder that a link names, which an update replaces at once."""

    def __init__(self, folder, identity, authority):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.version = 0
        self.certificate, self.key, self.ca = (self.folder / name for name in ("tls.crt", "tls.key", "ca.crt"))
        for path in (self.certificate, self.key, self.ca):
            path.symlink_to(pathlib.Path("..data") / path.name)
        self.update(identity.certificate, identity.key, authority.certificate)

    def update(self, certificate, key, ca):
        self.version += 1
        fresh = self.folder / f"..{self.version}"
        fresh.mkdir()
        for source, name in ((certificate, "tls.crt"), (key, "tls.key"), (ca, "ca.crt")):
            shutil.copy(source, fresh / name)
        link = self.folder / "..next"
        link.symlink_to(fresh.name)
        link.rename(self.folder / "..data")

    def flags(self, client_auth=None):
        flags = ["--tls-cert", str(self.certificate), "--tls-key", str(self.key)]
        return flags + (["--tls-client-ca", str(self.ca), "--tls-client-auth", client_auth] if client_auth else [])
