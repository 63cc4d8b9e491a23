"""Tells systemd how the server is: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import attrs

from ekaci_core.api import Logger


@attrs.frozen
class ServiceManager:
    """Whoever started the server and listens at ``NOTIFY_SOCKET``; nobody where that is not set."""

    _address: str | None
    _log: Logger

    @classmethod
    def of(cls, environment: Mapping[str, str], log: Logger) -> ServiceManager:
        """Find it; only sockets of the file system and abstract ones are meant."""
        address = environment.get("NOTIFY_SOCKET", "")
        return cls(address if address[:1] in ("/", "@") else None, log)

    def tell(self, *assignments: str) -> None:
        """Send ``READY=1``, ``STOPPING=1``, ``STATUS=...``; that it cannot be told keeps nobody from working."""
        if self._address is None:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.connect(address)
                sender.send("\n".join(assignments).encode())
        except OSError as error:
            self._log.warning("service_manager_not_told", reason=error.strerror or str(error))
