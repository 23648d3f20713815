"""The baseline of P5: a Starlette route that reads the body and decodes it, and nothing else."""

import sys
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class _Body(msgspec.Struct):
    batch: list[dict[str, Any]]


_DECODER = msgspec.json.Decoder(_Body)


async def receive(request: Request) -> Response:
    """Read and decode a batch; say how many messages it held."""
    body = _DECODER.decode(await request.body())
    answer = msgspec.json.encode({"success": True, "accepted": len(body.batch), "rejected": 0})
    return Response(answer, media_type="application/json")


async def ready(_request: Request) -> Response:
    """Say that it answers."""
    return Response(b"{}", media_type="application/json")


app = Starlette(
    routes=[Route("/v1/batch", receive, methods=["POST"]), Route("/readyz", ready)],
)

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", log_config=None, access_log=False)
