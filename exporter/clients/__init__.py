"""Who is doing it: evidence on queries, summed by client. `Suspicion` is one model's."""

from exporter.clients.counts import Alarmed
from exporter.clients.suspicion import Suspicion
from exporter.clients.weighing import Verdict

__all__ = ["Alarmed", "Suspicion", "Verdict"]
