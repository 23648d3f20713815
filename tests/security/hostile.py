"""Hostile requests, made from what an OpenAPI document says of a route."""

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from random import Random
from typing import Any
from urllib.parse import quote
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker

DEEP = 10_000
LONG = 100_000
MEBIBYTE = 1024 * 1024
_HOLE = "\ufdd0hole\ufdd0"

# JSON texts, to be put where a route expects a value. Some are no JSON, on purpose.
VALUES = [
    b"null",
    b"true",
    b"0",
    b"-1",
    b"1.5",
    b"5e-324",
    b"1e308",
    b"1e400",
    b"-1e400",
    b"1" + b"0" * 400,
    b"9223372036854775808",
    b"NaN",
    b"-Infinity",
    b"[]",
    b"{}",
    b"[null]",
    b'{"a":{"b":[1]}}',
    b"[" * DEEP + b"]" * DEEP,
    b'""',
    b'" "',
    b'"7"',
    b'"true"',
    b'"NaN"',
    b'"a\\u0000b"',
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\xff\xfe"',
    b'"\xed\xa0\x80"',
    b'"\\u202e\\u2028\\ufeff"',
    b'"' + b"x" * LONG + b'"',
    b'"0000-01-01"',
    b'"2026-02-30"',
    b'"0001-01-01T00:00:00+14:00"',
    b'"9999-12-31T23:59:59-23:59"',
    b'"10000-01-01T00:00:00Z"',
    b'"2026-03-02T12:00:00"',
    b'"9999-12-31"',
    b"1772452800",
]

# Whole bodies that are wrong for every route that reads one.
BODIES = {
    "nothing": b"",
    "a blank": b" ",
    "no JSON": b"account=acme&name=Acme",
    "half of it": b'{"name": "Ac',
    "two at once": b"{}{}",
    "null": b"null",
    "true": b"true",
    "a number": b"7",
    "a string": b'"acme"',
    "a list": b"[1]",
    "lists without end": b"[" * DEEP,
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a huge number": b"1e400",
    "a long number": b"9" * 5_000,
    "NaN": b"NaN",
    "NUL bytes": b"\0" * 100,
    "a NUL": b'"\\u0000"',
    "half a surrogate": b'"\\ud800"',
    "no UTF-8": b'"\xff\xfe\xfd"',
    "UTF-16": '{"name": "Acme"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf[]",
    "broken gzip": b"\x1f\x8b\x08\x00no gzip",
    "cut gzip": gzip.compress(b'{"name": "Acme"}', mtime=0)[:-6],
    "a gzip bomb": gzip.compress(b" " * 32 * MEBIBYTE, mtime=0),
    "too much": b'"' + b"x" * 2 * MEBIBYTE + b'"',
}

# What a path or a query may carry, percent-encoded or not.
TEXTS = [
    b"",
    b"%00",
    b"a%00b",
    b"%ff",
    b"%ed%a0%80",
    b"%",
    b"%zz",
    b"%25",
    b"..",
    b"../..",
    b"..%2f..%2f..%2fetc%2fpasswd",
    b"%2e%2e",
    b"%0d%0aX-Evil:%201",
    b"%20",
    b"+",
    b"%e2%80%ae%e2%80%a8",
    b"-1",
    b"0",
    b"1",
    b"9223372036854775808",
    b"1" + b"0" * 400,
    b"1e400",
    b"NaN",
    b"Infinity",
    b"1.5",
    b"true",
    b"null",
    b"{}",
    b"x" * 30_000,
    b"0000-01-01",
    b"2026-02-30",
    b"9999-12-31T23:59:59-23:59",
    b"0001-01-01T00:00:00%2B14:00",
    b"10000-01-01T00:00:00Z",
    b"9999-12-31",
    b"99999999999999d",
    b"00000000-0000-0000-0000-000000000000",
]
CURSORS = [
    b"e30",
    b"bnVsbA",
    b"W10",
    b"IA",
    b"====",
    b"%00",
    b"eyJpZCI6OTk5OTk5OTk5OTk5OTk5OTk5OTl9",  # {"id":99999999999999999999}
    b"eyJpZCI6Ii0xIn0",  # {"id":"-1"}
    b"eyJhY2NvdW50X2lkIjoiXHUwMDAwIn0",  # {"account_id":"\u0000"}
]

_LONG_TEXT = b"x" * 20_000
HEADERS = [
    (b"If-Match", b""),
    (b"If-Match", b'W/"1"'),
    (b"If-Match", b'"' + b"9" * 400 + b'"'),
    (b"If-Match", b'"1", , "\xff"'),
    (b"If-Match", _LONG_TEXT),
    (b"Idempotency-Key", b""),
    (b"Idempotency-Key", b"\xff\xfe"),
    (b"Idempotency-Key", b"a\tb"),
    (b"Idempotency-Key", _LONG_TEXT),
    (b"Authorization", b"Bearer"),
    (b"Authorization", b"Bearer \xff\xfe"),
    (b"Authorization", b"Bearer " + _LONG_TEXT),
    (b"Authorization", b"Bearer tnr_\xe2\x80\xae_" + b"y" * 43),
    (b"Authorization", b"Basic !!!"),
    (b"Authorization", b"Basic //79"),
    (b"Authorization", b"Basic AAAA"),
    (b"Authorization", b"Digest \xff=\xff"),
    (b"X-Api-Key", b"\xff"),
    (b"Content-Type", b""),
    (b"Content-Type", b"text/html"),
    (b"Content-Type", b"\xff/\xff; charset=\xff"),
    (b"Content-Type", b"application/json; charset=utf-16"),
    (b"Content-Type", b"application/x-www-form-urlencoded"),
    (b"Content-Type", b"multipart/form-data"),
    (b"Content-Type", b"multipart/form-data; boundary=\xff"),
    (b"Content-Encoding", b"gzip"),
    (b"Content-Encoding", b"deflate"),
    (b"Content-Encoding", b"br, \xff"),
    (b"Accept", b"\xff"),
    (b"Cookie", b"\xff=\xff; =;;"),
    (b"Range", b"bytes=9-1"),
    (b"X-Request-Id", b"\xff" * 100),
    (b"X-Strict-Mode", b"\xff"),
    (b"Last-Event-ID", b"\xff"),
    (b"Last-Event-ID", b"9" * 400),
    (b"traceparent", b"00-\xff-\xff-zz"),
    (b"ce-specversion", b"\xff%ff%00"),
    (b"X-Forwarded-For", b"\xff, ::::"),
]

METHODS = [b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"BREW", b"get"]

_EXAMPLES = {
    r"^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$": "acme",
    r"^[A-Z]{3}$": "EUR",
    "date": "2026-02-01",
    "date-time": "2026-03-10T12:00:00Z",
    "uuid": "0199d0c2-7e2a-7bb1-9d0e-3f1f6b8f2a11",
}
# Where any value of each property does not make a whole that has sense.
_SENSIBLE: dict[str, dict[str, Any]] = {
    "Attribution": {"user_id": "u-1", "account_id": "acme"},
    "NewSignal": {"type": "nps_answered", "value": 7},
    "SignalOfAccount": {"account_id": "acme", "type": "nps_answered", "value": 7},
    "NewPulse": {"rating": 3, "by": "Kim", "comment": "Fine."},
    "PulseBody": {"rating": 3},
    "RecipientBody": {"email": "ben@vendor.example", "name": "Ben"},
    "OpenAccount": {"name": "Beta"},
    "NewBacktest": {"profile": "default"},
}
_checker = FormatChecker(formats=())


@_checker.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or bool(date.fromisoformat(value))


@_checker.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@_checker.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or bool(UUID(value))


@dataclass(frozen=True)
class Operation:
    """A method on a path, as the document of its service describes it."""

    method: str
    path: str
    described: Mapping[str, Any]
    document: Mapping[str, Any]

    @property
    def body_schema(self) -> Any:
        """The schema of its JSON body; None when the document names none."""
        content = self.described.get("requestBody", {}).get("content", {})
        return content.get("application/json", {}).get("schema")

    def parameters(self, place: str) -> Sequence[str]:
        """Return the names of its parameters in ``path``, ``query`` or ``header``."""
        found = self.described.get("parameters", [])
        return [each["name"] for each in found if each["in"] == place]

    def target(self, known: Mapping[str, str], **changed: bytes) -> bytes:
        """Return its path, with ids of things that exist wherever nothing else is asked for."""

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            wanted = changed.get(name)
            return quote(known[name]) if wanted is None else wanted.decode("latin-1")

        return re.sub(r"\{(\w+)\}", fill, self.path).encode("latin-1")

    @cached_property
    def _validator(self) -> Draft202012Validator:
        components = {"components": self.document["components"]}
        return Draft202012Validator(
            {"allOf": [self.body_schema], **components}, format_checker=_checker
        )

    def refuses(self, raw: bytes) -> bool:
        """Tell whether its schema refuses a body; a text that is no JSON is refused as well."""
        if self.body_schema is None:
            return False
        try:
            value = json.loads(raw.decode(), parse_constant=_no_constant)
            json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return True
        return not self._validator.is_valid(value)

    def example(self) -> Any:
        """Return a body with sense."""
        return _example(self.body_schema, self.document)

    def bodies(self, random: Random, most: int) -> Iterator[bytes]:
        """Yield wrong bodies: hostile values in each place, fields gone, added and doubled."""
        whole = self.example()
        for holed in _holed(self.body_schema, whole, self.document):
            frame = json.dumps(holed, ensure_ascii=False).encode()
            hole = json.dumps(_HOLE, ensure_ascii=False).encode()
            for value in random.sample(VALUES, min(most, len(VALUES))):
                yield frame.replace(hole, value)
        if isinstance(whole, dict):
            yield from _around(whole)
        yield from _damaged(json.dumps(whole).encode(), random)


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Return every operation of a document, those that end things last."""
    found = [
        Operation(method.upper(), path, described, document)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]
    return sorted(found, key=lambda each: each.method == "DELETE")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> tuple[str, Any]:
    if "$ref" not in schema:
        return "", schema
    name = schema["$ref"].rpartition("/")[2]
    return name, document["components"]["schemas"][name]


def _example(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Any:  # noqa: PLR0911
    name, schema = _resolved(schema, document)
    if name in _SENSIBLE:
        return _SENSIBLE[name]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], document)
    for given in ("examples", "enum"):
        if given in schema:
            return schema[given][0]
    if "const" in schema:
        return schema["const"]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {key: _example(each, document) for key, each in properties.items()}
        case "array":
            return [_example(schema["items"], document)]
        case "boolean":
            return False
        case "integer" | "number":
            return schema.get("default", schema.get("minimum", 1))
        case _:
            known = _EXAMPLES.get(schema.get("format", schema.get("pattern")))
            return known or "words"


def _holed(schema: Any, value: Any, document: Mapping[str, Any]) -> Iterator[Any]:
    """Yield a value with a hole in each place where its schema expects one."""
    _, schema = _resolved(schema, document)
    choices = [schema, *schema.get("anyOf", [])]
    for choice in choices:
        _, found = _resolved(choice, document)
        for name, each in found.get("properties", {}).items():
            usual = value if isinstance(value, dict) else {}
            yield {**usual, name: _HOLE}
            inner = usual.get(name, _example(each, document))
            for holed in _holed(each, inner, document):
                yield {**usual, name: holed}
        if "items" in found:
            yield [_HOLE]
            inner = value[0] if isinstance(value, list) and value else None
            for holed in _holed(found["items"], inner, document):
                yield [holed]


def _around(whole: Mapping[str, Any]) -> Iterator[bytes]:
    yield b"{}"
    for name in whole:
        yield json.dumps({key: each for key, each in whole.items() if key != name}).encode()
        pair = json.dumps({name: whole[name]})[1:-1]
        yield f"{{{pair},{json.dumps(whole)[1:]}".encode()
    for name in (b"surprise", b"__proto__", b"a\\u0000b", b"\\ud800", b"x" * LONG):
        yield json.dumps(whole)[:-1].encode() + b',"' + name + b'":1}'


def _damaged(raw: bytes, random: Random) -> Iterator[bytes]:
    """Yield a body with a few bytes changed at random."""
    for _ in range(10):
        changed = bytearray(raw)
        for place in random.choices(range(len(raw)), k=3):
            changed[place] = random.randrange(256)
        yield bytes(changed)
