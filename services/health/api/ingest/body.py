"""Reading bodies as product SDKs send them: raw, maybe gzip, whatever their label says."""

import zlib
from collections.abc import AsyncIterator, Iterator

from starlette.requests import Request

from services.health.usecases.usage.reading import BYTE_ORDER_MARK
from shared.kernel.errors import Kind, Refusal

_GZIP = b"\x1f\x8b"
_PACKINGS = frozenset({"br", "zstd", "compress", "x-compress", "lz4", "snappy"})
"""What is packed and not read. Some clients name a charset in that header: no reason to refuse."""
_PLAIN = (b"{", b"[")
_PIECE = 256 * 1024
_MOST_DRAINED = 64 * 1024 * 1024


class PayloadTooLarge(Refusal):
    """The body is too large; send smaller batches."""

    kind = Kind.PAYLOAD_TOO_LARGE


class InvalidGzip(Refusal):
    """The body begins like gzip and cannot be unpacked."""

    kind = Kind.MALFORMED


class UnsupportedEncoding(Refusal):
    """The body is packed in a way that is not read here; send gzip."""

    kind = Kind.MALFORMED


async def read_body(request: Request) -> bytes:
    """Return the body, unpacked as it streams in, never holding more than it may have.

    Some SDKs label gzip as a form: the first bytes tell, not the header. Raises
    `PayloadTooLarge`, `InvalidGzip` and `UnsupportedEncoding`.
    """
    largest: int = request.app.state.settings.ingest_body_bytes
    chunks, size = [], 0
    packed = request.stream()
    async for piece in _unmarked(_unpacked(packed, _encoding(request))):
        size += len(piece)
        if size > largest:
            await _drain(packed)
            raise PayloadTooLarge(f"A body may have {largest} bytes when unpacked.")
        chunks.append(piece)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def stream_body(request: Request) -> AsyncIterator[bytes]:
    """Yield the body in pieces, unpacked. Raises `InvalidGzip` and `UnsupportedEncoding`."""
    return _unmarked(_unpacked(request.stream(), _encoding(request)))


def _encoding(request: Request) -> str:
    return request.headers.get("content-encoding", "")


async def _unpacked(packed: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    unpacker: _Unpacker | None = None
    is_first = True
    async for chunk in _beginning_with(len(_GZIP), packed):
        if is_first:
            is_first = False
            unpacker = _unpacker(encoding, chunk)
        if unpacker is None:
            yield chunk
        else:
            for piece in unpacker.unpack(chunk):
                yield piece
    if unpacker is not None:
        unpacker.finish()


async def _unmarked(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Leave out a byte order mark."""
    is_first = True
    async for piece in _beginning_with(len(BYTE_ORDER_MARK), pieces):
        yield piece.removeprefix(BYTE_ORDER_MARK) if is_first else piece
        is_first = False


async def _beginning_with(size: int, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Give pieces again, the first of them of some size at least, however small they come."""
    first = b""
    is_begun = False
    async for piece in pieces:
        if is_begun:
            yield piece
            continue
        first += piece
        if len(first) >= size:
            is_begun = True
            yield first
    if first and not is_begun:
        yield first


class _Unpacker:
    """Unpacks gzip (of any number of members) or zlib, piece by piece."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._stream = zlib.decompressobj(window)

    def unpack(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a chunk holds, in pieces of bounded size."""
        while chunk:
            if self._stream.eof:
                self._stream = zlib.decompressobj(self._window)
            try:
                piece = self._stream.decompress(chunk, _PIECE)
            except zlib.error as error:
                raise InvalidGzip(f"the gzip stream is damaged: {error}") from None
            chunk = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if piece:
                yield piece

    def finish(self) -> None:
        """Raise `InvalidGzip` when something is missing at the end."""
        if not self._stream.eof:
            raise InvalidGzip("the gzip stream ends before its end")


def _unpacker(encoding: str, first: bytes) -> _Unpacker | None:
    if first[:2] == _GZIP:
        return _Unpacker(zlib.MAX_WBITS | 16)
    encoding = encoding.strip().lower()
    if encoding == "deflate":
        return _Unpacker(zlib.MAX_WBITS)
    if encoding in _PACKINGS and not first.lstrip().startswith(_PLAIN):
        raise UnsupportedEncoding(f"A body packed as {encoding} is not read; send gzip.")
    return None


async def _drain(packed: AsyncIterator[bytes]) -> None:
    """Read on, up to a bound: a client that is still sending would not see the answer."""
    drained = 0
    async for chunk in packed:
        drained += len(chunk)
        if drained > _MOST_DRAINED:
            return
