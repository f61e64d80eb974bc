"""TLS as mechanism: contexts, certificates, name matching, DANE match, fingerprints, sessions.

Nothing here reads or writes a socket, and nothing knows of destinations: what a server must prove comes in as `terms.TlsTerms`,
octets go in and out of `channel.Channel`, and `verdict` says what was proved.  OpenSSL is loaded by `context`, `channel` and
what they call when the first handshake is prepared, not before.
"""
