#!/usr/bin/python3
"""Writes how parts of a release were made: an in-toto statement with SLSA's provenance (https://slsa.dev/provenance/v1).

  provenance.py PART VERSION --commit ID [--source URL] [--image NAME=sha256:HEX]… [FILE]…
  … --sign KEY     the statement in an envelope (DSSE), signed with this private key in PEM
"""
import argparse
import base64
import hashlib
import json
import pathlib
import re
import subprocess
import sys

BUILD_TYPE = "https://elasticinference.dev/release/v1"  # a name; docs/security.md says what it stands for
PAYLOAD_TYPE = "application/vnd.in-toto+json"
OPENSSL_SECONDS = 60  # a hardware key may ask its owner


def named_digest(text):
    found = re.fullmatch(r"(.+)=sha256:([0-9a-f]{64})", text)
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}'; allowed: NAME=sha256: and 64 hexadecimal digits")
    return {"name": found[1], "digest": {"sha256": found[2]}}


def statement(arguments):
    """One commit and the same parts give the same statement: it has no time in it."""
    subjects = [{"name": file.name, "digest": {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}} for file in arguments.files]
    source = {"uri": f"git+{arguments.source}" if arguments.source else "git+https://elasticinference.dev"}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": sorted(subjects + arguments.image, key=lambda each: each["name"]),
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"part": arguments.part, "version": arguments.version},
                "resolvedDependencies": [{**source, "digest": {"gitCommit": arguments.commit}}],
            },
            # Whoever runs the script vouches for it with their key; no service does.
            "runDetails": {"builder": {"id": f"{BUILD_TYPE}/.ci/release"}},
        },
    }


def openssl(*command, given=None):
    done = subprocess.run(["openssl", *command], input=given, capture_output=True, timeout=OPENSSL_SECONDS)
    if done.returncode:
        sys.exit(f"error: openssl {command[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def envelope(payload, key):
    """What DSSE signs is not the payload alone, but its type and both lengths with it."""
    signed = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    public = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")
    signature = openssl("dgst", "-sha256", "-sign", key, given=signed)
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": hashlib.sha256(public).hexdigest(), "sig": base64.b64encode(signature).decode()}],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part")
    parser.add_argument("version")
    parser.add_argument("--commit", required=True)
    parser.add_argument("--source", default="", help="the repository's URL")
    parser.add_argument("--image", type=named_digest, action="append", default=[])
    parser.add_argument("--sign", metavar="KEY")
    parser.add_argument("files", type=pathlib.Path, nargs="*")
    arguments = parser.parse_intermixed_args()
    told = statement(arguments)
    if not told["subject"]:
        parser.error("nothing was made; name a FILE or an --image")
    if arguments.sign:
        told = envelope(json.dumps(told, separators=(",", ":")).encode(), arguments.sign)
    json.dump(told, sys.stdout, indent=None if arguments.sign else 1)
    print()


if __name__ == "__main__":
    main()
