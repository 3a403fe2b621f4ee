"""Write docs/metrics.md from the table of metrics: python -m tools.metrics_page"""

from pathlib import Path

from exporter.metrics.families import FAMILIES, PREFIX

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
HEAD = """# Metrics

Everything that `/metrics` exposes besides `process_*` and `python_info`. This page is written from the program's own
table by `python -m tools.metrics_page`.

- Counters stand at 0 from when their model is known. Scores and delays are histograms; with OpenMetrics, their buckets
  carry the id of a query as an exemplar.
- `model` is the name in the configuration. A name that is not configured gets a label of its own after 20 queries, as
  long as there are no more than `limits.models`; until then, and beyond the limit, its queries are judged and counted
  under `other`. After a day of silence the label is given back.
- `detector` is the name of a detector with the modality of its model, such as `text_similarity`.
- Label values from outside hold only letters, digits and `._:/@-`, at most 128; what else they hold is replaced by `_`.
- A page has at most `limits.series` series. What does not fit is left out by whole models and counted in
  `vedette_series_dropped_total`.
- All counters start at 0 with the process: `vedette_counter_epoch_timestamp_seconds` says when that was.
- The share of flagged queries is
  `rate(vedette_detector_flags_total[5m]) / (rate(vedette_detector_judgements_total[5m]) > 0)`. Never aggregate
  `vedette_detection_score` over detectors: their scores and buckets differ.

| metric | type | labels | meaning |
|---|---|---|---|
"""


def page() -> str:
    """The page as it should be."""
    rows = (
        f"| `{PREFIX}{family.name}` | {family.type} | {', '.join(family.labels)} | {family.help} |"
        for family in FAMILIES
    )
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
