#!/usr/bin/python3
"""Writes what a release is made of, as SPDX 2.3 in JSON: the program, and the Debian packages that it runs on.

  sbom.py NAME VERSION --status /var/lib/dpkg/status                     all packages of an image
  sbom.py NAME VERSION --status … --depends 'libc6 (>= 2.36), libssl3'   those of a package's dependencies, and theirs
  sbom.py … --contains pkg:npm/uplot@1.6.32 MIT SHA256                   and what was built into the program
"""
import argparse
import datetime
import hashlib
import json
import os
import re
import sys
import urllib.parse


def stanzas(text):
    """The installed packages of a dpkg status file: fields by name."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)", block, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            found.append(fields)
    return found


def names(relations):
    """Per dependency its alternatives: 'a (>= 1) | b, c:any' is [[a, b], [c]]."""
    return [[re.split(r"[ (:\[]", each.strip())[0] for each in group.split("|")] for group in (relations or "").split(",") if group.strip()]


def closure(installed, relations):
    """The installed packages that satisfy these relations, and those that they depend on."""
    by_name = {}
    for fields in installed:
        for name in [fields["Package"], *(name for group in names(fields.get("Provides")) for name in group)]:
            by_name.setdefault(name, fields)
    kept, waiting = {}, names(relations)
    while waiting:
        there = [by_name[name] for name in waiting.pop() if name in by_name]
        if there and there[0]["Package"] not in kept:
            kept[there[0]["Package"]] = there[0]
            waiting += names(there[0].get("Depends")) + names(there[0].get("Pre-Depends"))
    return [fields for fields in installed if fields["Package"] in kept]


def package(fields, distribution):
    source = re.match(r"(\S+)(?: \((.+)\))?", fields.get("Source", fields["Package"]))
    purl = f"pkg:deb/{distribution}/{fields['Package']}@{urllib.parse.quote(fields['Version'], safe='')}?arch={fields['Architecture']}"
    return {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"{fields['Package']}-{fields['Architecture']}"),
        "name": fields["Package"],
        "versionInfo": fields["Version"],
        "sourceInfo": f"built from {source[1]} {source[2] or fields['Version']}",
        "supplier": "Organization: " + re.sub(r" *<.*", "", fields.get("Maintainer", "Debian")),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
    }


def part(purl, licence, sha256):
    """What is within the program itself: no package of the system brings it."""
    name, version = re.fullmatch(r"pkg:npm/((?:%40[^/@]+/)?[^/@]+)@(.+)", purl).groups()
    name = urllib.parse.unquote(name)
    return {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"npm-{name}"),
        "name": name,
        "versionInfo": version,
        "downloadLocation": f"https://registry.npmjs.org/{name}/-/{name.split('/')[-1]}-{version}.tgz",
        "filesAnalyzed": False,
        "checksums": [{"algorithm": "SHA256", "checksumValue": sha256}],
        "licenseConcluded": licence,
        "licenseDeclared": licence,
        "copyrightText": "NOASSERTION",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
    }


def document(name, version, commit, packages, parts, distribution):
    # One commit gives one document: SOURCE_DATE_EPOCH is the commit's time.
    time = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.timezone.utc)
    own = {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name),
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "Apache-2.0",
        "licenseDeclared": "Apache-2.0",
        "copyrightText": "NOASSERTION",
    }
    if commit:
        own["sourceInfo"] = f"built from commit {commit}"
    others = sorted((package(fields, distribution) for fields in packages), key=lambda each: each["SPDXID"])
    within = sorted((part(*each) for each in parts), key=lambda each: each["SPDXID"])
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", own["SPDXID"])]
    relations += [(own["SPDXID"], "CONTAINS", each["SPDXID"]) for each in within]
    relations += [(own["SPDXID"], "DEPENDS_ON", each["SPDXID"]) for each in others]
    digest = hashlib.sha256(json.dumps([own, within, others], sort_keys=True).encode()).hexdigest()
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{name}-{version}",
        # A name for this content, nothing that has to be there.
        "documentNamespace": f"https://elasticinference.dev/spdx/{name}-{version}-{digest[:32]}",
        "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: elastic-inference-sbom"]},
        "packages": [own, *within, *others],
        "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b} for a, kind, b in relations],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("version")
    parser.add_argument("--status", required=True, help="dpkg's status file; - is standard input")
    parser.add_argument("--depends", help="only what satisfies these relations, and what that depends on")
    parser.add_argument("--commit", default="", help="what it was built from")
    parser.add_argument("--contains", nargs=3, action="append", default=[], metavar=("PURL", "LICENCE", "SHA256"),
                        help="what was built into it; PURL is pkg:npm/NAME@VERSION")
    parser.add_argument("--distribution", default="debian", help="namespace of the packages' URLs")
    arguments = parser.parse_args()
    text = sys.stdin.read() if arguments.status == "-" else open(arguments.status, encoding="utf-8").read()
    for purl, _, sha256 in arguments.contains:
        if not re.fullmatch(r"pkg:npm/(?:%40[^/@]+/)?[^/@]+@[^/@]+", purl):
            parser.error(f"--contains {purl}; allowed: pkg:npm/NAME@VERSION")
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            parser.error(f"--contains {purl} … {sha256}; allowed: a SHA-256 of 64 hexadecimal digits")
    installed = stanzas(text)
    if not installed:
        parser.error(f"--status {arguments.status}: no installed package; allowed: a status file of dpkg")
    if arguments.depends is not None:
        installed = closure(installed, arguments.depends)
    json.dump(document(arguments.name, arguments.version, arguments.commit, installed, arguments.contains, arguments.distribution), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
