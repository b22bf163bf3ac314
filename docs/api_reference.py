#!/usr/bin/python3
"""Writes docs/api.md from the CRD, so that the reference and the API server say the same. tests/tidy compares the two.

  docs/api_reference.py          writes docs/api.md
  docs/api_reference.py --print  prints it
"""
import argparse
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
CRD = ROOT / "crds/elasticinference.dev_inferenceservices.yaml"
PAGE = ROOT / "docs/api.md"

TOP = """# API reference

<!-- Written by docs/api_reference.py from crds/elasticinference.dev_inferenceservices.yaml. Change the descriptions there. -->

`kubectl explain {short}.spec --recursive` prints the same from a cluster.

| | |
|---|---|
| group, version | `{group}/{version}` |
| kind | `{kind}`, in a namespace |
| names for `kubectl` | `{plural}`, `{singular}`, `{short}` |
| subresources | `status`, and `scale`, which reads and writes `spec.replicas` |

No field of `spec` is required. An unknown field or a value out of range is refused, and the error names the field, the value and
what is allowed. The API server and `inference-operator --local FILE --once` refuse the same manifests. What needs an
administrator's permission is in [security.md](security.md#what-an-administrator-allows); which files `spec.model` takes is in
[models.md](models.md).
"""


def plain(text):
    """A description as one table cell: what Markdown would read as markup stays text."""
    return re.sub(r"([*_<|])", r"\\\1", " ".join(text.split()))


def type_of(schema):
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity"
    if schema["type"] == "array":
        return f"list of {type_of(schema['items'])}s"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of {type_of(schema['additionalProperties'])}s"
    return schema["type"]


def rules(schema):
    """What the schema's CEL rules allow, in their own words."""
    return [re.sub(r"^must be ", "", " ".join(rule["message"].split())) for rule in schema.get("x-kubernetes-validations", [])]


def allowed(schema):
    found = []
    if "enum" in schema:
        found.append(", ".join(f"`{value}`" if value else "empty" for value in schema["enum"]))
    if "minimum" in schema or "maximum" in schema:
        found.append(f"{schema.get('minimum', '')} to {schema.get('maximum', '')}")
    # A query's own length is a limit that nobody meets by accident; a list's is.
    if "maxItems" in schema:
        found.append(f"at most {schema['maxItems']}")
    if schema.get("type") == "array":
        found += [plain(rule) for rule in rules(schema["items"])]
    found += [plain(rule) for rule in rules(schema)]
    return "; ".join(found)


def default(schema):
    if "default" not in schema:
        return ""
    value = schema["default"]
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def leaves(schema, path):
    """(path, schema) of every field below that holds a value; lists of objects show their items' fields as `list[].field`."""
    for name, field in schema.get("properties", {}).items():
        inner = field["items"] if field.get("type") == "array" else field
        below = f"{path}{name}" + ("[]" if inner is not field else "")
        if inner is not field and "properties" in inner:
            yield f"{path}{name}", field
        # An affinity is a pod's own; kubectl explains its forty fields.
        if "properties" in inner and name != "affinity":
            yield from leaves(inner, below + ".")
        else:
            yield f"{path}{name}", field


def cells(*values):
    return "| " + " | ".join(str(value) for value in values) + " |"


def spec_section(path, schema, title=None):
    lines = [f"## {title or f'`{path}`'}", "", plain(schema["description"]), "", cells("field", "type", "default", "allowed", "meaning"),
             "|---|---|---|---|---|"]
    for name, field in leaves(schema, ""):
        lines.append(cells(f"`{name}`", type_of(field), default(field), allowed(field), plain(field["description"])))
    for rule in schema.get("x-kubernetes-validations", []):
        # The rule's message continues the name of the field that it blames.
        lines += ["", f"`{path}{rule['fieldPath']}` {plain(rule['message'])}."]
    return lines


def page():
    crd = yaml.safe_load(CRD.read_text())["spec"]
    names, version = crd["names"], crd["versions"][0]
    root = version["schema"]["openAPIV3Schema"]
    spec, status = root["properties"]["spec"], root["properties"]["status"]
    lines = [TOP.format(group=crd["group"], version=version["name"], kind=names["kind"], plural=names["plural"],
                        singular=names["singular"], short=names["shortNames"][0])]
    lines += [plain(root["description"]), "", *(f"`{rule['message'].split()[0]}` {plain(rule['message'].split(None, 1)[1])}."
                                                for rule in root["x-kubernetes-validations"]), ""]
    single = {name: field for name, field in spec["properties"].items() if "properties" not in field}
    for name, field in spec["properties"].items():
        if name not in single:
            lines += [*spec_section(f"spec.{name}", field), ""]
    lines += [*spec_section("spec", {**spec, "properties": single}, "Directly in `spec`"), ""]
    lines += ["## `status`", "", plain(status["description"]), "", cells("field", "type", "meaning"), "|---|---|---|"]
    for name, field in leaves(status, ""):
        lines.append(cells(f"`{name}`", type_of(field), plain(field["description"])))
    lines += ["", "## Columns of `kubectl get`", "", cells("column", "with", "from", "meaning"), "|---|---|---|---|"]
    for column in version["additionalPrinterColumns"]:
        lines.append(cells(column["name"], "`-o wide`" if column.get("priority") else "", f"`{column['jsonPath']}`",
                           plain(column.get("description", ""))))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--print", action="store_true", help="print the page instead of writing docs/api.md")
    if options.parse_args().print:
        print(page(), end="")
    else:
        PAGE.write_text(page())
