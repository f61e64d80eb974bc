"""What a hop must prove to us.

One engine (`decision`) is asked before each connection.  It answers with a `policy.Policy`, a frozen value that
knows its level, the terms of the TLS connection, and which rule of which source chose it; or with the reason why this server
may not be used.  Nothing here connects to anybody: `tables` and the DNS are asked, and what they say is judged.
"""
