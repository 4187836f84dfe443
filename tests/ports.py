"""Ports of programs that a test starts."""

import socket


def kept_port() -> int:
    """Return a port that nobody else is given while this process lives.

    It stays bound here, which leaves it free for whoever listens there, as servers do, with SO_REUSEADDR.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port: int = holder.getsockname()[1]
    holder.detach()
    return port
