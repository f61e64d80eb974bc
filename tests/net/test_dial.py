from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailrider.model.server import Family, Server
from mailrider.net import dial as dial_module
from mailrider.net.dial import UNIX_PATH_LIMIT_OCTETS, DialFailure, Dialled, DialTerms, dial
from virtual_time import run


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


class FarSocket(socket.socket):
    """What it connects to does not answer at once."""

    def connect_ex(self, address: object) -> int:
        return errno.EINPROGRESS


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", FarSocket)


def server_at(listening: socket.socket) -> Server:
    return Server("mx.example.test", "127.0.0.1", listening.getsockname()[1], Family.IPV4)


def free_port() -> int:
    """A port at which nobody listens: one that was given out and given back."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def connect(server: Server, terms: DialTerms) -> Dialled:
    result = run(dial(server, terms))
    assert isinstance(result, Dialled)
    return result


def fail(server: Server, terms: DialTerms) -> DialFailure:
    result = run(dial(server, terms))
    assert isinstance(result, DialFailure)
    return result


@pytest.mark.parametrize("timeout_seconds", [0.0, 30.0])
def test_a_server_that_listens_is_reached(listening: socket.socket, timeout_seconds: float) -> None:
    dialled = connect(server_at(listening), DialTerms(timeout_seconds))
    with dialled.socket as connected:
        assert not connected.getblocking()
        assert connected.getpeername() == listening.getsockname()
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert dialled.warning is None


def test_ipv6_works_where_the_machine_has_it() -> None:
    try:
        listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listening:
        server = Server("mx", "::1", listening.getsockname()[1], Family.IPV6)
        with connect(server, DialTerms()).socket as connected:
            assert connected.getpeername()[:2] == listening.getsockname()[:2]


def test_a_unix_domain_socket_is_reached(tmp_path: Path) -> None:
    path = str(tmp_path / "lmtp")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        with connect(Server("here", path, 0, Family.UNIX), DialTerms()).socket as connected:
            assert connected.getpeername() == path


def test_nobody_listens() -> None:
    port = free_port()
    failure = fail(Server("mx.example.test", "127.0.0.1", port, Family.IPV4), DialTerms())
    assert failure == DialFailure("4.4.1", f"connect to mx.example.test[127.0.0.1]:{port}: Connection refused")


def test_those_who_set_out_together_all_try_before_the_first_is_refused() -> None:
    nobody = Server("mx.example.test", "127.0.0.1", free_port(), Family.IPV4)
    order: list[str] = []

    async def try_it() -> None:
        order.append("begun")
        assert isinstance(await dial(nobody, DialTerms()), DialFailure)
        order.append("refused")

    async def main() -> None:
        await asyncio.gather(*(try_it() for _ in range(5)))

    run(main())
    assert order == [*["begun"] * 5, *["refused"] * 5]


@pytest.mark.parametrize(("there", "words"), [(False, "No such file or directory"), (True, "Connection refused")])
def test_a_unix_domain_socket_that_nobody_serves(tmp_path: Path, there: bool, words: str) -> None:
    path = tmp_path / "lmtp"
    if there:
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(str(path))
    failure = fail(Server("here", str(path), 0, Family.UNIX), DialTerms())
    assert failure == DialFailure("4.4.1", f"connect to here[{path}]: {words}")


def test_a_path_that_is_too_long_is_a_fault_of_the_configuration() -> None:
    longest = "/" + "x" * (UNIX_PATH_LIMIT_OCTETS - 1)
    assert fail(Server("h", longest, 0, Family.UNIX), DialTerms()).status == "4.4.1"
    failure = fail(Server("h", longest + "x", 0, Family.UNIX), DialTerms())
    assert failure.status == "4.3.5"
    assert failure.text == "Server configuration error"
    assert failure.warning == f"unix-domain name too long: {longest}x"


@pytest.mark.usefixtures("far_away")
def test_a_server_that_does_not_answer_is_given_up_in_time(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """No system gives us a silent address for certain, so the waiting is played."""

    async def main() -> tuple[object, float]:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "sock_connect", lambda *_: asyncio.sleep(3600), raising=False)
        begin = loop.time()
        result = await dial(server_at(listening), DialTerms(timeout_seconds=30))
        return result, loop.time() - begin

    result, seconds = run(main())
    assert isinstance(result, DialFailure)
    assert result.status == "4.4.1"
    assert result.text.endswith(": Connection timed out")
    assert seconds == pytest.approx(30)


@pytest.mark.usefixtures("far_away")
def test_the_patience_of_the_system_counts_too(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> object:
        async def give_up(*_: object) -> None:
            raise TimeoutError(errno.ETIMEDOUT, "as the system says it")

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", give_up, raising=False)
        return await dial(server_at(listening), DialTerms(timeout_seconds=0))

    result = run(main())
    assert isinstance(result, DialFailure)
    assert result.text.endswith(": Connection timed out")


@pytest.mark.usefixtures("far_away")
def test_an_error_without_a_number_is_told_in_its_own_words(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> object:
        async def refuse(*_: object) -> None:
            raise OSError("something odd")

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", refuse, raising=False)
        return await dial(server_at(listening), DialTerms())

    result = run(main())
    assert isinstance(result, DialFailure)
    assert result.text.endswith(": something odd")


@pytest.mark.usefixtures("far_away")
def test_a_server_that_hangs_up_at_once_has_been_reached(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """It depends on the moment whether the system tells of it while connecting or while reading: it is the same story."""

    async def main() -> object:
        async def reset(*_: object) -> None:
            raise OSError(errno.ECONNRESET, "Connect call failed")

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", reset, raising=False)
        return await dial(server_at(listening), DialTerms())

    result = run(main())
    assert isinstance(result, Dialled)
    result.socket.close()


@pytest.mark.parametrize("error", [errno.ECONNRESET, errno.EISCONN])
def test_a_server_that_has_answered_already_has_been_reached(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    monkeypatch.setattr(FarSocket, "connect_ex", lambda *_: error)
    monkeypatch.setattr(socket, "socket", FarSocket)
    result = run(dial(server_at(listening), DialTerms()))
    assert isinstance(result, Dialled)
    result.socket.close()


@pytest.mark.usefixtures("far_away")
def test_a_dial_that_is_cancelled_leaves_no_socket(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []

    async def main() -> None:
        async def wait(connecting: socket.socket, address: object) -> None:
            made.append(connecting)
            await asyncio.sleep(3600)

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", wait, raising=False)
        dialling = asyncio.create_task(dial(server_at(listening), DialTerms()))
        await asyncio.sleep(1)
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling

    run(main())
    assert [connecting.fileno() for connecting in made] == [-1]


def test_no_socket_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "whatever")

    monkeypatch.setattr(dial_module.socket, "socket", refuse)
    failure = fail_on_real_loop(Server("mx", "192.0.2.1", 25, Family.IPV4))
    assert failure == DialFailure("4.4.1", "connect to mx[192.0.2.1]:25: Too many open files")


def fail_on_real_loop(server: Server) -> DialFailure:
    """Step through `dial` by hand: with no sockets there is no event loop."""
    dialling = dial(server, DialTerms())
    with pytest.raises(StopIteration) as end:
        dialling.send(None)
    assert isinstance(end.value.value, DialFailure)
    return end.value.value


def test_our_own_address_is_bound_to(listening: socket.socket) -> None:
    terms = DialTerms(bind_addresses=((Family.IPV6, "2001:db8::1"), (Family.IPV4, "127.0.0.2")))
    with connect(server_at(listening), terms).socket as connected:
        assert connected.getsockname()[0] == "127.0.0.2"


def test_an_address_that_is_not_ours_is_warned_of(listening: socket.socket) -> None:
    terms = DialTerms(bind_addresses=((Family.IPV4, "192.0.2.1"),))
    dialled = connect(server_at(listening), terms)
    with dialled.socket as connected:
        assert connected.getpeername() == listening.getsockname()
        assert dialled.warning == "bind 192.0.2.1: Cannot assign requested address"


def test_an_address_that_is_not_ours_is_fatal_where_it_is_enforced(listening: socket.socket) -> None:
    terms = DialTerms(bind_addresses=((Family.IPV4, "192.0.2.1"),), bind_enforce=True)
    warning = "bind 192.0.2.1: Cannot assign requested address"
    assert fail(server_at(listening), terms) == DialFailure("4.4.0", "server configuration error", warning)


def test_a_warning_survives_a_failure() -> None:
    terms = DialTerms(bind_addresses=((Family.IPV4, "192.0.2.1"),))
    failure = fail(Server("mx", "127.0.0.1", free_port(), Family.IPV4), terms)
    assert failure.text.endswith("Connection refused")
    assert failure.warning is not None


def test_the_window_is_set_in_both_directions(listening: socket.socket) -> None:
    with connect(server_at(listening), DialTerms(window_octets=20_000)).socket as connected:
        # The system doubles what it is asked for (socket(7)).
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 40_000
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 40_000
