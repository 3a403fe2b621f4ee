"""Traffic of a model's clients: natural texts, and one client that sends the same text again and again."""

import random
from typing import Any

#: so many natural queries and the model knows what is natural
WARM_UP = 200
TEXT = """
order refund parcel invoice address street winter jacket broken screen battery charger monday
delivery  account password email receipt return label colour size medium blue green shipping abroad
customs tax gift  voucher code expired phone number change cancel renew contract monthly yearly
price discount student family
"""
WORDS = TEXT.split()


def natural(count: int, clients: int = 10, seed: int = 1) -> list[dict[str, Any]]:
    """Events of so many clients, each text another one, the answers mostly sure."""
    rng = random.Random(seed)
    return [
        {
            "id": f"natural-{seed}-{number}",
            "client": f"client-{number % clients}",
            "input": " ".join(rng.choices(WORDS, k=12)),
            "output": [(sure := rng.uniform(0.9, 0.999)), 1 - sure],
        }
        for number in range(count)
    ]


def repeats(count: int, client: str | None = "eve") -> list[dict[str, Any]]:
    """Events of one client that sends the same text with ids of their own."""
    [one] = natural(1, seed=99)
    return [{**one, "id": f"{client}-{number}", "client": client} for number in range(count)]
