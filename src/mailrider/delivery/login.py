"""Logging in to a server that has let us in and offers AUTH (`smtp_sasl_...`).

The rules of smtp(8):

* AUTH is not announced: the mail goes out without login, even where there is a password.
* There is no entry in the password maps: the same, and nobody warns.
* There is one, and no mechanism fits: the server counts as failed, 4.7.0; mail that should be authenticated never goes out
  without.
* `smtp_sasl_auth_required` (ours): in the first two cases, too, the server counts as failed.
* A refusal, or trouble during the exchange, fails the server too; the next one is tried.

What a mechanism must be depends on the session: in clear text `smtp_sasl_security_options`, inside TLS the `_tls_` option, and
inside TLS with a certificate that was verified the `_tls_verified_` option.
"""

from __future__ import annotations

import asyncio

from mailrider.delivery.login_policy import LoginPolicy
from mailrider.delivery.session import Session
from mailrider.delivery.trouble import Failure, fail_without_data, failure_of_refusal, failure_of_trouble
from mailrider.errors import TableTrouble
from mailrider.events import Warned
from mailrider.model import status as status_code
from mailrider.sasl.choice import NoMechanism, choose_mechanism
from mailrider.sasl.mechanism import ChannelBinding, Identity, Mechanism
from mailrider.sasl.scram import PLUS
from mailrider.sasl.secret import Secret
from mailrider.smtp.authentication import (
    Login,
    LoginTerms,
    cannot_authenticate,
    no_mechanism_offered,
    words_of_refusal,
)
from mailrider.smtp.handshake import take_leave
from mailrider.smtp.refusal import Refusal, Scope
from mailrider.smtp.reply import Reply
from mailrider.tls.channel import BrokenChannel
from mailrider.trust.credentials import Credential
from mailrider.trust.failed_logins import FailedLogin

WRONG_CREDENTIALS = 535
"""The only refusal that is remembered (RFC 4954 §6)."""

BLOCKING = frozenset(("GSSAPI",))
"""Mechanisms whose beginning asks the network: they get a thread."""


BINDING_KINDS = ("tls-exporter", "tls-unique", "tls-server-end-point")
"""Best first: the first is that of TLS 1.3 (RFC 9266), the second that of the versions before (RFC 5929)."""


async def log_in(session: Session, sender: str, destination: str) -> Failure | None:
    """Log in where that is possible and wanted.  What comes back is why the server cannot be used; QUIT has been said then.

    `destination` is the element of the next hop that led here, as it was written.
    """
    policy = session.profile.login
    if policy is None:
        return None
    attempt = _Attempt(session, policy)
    if not session.offered.announces_auth:
        failure = attempt.go_without("the server does not offer AUTH")
    else:
        try:
            failure = await attempt.run(sender, destination)
        except TableTrouble as trouble:
            attempt.warn(str(trouble))
            failure = fail_without_data(session.peer)
    connection = session.connection
    if failure is not None and not connection.is_leaving:
        connection.run(take_leave(connection.wire, await_reply=session.profile.await_quit))
    return failure


NOT_TAKEN = Failure(Scope.SITE, status_code.LOGIN_FAILED, "the server cannot follow this mechanism")
"""Never told: another mechanism is tried."""


class _Attempt:
    """One try at one server."""

    __slots__ = ("_policy", "_session")

    def __init__(self, session: Session, policy: LoginPolicy) -> None:
        self._session = session
        self._policy = policy

    def warn(self, text: str) -> None:
        """Tell the postmaster."""
        self._session.observer(Warned(text, self._session.queue_id))

    async def run(self, sender: str, destination: str) -> Failure | None:
        """Raises `TableTrouble`."""
        session, policy = self._session, self._policy
        offered = self._filter()
        credential = policy.book.find(sender, session.server.host, destination)
        if credential is None:
            return self.go_without("there is no password for it")
        if not offered:
            return _fail(no_mechanism_offered(session.peer))
        if (known := self._find_failure(credential)) is not None:
            return known
        secret = await self._find_secret(credential)
        if isinstance(secret, str):
            return self._cannot(secret)
        mechanism = self._choose(offered, credential, secret)
        if isinstance(mechanism, NoMechanism):
            for warning in mechanism.warnings:
                self.warn(warning)
            return self._cannot(mechanism.reason)
        unbound = self._choose_unbound(mechanism, offered, credential, secret)
        failure = await self._converse(mechanism, credential, may_try_another=unbound is not None)
        if failure is NOT_TAKEN and unbound is not None:
            self.warn(f"host {session.peer} offers {mechanism.name} and does not take it: logging in with {unbound.name}")
            failure = await self._converse(unbound, credential)
        if failure is None:
            session.login = credential.identity
        return failure

    def go_without(self, reason: str) -> Failure | None:
        """Mail without login: None, unless a login is required."""
        session = self._session
        if not self._policy.is_required:
            return None
        name = f"{session.profile.transport.value}_sasl_auth_required"
        return _fail(f"no mail without login ({name}) for server {session.peer}: {reason}")

    def _choose_unbound(
        self, mechanism: Mechanism, offered: tuple[str, ...], credential: Credential, secret: Secret
    ) -> Mechanism | None:
        """What to log in with where a server cannot follow a login that is bound to the TLS connection.

        Some offer one for TLS 1.3 and know only the binding of older versions (RFC 9266 §1).  Nothing is lost: whoever sits
        in the middle could have left it out of the offer just as well.
        """
        if not mechanism.name.endswith(PLUS):
            return None
        words = tuple(word for word in offered if not word.upper().endswith(PLUS))
        chosen = self._choose(words, credential, secret)
        return chosen if isinstance(chosen, Mechanism) else None

    def _filter(self) -> tuple[str, ...]:
        """The mechanisms that the operator lets through."""
        session, accepts = self._session, self._policy.accepts
        words = session.offered.auth
        kept = words if accepts is None else tuple(word for word in words if accepts(word))
        if not words:
            session.observer(Warned(f"{session.relay} offered null AUTH mechanism list"))
        elif not kept:
            session.observer(Warned(f"{session.relay} offered no supported AUTH mechanisms: '{' '.join(words)}'"))
        return kept

    def _find_failure(self, credential: Credential) -> Failure | None:
        """What the server said when this very login failed not long ago."""
        failed, host = self._policy.failed, self._session.server.host
        known = failed.find(host, credential.user, credential.secret) if failed is not None else None
        if known is None:
            return None
        status = status_code.soften(known.status) if self._policy.soft_bounce else known.status
        text = f"SASL [CACHED] authentication failed; server {host} said: {known.text}"
        return Failure(Scope.SITE, status, text, host, known.text)

    async def _find_secret(self, credential: Credential) -> Secret | str:
        """The password, or an access token; as text, why there is none."""
        if not credential.token_file or self._policy.tokens is None:
            return credential.secret
        return await self._policy.tokens.get(credential.token_file)

    def _choose(self, offered: tuple[str, ...], credential: Credential, secret: Secret) -> Mechanism | NoMechanism:
        session, profile = self._session, self._session.profile
        identity = Identity(
            user=credential.user,
            secret=secret,
            sends_authzid=self._policy.sends_authzid,
            service=profile.transport.value,
            host=session.server.host,
            own_name=profile.own_name,
            bindings=find_bindings(session) if any(word.endswith(PLUS) for word in offered) else (),
        )
        rules = self._policy.rules_for(session.tls)
        return choose_mechanism(offered, rules, identity, has_token=bool(credential.token_file))

    async def _converse(
        self, mechanism: Mechanism, credential: Credential, *, may_try_another: bool = False
    ) -> Failure | None:
        session, policy = self._session, self._policy
        initial = await asyncio.to_thread(mechanism.begin) if mechanism.name in BLOCKING else mechanism.begin()
        if mechanism.failure:
            if mechanism.warning:
                self.warn(mechanism.warning)
            return self._cannot(mechanism.failure)
        profile, connection = session.profile, session.connection
        terms = LoginTerms(session.peer, session.login_stage, policy.soft_bounce, profile.await_quit, may_try_another)
        login = Login(mechanism, initial, terms, self.warn)
        await connection.run(login.run(connection.wire))
        result = login.result
        if login.goes_on:
            return NOT_TAKEN
        if isinstance(result, Reply):
            return None
        if isinstance(result, Refusal):
            if result.reply is not None and result.reply.code == WRONG_CREDENTIALS:
                self._remember(credential, result.reply)
            return failure_of_refusal(result, session.server.host)
        assert result is not None
        return failure_of_trouble(result, session.peer)

    def _remember(self, credential: Credential, reply: Reply) -> None:
        if credential.token_file and self._policy.tokens is not None:
            self._policy.tokens.distrust(credential.token_file)  # a new token may do, so the login is not hopeless
        elif self._policy.failed is not None:
            failed = FailedLogin(reply.status, words_of_refusal(reply))
            self._policy.failed.remember(self._session.server.host, credential.user, credential.secret, failed)

    def _cannot(self, reason: str) -> Failure:
        return _fail(cannot_authenticate(self._session.peer, reason))


def _fail(text: str) -> Failure:
    return Failure(Scope.SITE, status_code.LOGIN_FAILED, text)


def find_bindings(session: Session) -> tuple[ChannelBinding, ...]:
    """What a login can be tied to; nothing in clear text."""
    channel = session.channel
    if session.tls is None or channel is None or isinstance(channel, BrokenChannel):
        return ()
    found = ((kind, channel.binding(kind)) for kind in BINDING_KINDS)
    return tuple(ChannelBinding(kind, octets) for kind, octets in found if octets)
