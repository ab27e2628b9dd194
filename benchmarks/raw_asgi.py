"""A server that reads a body and answers 600 bytes: the floor under any HTTP service here. Prints its port."""

from __future__ import annotations

import socket

import uvicorn
from starlette.types import Receive, Scope, Send

BODY = b"x" * 600


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Pure ASGI, no framework."""
    more = scope["type"] == "http"
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"600")]})
    await send({"type": "http.response.body", "body": BODY})


def main() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(application, http="httptools", lifespan="off", log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
