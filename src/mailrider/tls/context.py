"""OpenSSL contexts out of terms: what is offered, whom we trust, who we are.

Making one reads files and takes milliseconds, so the engine keeps them.  A file that cannot be read, or ciphers that OpenSSL
does not know, make an `Unavailable`: it is for the policy whether mail may then go without TLS.

Not possible with Python's binding to OpenSSL, and therefore without effect: raw public keys (RFC 7250).  The groups for key
exchange are chosen by a function of the binding that pyOpenSSL has no name for; where it is missing, the library chooses.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mailrider.tls.protocols import VERSIONS
from mailrider.tls.terms import Authorities, Handshake, Identity, KeyPair

if TYPE_CHECKING:
    from OpenSSL import SSL

_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
PEM_LIMIT_OCTETS = 4 * 1024 * 1024
"""A file with keys and certificates that is longer is no such file."""

_NO_PROTOCOL = {"TLSv1": 0x04000000, "TLSv1.1": 0x10000000, "TLSv1.2": 0x08000000, "TLSv1.3": 0x20000000}
"""`SSL_OP_NO_...` (ssl.h); versions that the library does not have any more need no excluding."""

_BUG_WORKAROUNDS = {
    "LEGACY_SERVER_CONNECT": 0, "CRYPTOPRO_TLSEXT_BUG": 1 << 31, "TLSEXT_PADDING": 1 << 4, "SAFARI_ECDHE_ECDSA_BUG": 1 << 6,
    "DONT_INSERT_EMPTY_FRAGMENTS": 1 << 11, "CVE-2005-2969": 0, "CVE-2010-4180": 0,
}  # fmt: skip
"""The work-arounds of SSL_OP_ALL that are more than a name today, and those that are only that."""

_ALL_WORKAROUNDS = sum(_BUG_WORKAROUNDS.values())

_OPTIONS = {
    "LEGACY_SERVER_CONNECT": 1 << 2, "ENABLE_KTLS": 1 << 3, "IGNORE_UNEXPECTED_EOF": 1 << 7, "ALLOW_NO_DHE_KEX": 1 << 10,
    "NO_TICKET": 1 << 14, "NO_SESSION_RESUMPTION_ON_RENEGOTIATION": 1 << 16, "NO_COMPRESSION": 1 << 17,
    "NO_ENCRYPT_THEN_MAC": 1 << 19, "ENABLE_MIDDLEBOX_COMPAT": 1 << 20, "PRIORITIZE_CHACHA": 1 << 21,
    "CIPHER_SERVER_PREFERENCE": 1 << 22, "NO_ANTI_REPLAY": 1 << 24, "NO_RENEGOTIATION": 1 << 30,
}  # fmt: skip
"""`SSL_OP_...` (ssl.h of OpenSSL 3 and 4)."""

_MASK = re.compile(r"0[xX][0-9a-fA-F]{1,16}", re.ASCII)
_KEPT = _ALL_WORKAROUNDS | sum(_NO_PROTOCOL.values()) | 1 << 25 | 1 << 7
"""What `tls_ssl_options` has no say in: work-arounds, versions (SSLv3 among them), and what an unexpected end means."""


DEFAULT_GROUPS = ("X25519", "X448", "prime256v1", "secp521r1", "secp384r1")
"""The default of `tls_eecdh_auto_curves`: what is offered where the library has none of those that were named."""


class Unavailable(NamedTuple):
    """Why there can be no TLS on these terms: warnings for the log."""

    warnings: tuple[str, ...]


class Unusable(NamedTuple):
    """Why every handshake on these terms fails: a warning for the log."""

    warning: str


class _Trouble(Exception):
    """A step that failed; the text is the warning."""


def make_context(
    handshake: Handshake, authorities: Authorities, identity: Identity, depth: int, warn: Callable[[str], None]
) -> SSL.Context | Unavailable | Unusable:
    """A client's context.  Verification never ends a handshake: what it found is asked for afterwards.

    `warn` hears of what does not keep anybody from using TLS.
    """
    from OpenSSL import SSL

    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    try:
        _set_handshake(context, handshake)
    except _Trouble as trouble:
        return Unusable(str(trouble))
    try:
        _load_authorities(context, authorities)
        _load_identity(context, identity, warn)
        context.set_verify_depth(depth + 1)
        # We keep sessions ourselves.  With a cache of its own OpenSSL marks one of TLS 1.3 as used up when it was resumed once,
        # and servers like Postfix, which give out no second ticket then, would be met with a full handshake every other time.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    except _Trouble as trouble:
        return Unavailable((str(trouble), "disabling TLS support"))
    return context


def tell_errors(trouble: Exception) -> str:
    """What OpenSSL gives as the reason: the words of its last error, printable."""
    stack = trouble.args[0] if trouble.args else None
    if isinstance(stack, list) and stack:
        return ", ".join(str(entry[-1]) for entry in stack if isinstance(entry, tuple)) or "unknown error"
    return " ".join(str(argument) for argument in trouble.args) or type(trouble).__name__


def _set_handshake(context: SSL.Context, handshake: Handshake) -> None:
    from OpenSSL import SSL

    if handshake.fault:
        raise _Trouble(handshake.fault)
    off = _read_options(handshake.bug_workarounds_off, _BUG_WORKAROUNDS)
    options = (_ALL_WORKAROUNDS & ~off) | _OPTIONS["IGNORE_UNEXPECTED_EOF"] | _OPTIONS["NO_RENEGOTIATION"]
    options |= _read_options(handshake.options, _OPTIONS) & ~_KEPT
    _set_groups(context, handshake.groups)
    floor, ceiling, excluded = handshake.protocols
    for name in excluded:
        options |= _NO_PROTOCOL.get(name, 0)
    context.set_options(options)
    try:
        # The level is part of the list because the binding has no other way to it.
        context.set_cipher_list(f"{handshake.ciphers}:@SECLEVEL={handshake.security_level}".encode())
    except (SSL.Error, UnicodeError) as trouble:
        raise _Trouble(f"error setting cipher list {handshake.ciphers!r}: {tell_errors(trouble)}") from None
    try:
        context.set_min_proto_version(_bound(floor))
        context.set_max_proto_version(_bound(ceiling))
    except (SSL.Error, AssertionError, OverflowError):
        raise _Trouble(f"error setting TLS version bounds 0x{floor:04x}, 0x{ceiling:04x}") from None


def is_option(word: str, kind: str) -> bool:
    """Whether a word of `tls_disable_workarounds` or `tls_ssl_options` (the `kind`) means anything: a name, or a mask."""
    names = _BUG_WORKAROUNDS if kind == "tls_disable_workarounds" else _OPTIONS
    return word in names or _MASK.fullmatch(word) is not None


def _read_options(words: tuple[str, ...], bits: dict[str, int]) -> int:
    """The bits of names and of hexadecimal masks; of a name that nobody knows, none."""
    options = 0
    for word in words:
        options |= int(word, 16) if _MASK.fullmatch(word) else bits.get(word, 0)
    return options


def _set_groups(context: SSL.Context, names: tuple[str, ...]) -> None:
    """Offer those that the library has, each once, in this order."""
    from OpenSSL import SSL

    library: Any = getattr(SSL, "_lib", None)
    offer = getattr(library, "SSL_CTX_set1_curves_list", None)
    if not names or offer is None:
        return
    attempts: Any = SSL.Context(SSL.TLS_CLIENT_METHOD)
    bare = getattr(context, "_context")  # noqa: B009
    for wanted in (names, DEFAULT_GROUPS):
        known = {name.lower(): name for name in reversed(wanted) if offer(attempts._context, name.encode()) == 1}
        chosen = [name for name in dict.fromkeys(name.lower() for name in wanted) if name in known]
        if chosen and offer(bare, ":".join(known[name] for name in chosen).encode()) == 1:
            break
    library.ERR_clear_error()  # or the next call that looks there would find the names that are not known


def _bound(number: int) -> int:
    """A version that the library knows; SSLv3 as a bound is no bound."""
    return 0 if number == VERSIONS["SSLv3"] else number


def _load_authorities(context: SSL.Context, authorities: Authorities) -> None:
    from OpenSSL import SSL

    file, path, append_default = authorities
    if append_default:
        context.set_default_verify_paths()
    if not file and not path:
        return
    try:
        context.load_verify_locations(file or None, path or None)
    except SSL.Error as trouble:
        reason = tell_errors(trouble)
        raise _Trouble(
            f'cannot load Certification Authority data, CAfile="{file}" CApath="{path}": {reason}'
        ) from None


def _load_identity(context: SSL.Context, identity: Identity, warn: Callable[[str], None]) -> None:
    if identity.chain_files:
        _load_chains(context, identity.chain_files, warn)
    for pair in identity.pairs if not identity.chain_files else ():
        _load_pair(context, pair)


def _load_pair(context: SSL.Context, pair: KeyPair) -> None:
    from OpenSSL import SSL

    try:
        context.use_certificate_chain_file(pair.certificate_file)
    except (SSL.Error, OSError) as trouble:
        raise _Trouble(f'cannot get certificate from file "{pair.certificate_file}": {tell_errors(trouble)}') from None
    try:
        context.use_privatekey_file(pair.key_file)
        context.check_privatekey()
    except (SSL.Error, OSError) as trouble:
        raise _Trouble(f'cannot get private key from file "{pair.key_file}": {tell_errors(trouble)}') from None


def _load_chains(context: SSL.Context, paths: tuple[str, ...], warn: Callable[[str], None]) -> None:
    """Keys and certificates, each key before its chain, any number of times, in one file or in several that follow each other
    (postconf(5), `smtp_tls_chain_files`).

    A file that cannot be opened is the end of them, and no reason to go without TLS; one that makes no sense is.
    """
    key = b""
    chain: list[bytes] = []
    for path in paths:
        text = _read_file(path)
        if isinstance(text, OSError | ValueError):
            warn(f"error opening chain file: {path}: {text}")
            return
        for block in _PEM_BLOCK.finditer(text):
            if block[1].endswith(b"PRIVATE KEY"):
                _use_chain(context, path, key, chain)
                key, chain = block[0] + b"\n", []
            elif block[1].endswith(b"CERTIFICATE"):
                chain.append(block[0] + b"\n")
    if not key:
        raise _Trouble(f"error loading chain from {paths[-1]}: no private key found")
    _use_chain(context, paths[-1], key, chain)


def _read_file(path: str) -> bytes | OSError | ValueError:
    try:
        with Path(path).open("rb") as file:
            return file.read(PEM_LIMIT_OCTETS)
    except (OSError, ValueError) as trouble:
        return trouble


def _use_chain(context: SSL.Context, path: str, key: bytes, chain: list[bytes]) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from OpenSSL import SSL

    if not key:
        if chain:
            raise _Trouble(f"error loading chain from {path}: certificate before its private key")
        return
    if not chain:
        raise _Trouble(f"error loading chain from {path}: private key without certificate")
    try:
        # Only a file can bring a chain of its own for each key; certificates are no secret.
        with tempfile.NamedTemporaryFile(suffix=".pem") as public:
            public.write(b"".join(chain))
            public.flush()
            context.use_certificate_chain_file(public.name)
        loaded: Any = load_pem_private_key(key, None)  # OpenSSL refuses what is no key for TLS
        context.use_privatekey(loaded)
        context.check_privatekey()
    except (SSL.Error, ValueError, TypeError, UnsupportedAlgorithm, OSError) as trouble:
        raise _Trouble(f"error loading chain from {path}: {tell_errors(trouble)}") from None
