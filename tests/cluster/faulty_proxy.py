"""An HTTP proxy in front of one API server that counts, and misbehaves on request.

The operator talks plain HTTP to it; it talks TLS to the server with the admin's certificate. It forwards byte for
byte, streams included, so what the operator sees is the real server but for the faults.
"""

import asyncio
import base64
import contextlib
import json
import pathlib
import ssl
import tempfile
import threading
import time

import aiohttp
from aiohttp import web

WRITES = {"POST", "PUT", "PATCH", "DELETE"}

# What `before` returns where the connection shall end without an answer, and the server not hear of the request.
DROP = -1

# As an API server ends a watch whose place in the history it has forgotten.
EXPIRED = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old"}


def tls_of(kubeconfig):
    config = json.loads(pathlib.Path(kubeconfig).read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]

    def file_of(entry, name):
        if name in entry:
            return entry[name]
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(base64.b64decode(entry[name + "-data"]))
        return file.name

    context = ssl.create_default_context(cafile=file_of(cluster, "certificate-authority"))
    context.load_cert_chain(file_of(user, "client-certificate"), file_of(user, "client-key"))
    return cluster["server"], context


class FaultyProxy:
    """Start with `with`. `url` is where the operator goes."""

    def __init__(self, kubeconfig):
        self.server, self._context = tls_of(kubeconfig)
        self.requests = []  # (time.monotonic(), method, path with query, status or None)
        self.before = None  # called with (method, path) before a request is forwarded; may return a status or DROP
        self.after = None  # called with (method, path) when the server has answered, before the operator hears of it
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._clients = set()
        self._watches = {}  # the answer that the operator reads -> its path, and the server's answer behind it
        self._muted = None

    def __enter__(self):
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def kubeconfig(self, folder, namespace="default"):
        file = pathlib.Path(folder) / "proxy.kubeconfig"
        cluster = {"name": "proxy", "cluster": {"server": self.url}}
        context = {"name": "proxy", "context": {"cluster": "proxy", "namespace": namespace}}
        file.write_text(json.dumps({"current-context": "proxy", "clusters": [cluster], "contexts": [context]}))
        return file

    def writes(self, since=0.0):
        """Requests that change something but the lease, from a point in time on."""
        return [
            (method, path)
            for at, method, path, _ in list(self.requests)
            if at >= since and method in WRITES and "/leases" not in path
        ]

    def matching(self, part, since=0.0):
        return [path for at, _, path, _ in list(self.requests) if at >= since and part in path]

    def cut(self):
        """Drops every connection, running watches included."""

        def drop():
            for transport in list(self._clients):
                transport.abort()

        self._loop.call_soon_threadsafe(drop)

    def mute(self, part):
        """From now on nothing comes out of running watches with this in their path; None ends that."""
        self._muted = part

    def expire(self, part):
        """Ends running watches with this in their path by the event that says that their place is too old."""
        event = json.dumps({"type": "ERROR", "object": EXPIRED}).encode() + b"\n"

        async def end():
            for out, (path, answer) in list(self._watches.items()):
                if part in path:
                    await out.write(event)
                    answer.close()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._loop.run_forever()

    async def _start(self):
        connector = aiohttp.TCPConnector(ssl=self._context, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, shutdown_timeout=1)
        await site.start()
        self.url = "http://127.0.0.1:%d" % site._server.sockets[0].getsockname()[1]
        self._ready.set()

    async def _stop(self):
        # Watches that are still forwarded, some of them to operators long gone.
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._session.close()
        await self._runner.cleanup()

    async def _handle(self, request):
        self._clients.add(request.transport)
        record = [time.monotonic(), request.method, request.path_qs, None]
        self.requests.append(record)
        status = self.before(request.method, request.path_qs) if self.before else None
        if status == DROP:
            request.transport.abort()
            return web.Response()
        if status:
            record[3] = status
            refusal = EXPIRED if status == 410 else {"kind": "Status", "status": "Failure", "code": status}
            return web.json_response({"message": "refused by the test", **refusal}, status=status)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "content-length")}
        body = await request.read()
        # The client would ask for gzip by itself: newer servers compress watches too, and events would be held back.
        async with self._session.request(
            request.method, self.server + request.path_qs, data=body or None, headers=headers, skip_auto_headers=["Accept-Encoding"]
        ) as answer:
            record[3] = answer.status
            out = web.StreamResponse(status=answer.status)
            for name in ("Content-Type", "Retry-After"):
                if name in answer.headers:
                    out.headers[name] = answer.headers[name]
            if "watch=true" not in request.query_string:
                whole = await answer.read()
                if self.after:
                    self.after(request.method, request.path_qs)
                out.content_length = len(whole)
                await out.prepare(request)
                await out.write(whole)
                return out
            await out.prepare(request)
            self._watches[out] = (request.path_qs, answer)
            try:
                # Closed by `expire`.
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    async for chunk in answer.content.iter_any():
                        if not (self._muted and self._muted in request.path_qs):
                            await out.write(chunk)
            finally:
                del self._watches[out]
            return out
