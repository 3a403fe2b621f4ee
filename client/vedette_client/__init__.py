"""Tells Vedette what your models are asked and how they answer, without slowing them."""

from vedette_client.client import Client
from vedette_client.monitor import monitor
from vedette_client.statistics import Statistics
from vedette_client.transport import Answer, Unreachable

__all__ = ["Answer", "Client", "Statistics", "Unreachable", "monitor"]
