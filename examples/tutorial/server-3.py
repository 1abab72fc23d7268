import contextlib
import os
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/slow":
            time.sleep(0.2)
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"hello\n")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, *arguments):
        self.connections = set()
        super().__init__(*arguments)

    def process_request(self, connection, address):
        self.connections.add(connection)
        super().process_request(connection, address)

    def shutdown_request(self, connection):
        self.connections.discard(connection)
        super().shutdown_request(connection)

    def stop(self, *_):
        threading.Thread(target=self.shutdown).start()


server = Server(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Handler)
signal.signal(signal.SIGTERM, server.stop)
signal.signal(signal.SIGINT, server.stop)
server.serve_forever(poll_interval=0.02)
# Accept what the kernel has queued: closing the listener would reset it.
server.timeout = 0
for _ in range(server.request_queue_size):
    server.handle_request()
server.socket.close()
# Requests on their way get their answer. After that, whoever waits for another request sees the end.
time.sleep(0.05)
for connection in list(server.connections):
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
server.server_close()
