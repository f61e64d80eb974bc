from __future__ import annotations

import pytest

from mailrider.sasl.mechanism import BAD_PROTOCOL, Identity
from mailrider.sasl.ntlm import Ntlm, is_there
from mailrider.sasl.secret import Secret

if not is_there():
    pytest.skip("pyspnego is not installed (mailrider[ntlm])", allow_module_level=True)

CHALLENGE = bytes.fromhex(
    "4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef00000000000000002400240044000000"
    "060070170000000f53006500720076006500720002000c0044006f006d00610069006e0001000c00530065007200760065007200" "00000000"
)
"""The challenge of MS-NLMP §4.2.4.3, for NTLMv2."""


def test_three_messages() -> None:
    mechanism = Ntlm(Identity("Domain\\User", Secret("Password"), host="server.example"))
    negotiate = mechanism.begin()
    assert negotiate is not None
    assert negotiate.startswith(b"NTLMSSP\0\x01\0\0\0")
    answer = mechanism.respond(CHALLENGE)
    assert answer is not None
    assert answer.startswith(b"NTLMSSP\0\x03\0\0\0")
    assert "User".encode("utf-16-le") in answer
    assert b"Password" not in answer
    assert "Password".encode("utf-16-le") not in answer
    assert mechanism.respond(b"") is None


@pytest.mark.parametrize("challenge", [b"", b"garbage", CHALLENGE[:20]])
def test_garbage_is_a_failure(challenge: bytes) -> None:
    mechanism = Ntlm(Identity("user", Secret("secret"), host="server.example"))
    mechanism.begin()
    assert mechanism.respond(challenge) is None
    assert mechanism.failure == BAD_PROTOCOL
