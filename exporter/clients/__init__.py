"""Who is doing it: evidence on queries, summed by client. `Suspicion` is one model's."""

from exporter.clients.suspicion import Suspicion, Verdict

__all__ = ["Suspicion", "Verdict"]
