"""A model's health on the page of metrics."""

from exporter.config import Model, Objectives, Thresholds

SAMPLE = {"model_id": "m", "model_type": "tabular", "request_id": "r", "latency": 250.0}


def test_a_configured_model_shows_its_thresholds_and_objectives(serve, config):
    model = Model(
        name="m",
        environment="prod",
        thresholds=Thresholds(latency=0.2, cost_per_hour=3.0),
        objectives=Objectives(latency=0.95),
    )
    exporter = serve(config(models=(model,)))
    assert exporter.measure(SAMPLE).status_code == 201
    page = exporter.page()
    expected = {
        'vedette_model_info{modality="auto",model="m",stage="prod",version=""}': 1,
        'vedette_model_latency_threshold_seconds{model="m"}': 0.2,
        'vedette_slow_inferences_total{model="m"}': 1,
        'vedette_model_error_threshold_ratio{model="m"}': 0.05,
        'vedette_model_resource_threshold_ratio{model="m",resource="gpu_memory"}': 0.8,
        'vedette_model_cost_threshold_dollars{model="m"}': 3.0,
        'vedette_model_objective_ratio{model="m",slo="latency"}': 0.95,
        'vedette_slo_events_total{model="m",slo="latency"}': 1,
        'vedette_slo_bad_events_total{model="m",slo="latency"}': 1,
    }
    assert {name: page.get(name) for name in expected} == expected
    assert not any('slo="availability"' in name for name in page)


def test_a_model_that_nobody_named_has_no_thresholds(serve, config):
    exporter = serve(config(models=(Model(name="m"),)))
    assert exporter.measure(SAMPLE | {"model_id": "unknown"}).status_code == 201
    page = exporter.page()
    assert page['vedette_inferences_total{model="other"}'] == 1
    assert not any("threshold" in name and 'model="other"' in name and "detector" not in name for name in page)


def test_models_of_pictures_and_tables_have_no_tokens(serve, config):
    page = serve(config(models=(Model(name="m", modality="tabular"), Model(name="t", modality="text")))).page()
    assert 'vedette_tokens_total{direction="input",model="t"}' in page
    assert not any(("token" in name) and 'model="m"' in name for name in page)


def test_a_gauge_that_nobody_pushed_is_not_there_and_one_that_was_goes_after_five_minutes(serve, clock):
    exporter = serve(clock=clock)
    name = 'vedette_resource_utilization_ratio{model="default",resource="cpu_usage"}'
    assert name not in exporter.page()
    exporter.measure(SAMPLE | {"model_id": "default", "resource_usage": {"cpu_usage": 0.5}})
    assert exporter.page()[name] == 0.5
    clock.now += 301
    assert name not in exporter.page()


def test_two_clients_that_become_one_label_are_added_up(serve):
    exporter = serve()
    for number, client in enumerate(("a b", "a_b")):
        exporter.measure(SAMPLE | {"model_id": "default", "request_id": f"r{number}", "client": client})
    assert exporter.page()['vedette_top_client_queries{client="a_b",model="default"}'] == 2


def test_tokens_of_a_model_of_pictures_are_shown_once_there_are_any(serve, config):
    exporter = serve(config(models=(Model(name="m", modality="image"),)))
    assert not any(name.startswith("vedette_tokens_total") for name in exporter.page())
    assert exporter.measure(SAMPLE | {"model_type": "cv", "tokens": {"input": 100, "output": 50}}).status_code == 201
    page = exporter.page()
    assert page['vedette_tokens_total{direction="input",model="m"}'] == 100
    assert page['vedette_tokens_total{direction="output",model="m"}'] == 50
