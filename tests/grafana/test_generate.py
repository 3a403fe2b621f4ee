from grafana.generate import FOLDER, rendered


def test_the_committed_dashboards_are_what_the_generator_writes():
    assert rendered() == {path: path.read_text() for path in FOLDER.iterdir()}


def test_there_is_an_overview_and_dashboards_for_one_model_its_health_clients_and_learned_series():
    assert sorted(path.name for path in rendered()) == [
        "vedette-anomalies.json",
        "vedette-clients.json",
        "vedette-health.json",
        "vedette-model.json",
        "vedette-overview.json",
    ]
