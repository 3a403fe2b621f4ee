"""A chat with any OpenAI-compatible server, streamed: tokens, time to the first one, and the confidence of the answer.

OPENAI_BASE_URL=http://localhost:8000/v1 OPENAI_API_KEY=none python openai_chat.py "Why is the sky blue?"
"""

import os
import sys
from collections.abc import Iterator

from openai import OpenAI

from vedette_client import Client, monitor

MODEL = os.environ.get("CHAT_MODEL", "gpt-4o-mini")
vedette = Client(os.environ.get("VEDETTE_URL", "http://127.0.0.1:10833"), os.environ.get("VEDETTE_API_KEY"))


def ask(openai: OpenAI, question: str, user: str) -> Iterator[str]:
    """The pieces of an answer, as they come."""
    with monitor(MODEL, client=vedette) as call:
        call.input, call.client = question, user
        logprobs: list[float] = []
        for chunk in openai.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": question}],
            stream=True,
            logprobs=True,
            stream_options={"include_usage": True},
        ):
            if chunk.usage:
                call.tokens = {"input": chunk.usage.prompt_tokens, "output": chunk.usage.completion_tokens}
            for choice in chunk.choices:
                call.first_token()
                logprobs += [token.logprob for token in (choice.logprobs and choice.logprobs.content) or []]
                yield choice.delta.content or ""
        call.output = {"logprobs": logprobs} if logprobs else None


if __name__ == "__main__":
    for piece in ask(OpenAI(), " ".join(sys.argv[1:]) or "Why is the sky blue?", user="example"):
        print(piece, end="", flush=True)
    print()
    vedette.close()
    print(vedette.stats())
