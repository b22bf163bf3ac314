"""Requests that no HTTP library would send."""
import select
import socket
import struct


class RawClient:
    """A TCP connection for requests that no HTTP library would send."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def response(self, timeout=20):
        """(status, headers with lower-case names, body) of the next answer with a Content-Length."""
        self.socket.settimeout(timeout)
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        size = int(headers.get("content-length", 0))
        while len(self.buffer) < size:
            self._more()
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return int(first.split(" ")[1]), headers, body

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError(f"closed after {self.buffer!r}")
        self.buffer += data

    def closed(self, timeout=20):
        """True when the other side closes without another byte."""
        self.socket.settimeout(timeout)
        try:
            return not self.buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def left(self):
        """True where the other side has closed and nothing that it sent is unread."""
        # recv() alone would wait as long as the socket's timeout, whatever its flags.
        if self.buffer or not select.select([self.socket], [], [], 0)[0]:
            return False
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return False

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()
