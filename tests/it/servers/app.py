"""A page that is held until the file $RELEASE exists: `wsgi` and `asgi` for the servers that run one."""

import asyncio
import os
import time

release = os.environ["RELEASE"]


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begin\n"
    while not os.path.exists(release):
        time.sleep(0.005)
    yield b"end\n"


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"begin\n", "more_body": True})
    while not os.path.exists(release):
        await asyncio.sleep(0.005)
    await send({"type": "http.response.body", "body": b"end\n"})
