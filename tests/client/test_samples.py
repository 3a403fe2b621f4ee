"""What is left of a query whose input cannot be told."""

from vedette_client.samples import sample_of


def test_the_sample_of_a_query_tells_all_but_its_content() -> None:
    query = {
        **{"id": "1", "model": "m", "client": "c", "input": "text", "output": {"label": 1}, "latency_seconds": 0.5},
        **{"error": "timeout", "tokens": {"input": 2}, "cost_dollars": 0.1},
        **{"model_type": "tabular", "time_to_first_token_seconds": 0.2},
    }
    assert sample_of(query) == {
        **{"model_id": "m", "model_type": "tabular", "request_id": "1", "client": "c", "latency_seconds": 0.5},
        **{"time_to_first_token_seconds": 0.2, "error": "timeout", "tokens": {"input": 2}, "cost_dollars": 0.1},
    }
    assert {"model_type", "time_to_first_token_seconds"} & set(query) == set()


def test_the_modality_tells_the_type_of_the_model_where_nothing_else_does() -> None:
    query = {"id": "1", "model": "m", "latency_seconds": 0.5}
    found = [sample_of({**query, "modality": modality}) for modality in ("image", "tabular", "text", None)]
    assert [sample and sample["model_type"] for sample in found] == ["cv", "tabular", "llm", "llm"]


def test_there_is_none_without_a_model_or_a_latency() -> None:
    assert sample_of({"model": "m"}) is None
    assert sample_of({"latency_seconds": 0.5}) is None
