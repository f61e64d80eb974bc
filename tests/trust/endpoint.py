"""A token endpoint on the loopback address, with a certificate authority of its own."""

from __future__ import annotations

import asyncio
import datetime
import json
import ssl
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import parse_qs

from .answering import AnsweringServer


@cache
def certificates() -> tuple[str, str]:
    """The file of an authority, and one with the key and certificate of 127.0.0.1."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder = Path(mkdtemp(prefix="mailrider-test-"))
    start, end = datetime.datetime(2020, 1, 1), datetime.datetime(2120, 1, 1)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test endpoint")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), start, end)
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    authority, chain = folder / "ca.pem", folder / "server.pem"
    authority.write_bytes(pem)
    chain.write_bytes(secret + pem)
    return str(authority), str(chain)


class Endpoint(AnsweringServer):
    """An object as an answer is JSON with status 200, octets go out as they are.  `forms` are the forms that came in."""

    def __init__(self, *answers: Any, secure: bool = True) -> None:
        context = None
        if secure:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificates()[1])
        super().__init__(list(answers), context)
        self.forms: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http{'s' if self.context else ''}://127.0.0.1:{self.port}/token"

    async def hear(self, reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split()[0])
        form = parse_qs((await reader.readexactly(length)).decode())
        self.forms.append({name: values[0] for name, values in form.items()})

    def put(self, answer: Any) -> bytes:
        return answer if isinstance(answer, bytes) else reply(answer)


def reply(found: Any, status: int = 200, headers: str = "") -> bytes:
    """An HTTP answer with a JSON body, or with these octets."""
    body = found if isinstance(found, bytes) else json.dumps(found).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n{headers}\r\n".encode() + body
