"""What is said to a client: SMTP (RFC 5321) and LMTP (RFC 2033) from the receiving side, without I/O.

`feed` takes octets cut anywhere, and the `Door` does what has to be done in the world.  Commands may come many at a time
(RFC 2920); replies to all that have come go out together.  While the door is busy (`is_busy`) input is kept; the caller
should stop reading then.  Whatever the octets are, `feed` does not fail, and what is kept is bounded: a command line by
`line_length_limit`, a header by `heading.HEADER_LIMIT_OCTETS`.

Replies are those of smtpd(8) where there is no reason to differ.  The differences: nobody relays by recipient (554 5.7.1
for strangers, whatever the recipient); a client that sends anything behind STARTTLS before TLS is on loses it.
"""

from __future__ import annotations

from collections.abc import Callable

from mailrider.intake import extensions, login
from mailrider.intake.envelope import Transaction
from mailrider.intake.exchange import Exchange, Mode
from mailrider.intake.syntax import Offer, Wrong, show
from mailrider.intake.tally import UNKNOWN
from mailrider.intake.terms import TlsFacts

BDAT_LIMIT_DIGITS = 18
"""No chunk is larger, and Python takes long to read a number of many digits."""

FORBIDDEN = frozenset({"CONNECT", "GET", "POST"})
"""Who says so is a web browser in the hands of somebody else (`smtpd_forbidden_commands`)."""


class Conversation(Exchange):
    """One connection."""

    # What the door answers

    def admit(self, answer: bool | None) -> None:
        """Name and password are right, wrong, or could not be looked up (None)."""
        if self._mode is Mode.OVER:
            return
        self._mode = Mode.COMMANDS
        if answer:
            self._reply("235 2.7.0 Authentication successful")
        else:
            self._door.tell(
                f"warning: {self._client.shown}: SASL authentication failed: sasl_username={show(self._login_name)}"
            )
            self._login_name = ""
            if answer is None:
                self._reply("454 4.7.0 Temporary authentication failure")
            else:
                self._refuse("535 5.7.8 Error: authentication failed")
        self._work()

    def secured(self, facts: TlsFacts) -> None:
        """TLS is on: everything begins anew (RFC 3207 §4.2)."""
        if self._mode is Mode.OVER:
            return
        self._tls = facts
        self._helo = ""
        self._esmtp = False
        self._login_name = ""
        self._claims = {}
        self._mail = None
        self._mode = Mode.COMMANDS

    # Commands

    def _obey(self, line: bytes) -> None:
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            self.tally.begin(UNKNOWN)
            self._refuse("500 5.5.2 Error: bad UTF-8 syntax")
            return
        verb, _, _ = text.partition(" ")
        verb = verb.upper().rstrip()
        rest = text[len(verb) :].rstrip()
        act = _COMMANDS.get(verb)
        self._last_verb = verb if act is not None else "UNKNOWN"
        self.tally.begin(self._last_verb.lower())
        if verb in FORBIDDEN:
            self._door.tell(f"warning: non-SMTP command from {self._client.shown}: {show(text)}")
            self.tally.fail()
            self._hang_up("221 2.7.0 Error: I can break rules, too. Goodbye.")
        elif not verb:
            self._refuse("500 5.5.2 Error: bad syntax")
        else:
            self._act(verb, act, rest)
            self.tally.end()

    def _act(self, verb: str, act: Callable[[Conversation, str], None] | None, rest: str) -> None:
        if act is None or (verb in _GREETINGS and verb not in self._greetings):
            self._refuse("500 5.5.2 Error: command not recognized")
        elif self._terms.needs_tls and self._tls is None and verb not in _BEFORE_TLS:
            self._refuse("530 5.7.0 Must issue a STARTTLS command first")
        else:
            act(self, rest)

    @property
    def _greetings(self) -> tuple[str, ...]:
        return ("LHLO",) if self._is_lmtp else ("EHLO", "HELO")

    def _hello(self, rest: str, *, esmtp: bool) -> None:
        name = rest.strip()
        if not name or " " in name:
            self._refuse(f"501 Syntax: {self._greetings[0] if esmtp else 'HELO'} hostname")
            return
        self._helo = show(name)
        self._esmtp = esmtp
        self._reset()
        if esmtp:
            self._reply(extensions.write_capabilities(self._terms, self._client, self._tls, self._login_name))
        else:
            self._reply(f"250 {self._terms.host_name}")

    def _do_ehlo(self, rest: str) -> None:
        self._hello(rest, esmtp=True)

    def _do_helo(self, rest: str) -> None:
        self._hello(rest, esmtp=False)

    def _do_mail(self, rest: str) -> None:
        if not self._helo and (self._terms.helo_required or self._is_lmtp):
            self._refuse(f"503 5.5.1 Error: send {'LHLO' if self._is_lmtp else 'HELO/EHLO'} first")
            return
        if self._mail is not None:
            self._refuse("503 5.5.1 Error: nested MAIL command")
            return
        taken = Transaction.begin(rest, self._offer, self._terms)
        if isinstance(taken, Wrong):
            self._refuse(taken.reply)
        else:
            self._mail = taken
            self._reply("250 2.1.0 Ok")

    @property
    def _offer(self) -> Offer:
        terms = self._terms
        return Offer(terms.smtputf8, self._tls is not None, bool(terms.login_mechanisms))

    def _do_rcpt(self, rest: str) -> None:
        if self._mail is None:
            self._refuse("503 5.5.1 Error: need MAIL command")
            return
        if self._message is not None:
            self._refuse("503 5.5.1 Error: RCPT after BDAT")
            return
        may_relay = self._client.may_relay or bool(self._login_name)
        reply = self._mail.add(rest, may_relay=may_relay)
        if reply is None:
            self._reply("250 2.1.5 Ok")
            return
        if " 5.7." in reply or reply.startswith("452"):
            sender = show(self._mail.mail.sender)
            said = f"from=<{sender}> proto={self._protocol} helo=<{self._helo}>"
            self._door.tell(f"NOQUEUE: reject: RCPT from {self._client.shown}: {reply}; {said}")
        self._refuse(reply)

    def _check_recipients(self) -> bool:
        if self._mail is None or not self._mail.recipients:
            refused_all = self._mail is not None and self._mail.refused
            self._refuse("554 5.5.1 Error: no valid recipients" if refused_all else "503 5.5.1 Error: need RCPT command")
            return False
        return True

    def _do_data(self, rest: str) -> None:
        if self._message is not None:
            self._refuse("503 5.5.1 Error: DATA after BDAT")
        elif not self._check_recipients():
            pass
        elif rest:
            self._refuse("501 5.5.4 Syntax: DATA")
        else:
            self._message = self._open_message(chunked=False)
            self._reply("354 End data with <CR><LF>.<CR><LF>")
            self._mode = Mode.DATA

    def _do_bdat(self, rest: str) -> None:
        words = rest.split()
        is_last = len(words) == 2 and words[1].upper() == "LAST"
        size = words[0] if words else ""
        if not size.isascii() or not size.isdigit() or len(size) > BDAT_LIMIT_DIGITS or len(words) != 1 + is_last:
            self.tally.fail()
            self._hang_up("521 5.5.4 Syntax: BDAT count [LAST]")  # what follows cannot be told from commands
            return
        if self._message is None:
            self._message = self._open_message(chunked=True)
            if self._mail is None or not self._mail.recipients:
                refused_all = self._mail is not None and self._mail.refused
                self._message.refuse(
                    "554 5.5.1 Error: no valid recipients" if refused_all else "503 5.5.1 Error: need RCPT command"
                )
        self._chunk_left = self._chunk_octets = int(size)
        self._chunk_is_last = is_last
        self._mode = Mode.CHUNK

    def _do_rset(self, rest: str) -> None:
        if rest:
            self._refuse("501 5.5.4 Syntax: RSET")
        else:
            self._reset()
            self._reply("250 2.0.0 Ok")

    def _do_noop(self, rest: str) -> None:
        self._reply("250 2.0.0 Ok")

    def _do_help(self, rest: str) -> None:
        self._reply("214 2.0.0 See RFC 5321")

    def _do_vrfy(self, rest: str) -> None:
        self._reply(f"252 2.0.0 {show(rest.strip())}")

    def _do_quit(self, rest: str) -> None:
        self._drop_message()
        self._hang_up("221 2.0.0 Bye")

    def _do_xforward(self, rest: str) -> None:
        if self._mail is not None:
            self._refuse("503 5.5.1 Error: MAIL transaction in progress")
        elif not self._client.may_forward:
            self._refuse("550 5.7.0 Error: insufficient authorization")
        else:
            claims = extensions.parse_xforward(rest)
            if isinstance(claims, Wrong):
                self._refuse(claims.reply)
            else:
                self._claims.update(claims)
                self._reply("250 2.0.0 Ok")

    def _do_starttls(self, rest: str) -> None:
        if rest:
            self._refuse("501 5.5.4 Syntax: STARTTLS")
        elif self._tls is not None:
            self._refuse("554 5.5.1 Error: TLS already active")
        elif not self._terms.has_tls:
            self._refuse("502 5.5.1 Error: STARTTLS is not offered")
        else:
            self._reset()
            self._reply("220 2.0.0 Ready to start TLS")
            self._flush()
            self._input = b""  # what came in clear text must not be taken for a command under TLS (CVE-2011-0411)
            self._mode = Mode.BUSY
            self._door.secure()

    # Logging in

    def _do_auth(self, rest: str) -> None:
        terms = self._terms
        words = rest.split()
        mechanism = words[0].upper() if words else ""
        if not terms.login_mechanisms or (terms.login_needs_tls and self._tls is None):
            reply = "538 5.7.11 Encryption required for requested authentication mechanism"
            self._refuse(reply if terms.login_mechanisms else "503 5.5.1 Error: authentication not enabled")
        elif self._mail is not None or self._login_name:
            told = "MAIL transaction in progress" if self._mail is not None else "already authenticated"
            self._refuse(f"503 5.5.1 Error: {told}")
        elif not 1 <= len(words) <= 2:
            self._refuse("501 5.5.4 Syntax: AUTH mechanism")
        elif mechanism not in terms.login_mechanisms:
            self._refuse("535 5.7.8 Error: authentication failed: Invalid authentication mechanism")
        else:
            try:
                initial = login.decode_response(words[1].encode()) if len(words) == 2 else None
            except login.Malformed:
                self._refuse("501 5.5.2 Error: authentication failed: malformed initial response")
                return
            self._login_dialogue = login.begin_login(mechanism, initial)
            self._advance_login(None)

    def _continue_login(self, line: bytes) -> None:
        self._mode = Mode.COMMANDS
        if line == b"*":
            self._refuse("501 5.7.0 Authentication aborted")
            return
        try:
            response = login.decode_response(line)
        except login.Malformed:
            self._refuse("501 5.5.2 Error: authentication failed: malformed response")
            return
        self._advance_login(response)

    def _advance_login(self, response: bytes | None) -> None:
        assert self._login_dialogue is not None
        try:
            challenge = self._login_dialogue.send(response)  # type: ignore[arg-type]
        except StopIteration as end:
            found: login.Credentials = end.value
            self._login_dialogue = None
            self._login_name = found.name
            self._flush()
            self._mode = Mode.BUSY
            self._door.check_login(found.name, found.password)
        except login.Malformed:
            self._login_dialogue = None
            self._refuse("535 5.7.8 Error: authentication failed")
        else:
            self._reply(f"334 {login.encode_challenge(challenge)}")
            self._mode = Mode.LOGIN


_GREETINGS = frozenset({"EHLO", "HELO", "LHLO"})
_BEFORE_TLS = frozenset({"EHLO", "HELO", "LHLO", "NOOP", "QUIT", "STARTTLS", "RSET"})
_COMMANDS = {
    "EHLO": Conversation._do_ehlo, "LHLO": Conversation._do_ehlo, "HELO": Conversation._do_helo,
    "MAIL": Conversation._do_mail, "RCPT": Conversation._do_rcpt, "DATA": Conversation._do_data,
    "BDAT": Conversation._do_bdat, "RSET": Conversation._do_rset, "NOOP": Conversation._do_noop,
    "HELP": Conversation._do_help, "VRFY": Conversation._do_vrfy, "QUIT": Conversation._do_quit,
    "XFORWARD": Conversation._do_xforward, "STARTTLS": Conversation._do_starttls, "AUTH": Conversation._do_auth,
}  # fmt: skip
