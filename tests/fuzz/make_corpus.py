"""Writes the small inputs that each fuzz target starts from, tests/fuzz/corpus/TARGET/*: the same bytes every time but for
pictures, which follow the version of Pillow. Run it again after a change here; what is checked in is what the tests use."""
import base64
import io
import json
import pathlib
import re
import struct

import numpy
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
from tests.process import hostile


def http_request():
    yield "get", b"GET /v2/models/resnet18 HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n"
    yield "post", b"POST /predict HTTP/1.1\r\nHost: h\r\nContent-Type: image/png\r\nContent-Length: 5\r\n\r\nhello"
    yield "chunked", (b"POST /predict?x=1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                      b"5;a=\"b c\"\r\nhello\r\n0\r\nTrailer: x\r\n\r\n")
    yield "pipelined", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET http://h/x?y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    yield "old", b"GET / HTTP/1.0\r\n\r\n"
    yield "folded", b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"
    yield "many-fields", b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a:b\r\n" * 120 + b"\r\n"
    yield "long-header", b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 1100 + b"\r\n\r\n"
    yield "smuggling", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET"


def http_response():
    yield "length", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello"
    yield "chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n"
    yield "until-close", b"HTTP/1.0 200 OK\r\n\r\nall of this"
    yield "interim", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
    yield "upgrade", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x82\x01x"
    yield "empty", b"HTTP/1.1 204 No Content\r\n\r\n"


def multipart():
    head = b"multipart/form-data; boundary=XX\n"
    part = b"--XX\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\nbytes\r\n"
    yield "one", head + part + b"--XX--\r\n"
    yield "two", head + b"preamble\r\n" + part + b"--XX \r\ncontent-disposition: form-data; name=x\r\n\r\n\r\n--XX--"
    yield "quoted", b"multipart/form-data; charset=x; boundary=\"a'b c\"\n--a'b c\r\nContent-Disposition: form-data; name=\"\\\"\"\r\n\r\n\r\n--a'b c--"


def frame(direction, header, payload=b""):
    text = json.dumps(header).encode()
    return bytes([direction]) + struct.pack(">I", len(text)) + text + payload


def link():
    yield "hello", frame(0, {"type": "hello", "worker": "w", "model": "resnet18", "classes": 3, "labels_sha256": "", "slots": 1})
    yield "hello_output", frame(0, {"type": "hello", "worker": "w", "model": "m", "classes": 3, "labels_sha256": "", "slots": 1,
                                    "output": "log_probabilities"})
    yield "hello_standby", frame(0, {"type": "hello", "worker": "w", "model": "m", "classes": 3, "labels_sha256": "", "slots": 1,
                                     "standby": True})
    yield "ready", frame(0, {"type": "ready"})
    yield "standby", frame(0, {"type": "standby"})
    items = [{"top": [{"label": "tabby", "index": 1, "probability": 0.9}]}, {"error": {"status": 400, "detail": "no"}}]
    result = {"type": "result", "id": 1, "items": items, "preprocess_ms": 1.5, "inference_ms": 20, "waited_ms": 0, "probabilities": True}
    yield "result", frame(0, result, struct.pack("<4f", 0.1, 0.9, 0, 0))
    job = {"type": "job", "id": 1, "items": [{"kind": "image", "bytes": 3}], "top": 5, "probabilities": False, "deadline_ms": 30000}
    yield "job", frame(1, job, b"abc")
    yield "cancel", frame(1, {"type": "cancel", "id": 18446744073709551615})


def infer():
    def body(data, shape, kind="BYTES", **parameters):
        entry = {"name": "image", "datatype": kind, "shape": shape, "parameters": parameters}
        if data is not None:
            entry["data"] = data
        return json.dumps({"id": "7", "inputs": [entry], "outputs": [{"name": "label"}, {"name": "probabilities"}]}).encode()
    yield "base64", b"-\n" + body(["/9j/4A=="], [1], content_type="base64")
    yield "two", b"-\n" + body(["/9j/4A==", "iVBORw=="], [2, 1])
    yield "short-tensor", b"-\n" + body([[0.5, 1e-3]], [1, 3, 224, 224], "FP32")
    header = body(None, [1], binary_data_size=7)
    yield "binary", str(len(header)).encode() + b"\n" + header + struct.pack("<I", 3) + b"abc"
    header = body(None, [2], binary_data_size=11)
    yield "binary-two", str(len(header)).encode() + b"\n" + header + struct.pack("<I", 3) + b"abc" + struct.pack("<I", 0)


def field(number, value):
    """A field of protobuf: a whole number, or bytes."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def grpc_infer():
    def message(shape, contents=b"", raw=(), kind=b"BYTES", output=b"label", parameters=b""):
        tensor = field(1, b"image") + field(2, kind) + field(3, bytes(shape)) + parameters
        tensor += field(5, contents) if contents else b""
        rest = b"".join(field(7, one) for one in raw)
        return field(1, b"resnet18") + field(3, b"7") + field(5, tensor) + field(6, field(1, output)) + rest
    yield "raw", message([2], raw=[struct.pack("<I", 3) + b"abc" + struct.pack("<I", 0)])
    yield "typed", message([1], field(8, b"abc"), output=b"probabilities")
    yield "numbers", message([1, 3, 8, 8], field(6, struct.pack("<4f", 0, 1, 2, 3)), kind=b"FP32")
    yield "parameters", message([1], field(8, b"a"), parameters=field(4, field(1, b"content_type") + field(2, field(3, b"base64"))))
    yield "both", message([1], field(8, b"a"), [b"a"])
    yield "cut-off", message([1], field(8, b"abc"))[:-2]


def websocket_frame(data, opcode=2, final=True):
    size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + struct.pack(">H", len(data))
    return bytes([opcode | (0x80 if final else 0)]) + size + bytes(4) + data


def websocket():
    yield "binary", websocket_frame(b"hello")
    yield "text", websocket_frame("grüß".encode(), opcode=1)
    yield "fragments", websocket_frame(b"a" * 200, final=False) + websocket_frame(b"ping", 9) + websocket_frame(b"b", 0)
    yield "too-long", websocket_frame(b"a" * 400, final=False) + websocket_frame(b"a" * 400, 0)
    yield "close", websocket_frame(b"x") + websocket_frame(struct.pack(">H", 1000) + b"bye", 8)


def watch():
    pod = {"metadata": {"name": "p", "resourceVersion": "5", "labels": {"a": "b"}}}
    lines = [{"type": kind, "object": pod} for kind in ("ADDED", "MODIFIED", "DELETED")]
    lines += [{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9", "annotations": {"k8s.io/initial-events-end": "true"}}}}]
    lines += [{"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}}]
    yield "events", b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    yield "windows", json.dumps(lines[0]).encode() + b"\r\n\r\n" + json.dumps(lines[4]).encode()
    yield "second-line-too-long", b"{}\n" + b"a" * 600 + b"\n{}\n"


def metrics():
    names = ("arrivals_total", "completions_total", "service_seconds_total", "service_seconds_squared_total", "queue_size",
             "in_flight", "oldest_age_seconds")
    text = "# HELP dispatcher_arrivals_total Pictures.\n# TYPE dispatcher_arrivals_total counter\n"
    text += "".join(f"dispatcher_{name} {i}.5\n" for i, name in enumerate(names))
    for bound in ("0.1", "0.5", "+Inf"):
        text += f'dispatcher_response_time_seconds_bucket{{endpoint="/predict",status="200",le="{bound}"}} 3\n'
    yield "dispatcher", text.encode()
    yield "escapes", b'a{b="c\\\\d\\"e\\nf",g=""} NaN 1700000000000\nx +Inf\ny{} -1e-3\r\n'
    yield "bounds", text.replace('"0.1"', '"nan"').replace('"0.5"', '"-inf"').encode()


def manifest():
    for name in ("resnet18", "full", "prometheus", "external-hpa"):
        yield name, (ROOT / f"crds/samples/{name}.yaml").read_bytes()
    yield "aliases", b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"
    yield "scalars", b"- 0x1F\n- 0o17\n- 1e3\n- .inf\n- ~\n- yes\n- 2001-01-01\n- !!str 5\n- 'it''s'\n- |\n  text\n"
    yield "json", json.dumps({"apiVersion": "elasticinference.dev/v1alpha1", "kind": "InferenceService", "metadata": {"name": "a"},
                              "spec": {"scaling": {"cooldown": "1m30s", "minReplicas": 2}}}).encode()


def kubeconfig():
    head = "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: k, user: u, namespace: n}\n"
    cluster = "clusters:\n- name: k\n  cluster: {server: 'https://h:6443', certificate-authority-data: Q0E=}\n"
    yield "token", (head + cluster + "users:\n- name: u\n  user: {token: t}\n").encode()
    yield "exec", (head + cluster + "users:\n- name: u\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1\n"
                   "      command: ./plugin\n      args: [a, b]\n      env: [{name: A, value: b}]\n").encode()
    yield "certificate", (head + cluster + "users:\n- name: u\n  user: {client-certificate: c.crt, client-key-data: S0VZ}\n").encode()
    yield "credential", json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                                    "status": {"token": "t", "expirationTimestamp": "2030-01-01T00:00:00Z"}}).encode()


def safetensors():
    header = {"__metadata__": {"format": "pt"}, "fc.bias": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
              "fc.weight": {"dtype": "F16", "shape": [2, 2], "data_offsets": [8, 16]}}
    text = json.dumps(header).encode()
    yield "two", struct.pack("<Q", len(text)) + text + struct.pack("<2f", 1, 2) + bytes(8)
    yield "none", struct.pack("<Q", 2) + b"{}"


def torch_file():
    source = (ROOT / "tests/inference/torch_files.hpp").read_text()
    for name, literal in re.findall(r"(kTorch\w+) =\n((?:\s*\"[^\"]*\"\n?)+)", source):
        data = base64.b64decode("".join(re.findall(r'"([^"]*)"', literal)))
        yield name, data
        if name == "kTorchZip":
            yield "pickle", data[data.index(b"\x80\x02"):data.index(b"PK\x07\x08")]


def labels():
    yield "lines", b"tabby\ncat, big\n\xc3\xa9\n"
    yield "windows", b"\xef\xbb\xbfa\r\nb\r\n\r\n"
    yield "dictionary", b"{0: 'tench',\n 1: \"goldfish\"}\n"
    yield "json", b'["a", "b"]'


def json_values():
    yield "object", b'{"kind":"Status","a":{"b":{"c":[1,-2,3.5,1e3,true,null,"\\u00e9\\n"]}}}'
    yield "numbers", b"[0,-0,1e-7,123456789012345678,18446744073709551615,1e400,0.1]"
    yield "deep", b"[" * 31 + b"]" * 31


def text():
    for name, value in (("url", "https://user.example:8443/a/b?x=1#f\n../c?d"), ("ipv6", "http://[::1]:80\n//h/x"),
                        ("duration", "1h2m3.5s"), ("quantity", "1.5Gi"), ("exponent", "1e3"), ("time", "2026-11-24T00:41:22.123456+01:00"),
                        ("base64", "aGVs\nbG8="), ("escape", "a%20b&timeout=5%C3%A9"), ("utf8", "grüß 🐈")):
        yield name, value.encode()


def pictures():
    image = Image.fromarray(numpy.arange(24 * 16 * 3, dtype=numpy.uint8).reshape(16, 24, 3))

    def save(kind, mode="RGB", **options):
        out = io.BytesIO()
        image.convert(mode).save(out, kind, **options)
        return out.getvalue()
    baseline = save("JPEG", quality=50)
    yield "baseline.jpg", baseline
    yield "progressive.jpg", save("JPEG", progressive=True, quality=50)
    yield "grey.jpg", save("JPEG", "L")
    yield "cmyk.jpg", save("JPEG", "CMYK")
    yield "rotated.jpg", baseline[:20] + hostile.exif_orientation(6) + baseline[20:]
    yield "scans.jpg", hostile.jpeg_scan_bomb(64, 64, 6)
    yield "rgb.png", save("PNG")
    yield "palette.png", save("PNG", "P", transparency=0)
    yield "grey16.png", hostile.png(8, 8, 16, 0)
    yield "bits.png", hostile.png(9, 3, 1, 0)
    yield "interlaced.png", hostile.png(1, 1, 8, 6, interlace=1)
    yield "text.png", hostile.png_text_bombs(2, 2000)
    yield "too-much-data.png", hostile.png_pixel_bomb(100_000)


TARGETS = {"http_request": http_request, "http_response": http_response, "multipart": multipart, "link": link, "infer": infer,
           "grpc_infer": grpc_infer,
           "websocket": websocket, "watch": watch, "metrics": metrics, "manifest": manifest, "kubeconfig": kubeconfig,
           "safetensors": safetensors, "torch_file": torch_file, "labels": labels, "json": json_values, "text": text,
           "picture": pictures}

if __name__ == "__main__":
    for target, make in TARGETS.items():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in make():
            (folder / name).write_bytes(data)
