"""A FastAPI service whose every answer is reported, errors and latency included.

uvicorn fastapi_service:app, then: curl -X POST localhost:8000/classify -H 'X-User: ada' -d '"what a lovely day"' \
    -H 'Content-Type: application/json'
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Body, FastAPI, Header

from vedette_client import Client, monitor

client = Client(
    os.environ.get("VEDETTE_URL", "http://127.0.0.1:10833"),
    os.environ.get("VEDETTE_API_KEY"),
    buffer_dir=os.environ.get("VEDETTE_BUFFER_DIR"),  # what waits there survives a restart
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    client.close()


app = FastAPI(lifespan=lifespan)
LOVELY = {"lovely", "good", "great"}


@monitor("sentiment", client=client, inputs=True, outputs=True, caller=lambda text, user: user)
def classify(text: str, user: str | None) -> list[float]:
    """Stands for a model: probabilities of bad and good."""
    good = (1 + sum(word in LOVELY for word in text.split())) / (2 + len(text.split()))
    return [1 - good, good]


@app.post("/classify")
def answer(text: str = Body(), x_user: str | None = Header(None)) -> list[float]:
    return classify(text, x_user)
