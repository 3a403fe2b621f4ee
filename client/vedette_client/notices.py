"""What people must know, said once: a service that is down must not fill the host's log."""

import logging

log = logging.getLogger("vedette_client")


class Notices:
    """Warnings, each once until it is over. No text of a record, no key and no address is in them."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._mentioned: set[str] = set()

    def warn(self, about: str, text: str) -> None:
        """Warn, unless that was said already."""
        if about not in self._said:
            self._said.add(about)
            log.warning("vedette: %s", text)

    def mention(self, about: str, text: str) -> None:
        """Tell those who look for it, once."""
        if about not in self._mentioned:
            self._mentioned.add(about)
            log.debug("vedette: %s", text)

    def over(self, about: str, text: str) -> None:
        """Say that something is well again, if it was warned of."""
        if about in self._said:
            self._said.remove(about)
            log.info("vedette: %s", text)
