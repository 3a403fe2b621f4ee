"""Memory for evidence: what each model may take, so that all together keep to `limits.evidence_bytes`."""

from exporter.clients.memory import MODEL_BYTES
from exporter.config import Config


class EvidenceBudget:
    """How much memory the evidence of each model may take: together never more than limits.evidence_bytes.

    Configured models share three quarters of it; each of the others takes a quarter of what is left.
    """

    def __init__(self, config: Config) -> None:
        self._configured = {model.name for model in config.models}
        self._share = config.limits.evidence_bytes * 3 // 4 // max(len(config.models), 1)
        self._left = config.limits.evidence_bytes - min(self._share, MODEL_BYTES) * len(config.models)

    def take(self, name: str) -> int:
        """Bytes for the model of this name."""
        if name in self._configured:
            return min(self._share, MODEL_BYTES)
        size = min(self._left // 4, MODEL_BYTES)
        self._left -= size
        return size
