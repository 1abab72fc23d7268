"""A web server that finishes its responses: python3 server.py PORT RELEASE

A response is held until the file RELEASE exists.
"""

import http.server
import os
import signal
import sys
import threading
import time

port, release = sys.argv[1:]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"begin\n")
        while not os.path.exists(release):
            time.sleep(0.005)
        self.wfile.write(b"end\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # server_close() then waits for the responses


def stop(*_):
    print("stopping", flush=True)
    # From another thread: it waits for the loop that this handler interrupts.
    threading.Thread(target=server.shutdown).start()


server = Server(("127.0.0.1", int(port)), Handler)
signal.signal(signal.SIGTERM, stop)
print("up", flush=True)
server.serve_forever(poll_interval=0.05)
server.server_close()
print("finished", flush=True)
sys.exit(4)
