"""The client side of SMTP (RFC 5321) and LMTP (RFC 2033), without any I/O.

A *script* is a generator that reads from top to bottom like the dialogue it speaks.  It writes commands to a `Wire`,
and yields what it needs from the driver: the next reply, content to be transmitted, a pause.  Trouble on the wire
is thrown *into* it, at the place where it waits.  `net.connection` is the one driver.

Reading order: `stage` (the table), `reply` (the parser), `wire` (the queue of awaited replies), `capabilities`,
`commands`, `handshake` and `transaction` (the scripts).
"""
