"""Deliver one message and say what became of it.

    python examples/deliver_one.py you@example.org
    python examples/deliver_one.py you@example.org '[127.0.0.1]:2525'

The second argument is a next hop in Postfix's syntax; without it the recipient's domain decides.
"""

import sys
from email.message import EmailMessage

import mailrider


def main() -> int:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    recipient = sys.argv[1]
    nexthop = sys.argv[2] if len(sys.argv) > 2 else None
    message = EmailMessage()
    message["From"] = "me@example.com"
    message["To"] = recipient
    message["Subject"] = "hello"
    message.set_content("Hello.\n")
    results = mailrider.deliver_sync(message, sender="me@example.com", recipients=[recipient], nexthop=nexthop)
    for result in results:
        print(f"{result.recipient}: {result.status} {result.status_code} by {result.relay}: {result.text}")
    return 0 if all(result.status == "sent" for result in results) else 75


if __name__ == "__main__":
    sys.exit(main())
