"""Messages through a real smtp(8) and through `fit_content`, octet for octet.

    python -m tests.differential_mime --count 500 [--seed N] [--line-length-limit 2048]

Needs Postfix and root: a private instance of it is started, with folders of its own and ports above 1024.
"""
