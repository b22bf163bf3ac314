#!/usr/bin/env python3
"""Serves a policy that speaks over standard input and output as a webhook: serve.py PORT COMMAND…
Each service gets a program of its own, and another one after it has ended. Port 0 takes a free one."""
import http.server
import json
import subprocess
import sys

programs = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # the operator keeps its connection
    disable_nagle_algorithm = True

    def do_POST(self):
        question = self.rfile.read(int(self.headers["Content-Length"]))
        service = json.loads(question)["service"]
        program = programs.get(service)
        if program is None or program.poll() is not None:
            program = programs[service] = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        answer = b""
        try:
            program.stdin.write(question + b"\n")
            program.stdin.flush()
            answer = program.stdout.readline()
        except BrokenPipeError:
            pass  # it ended by itself; its own words say why
        self.send_response(200 if answer else 502)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler)
    print(f"listening on port {server.server_port}", flush=True)
    server.serve_forever()
