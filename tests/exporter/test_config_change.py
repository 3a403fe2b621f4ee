"""What a reload builds anew, keeps, and cannot do."""

from exporter.config_change import FIXED, DetectorChange, difference
from exporter.config_file import parse

OLD = """
defaults: {detectors: [confidence, similarity]}
models:
- {name: a, modality: text, detectors: [confidence: {threshold: 0.8}, similarity]}
- {name: b}
"""


def change(old, new, seen=()):
    return difference(parse(old), parse(new), seen)


def test_the_same_configuration_changes_nothing():
    same = change(OLD, OLD, seen=["c"])
    assert (same.added, same.removed, same.fixed) == ((), (), ())
    assert {name: (model.built, model.dropped) for name, model in same.detectors.items()} == {
        "a": ((), ()),
        "b": ((), ()),
        "c": ((), ()),
    }


def test_a_detector_with_other_options_is_built_anew_and_the_others_are_kept():
    new = OLD.replace("0.8", "0.9")
    assert change(OLD, new).detectors["a"] == DetectorChange(
        kept=("text_similarity",), built=("confidence",), dropped=("confidence",)
    )


def test_another_order_keeps_every_detector():
    new = OLD.replace("[confidence: {threshold: 0.8}, similarity]", "[similarity, confidence: {threshold: 0.8}]")
    assert new != OLD
    assert change(OLD, new).detectors["a"] == DetectorChange(("text_similarity", "confidence"), (), ())


def test_another_alert_share_or_interval_keeps_every_detector():
    new = OLD.replace("{name: b}", "{name: b, expected_interval: 5m, alert_share: {critical: 0.9}}")
    assert new != OLD
    assert change(OLD, new).detectors["b"] == DetectorChange(("confidence", "similarity"), (), ())


def test_another_modality_brings_other_detectors():
    new = OLD.replace("modality: text", "modality: image")
    assert change(OLD, new).detectors["a"] == DetectorChange(
        ("confidence",), ("image_similarity",), ("text_similarity",)
    )


def test_a_model_that_is_removed_is_watched_on_with_the_defaults():
    removed = change(OLD, OLD.replace("- {name: b}", ""))
    assert (removed.added, removed.removed) == ((), ("b",))
    assert removed.detectors["b"] == DetectorChange(("confidence", "similarity"), (), ())


def test_a_model_that_is_added_keeps_what_it_had_while_it_was_not_configured():
    added = change(OLD, OLD + "- {name: c, detectors: [similarity, repetition]}\n")
    assert (added.added, added.removed) == (("c",), ())
    assert added.detectors["c"] == DetectorChange(("similarity",), ("repetition",), ("confidence",))


def test_new_defaults_reach_the_models_that_are_not_configured():
    new = OLD.replace("[confidence, similarity]", "[confidence]")
    assert change(OLD, new, seen=["c"]).detectors["c"] == DetectorChange(("confidence",), (), ("similarity",))


def test_what_is_set_up_once_holds_after_a_restart(tmp_path):
    (tmp_path / "secret").write_text("x" * 32)
    new = """
sources: {drop_directory: {path: ./drop}}
storage: {path: /elsewhere, sync: false, journal_bytes: 1GiB, snapshot_interval: 5m}
history:
  enabled: false
  url: sqlite:////elsewhere/history.db
  password_file: /elsewhere/password
  evidence: full
  flagged_per_second: 5
  queue_rows: 5
  max_bytes: 1MiB
  retention: {drift: 1d}
alerts: {url: "http://elsewhere:9093", reconcile_interval: 5m, silences: true, credentials_file: /elsewhere/token}
limits: {queue_queries: 5, queue_bytes: 1MiB, body_bytes: 1MiB}
"""
    new += f"access: {{pseudonym_secret_file: {tmp_path}/secret}}"
    assert change("", new).fixed == tuple(f"{key} has changed: the new value holds after a restart" for key in FIXED)
    assert change(new, new).fixed == ()
