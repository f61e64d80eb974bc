"""smtplib: one connection for each of 20 processes or threads, reused for all their messages.

Processes are what smtplib is cheapest with: 20 threads pay for handing the interpreter lock around.  The children are
forked after everything has been imported, so that start-up is paid once.  Over a connection `sendmail` is called again
and again; between two messages nothing else is sent.
"""

from __future__ import annotations

import argparse
import os
import smtplib
import sys
from threading import Thread

from benchmarks.clients.workload import Workload, parse_workload


def send_share(workload: Workload, connection: int) -> None:
    """All messages of one connection."""
    with smtplib.SMTP(workload.host, workload.port, local_hostname="client.example.test") as client:
        for sender, recipient, text in workload.share(connection):
            refused = client.sendmail(sender, [recipient], text)
            assert not refused


def send_in_threads(workload: Workload) -> int:
    """One process, a thread for each connection.  Returns how many connections failed."""
    failed: list[int] = []

    def work(connection: int) -> None:
        try:
            send_share(workload, connection)
        except (smtplib.SMTPException, OSError, AssertionError):
            failed.append(connection)

    threads = [Thread(target=work, args=(connection,)) for connection in range(workload.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(failed)


def send_in_processes(workload: Workload) -> int:
    """A process for each connection.  Returns how many of them failed."""
    children = []
    for connection in range(workload.connections):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                send_share(workload, connection)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


def main() -> int:
    """Exit status 0 when all mail was taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", action="store_true", help="threads instead of processes")
    workload, given = parse_workload(parser)
    send = send_in_threads if given.threads else send_in_processes
    return 1 if send(workload) else 0


if __name__ == "__main__":
    sys.exit(main())
