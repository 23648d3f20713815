"""Reading bodies as product SDKs send them: raw, maybe gzip, whatever their label says."""

import zlib

from starlette.requests import Request

from shared.kernel.errors import Kind, Refusal

LARGEST_BODY = 6 * 1024 * 1024
_GZIP = b"\x1f\x8b"


class PayloadTooLarge(Refusal):
    """The body is larger than 6 MiB when unpacked; send smaller batches."""

    kind = Kind.PAYLOAD_TOO_LARGE


class InvalidGzip(Refusal):
    """The body begins like gzip and cannot be unpacked."""

    kind = Kind.MALFORMED


async def read_body(request: Request) -> bytes:
    """Return the body, unpacked as it streams in, never holding more than 6 MiB.

    Some SDKs label gzip as a form: the first bytes tell, not the header. Raises
    `PayloadTooLarge` and `InvalidGzip`.
    """
    unpacker: zlib._Decompress | None = None
    body = bytearray()
    first = True
    async for chunk in request.stream():
        if first and chunk:
            first = False
            if chunk[:2] == _GZIP:
                unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        body += _unpack(unpacker, chunk, LARGEST_BODY + 1 - len(body)) if unpacker else chunk
        if len(body) > LARGEST_BODY:
            raise PayloadTooLarge
    if unpacker is not None and not unpacker.eof:
        raise InvalidGzip("the gzip stream ends before its end")
    return bytes(body)


def _unpack(unpacker: "zlib._Decompress", chunk: bytes, most: int) -> bytes:
    try:
        return unpacker.decompress(chunk, most)
    except zlib.error as error:
        raise InvalidGzip(f"the gzip stream is damaged: {error}") from None
