"""Queries that come with the program: what is worth learning of node_exporter, of HTTP servers, of the exporter itself.

Each has deviations below which nothing is odd, in its unit and as a share of what is expected: 2 % more CPU on an idle
machine is no incident, however rare it is.
Windows are 5m: at least four scrapes at the usual minute. Change one by writing a query of the same name.
"""

from exporter.config.anomalies import AnomalyQuery

NODE = (
    AnomalyQuery(
        name="node_cpu",
        expr='1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))',
        group="node",
        min_deviation=0.1,
        min_deviation_ratio=0.1,
    ),
    AnomalyQuery(
        name="node_load",
        expr='node_load5 / on (instance) count by (instance) (node_cpu_seconds_total{mode="idle"})',
        group="node",
        min_deviation=0.25,
        min_deviation_ratio=0.2,
        direction="up",
    ),
    AnomalyQuery(
        name="node_memory",
        expr="1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
        group="node",
        min_deviation=0.05,
        min_deviation_ratio=0.05,
    ),
    AnomalyQuery(
        name="node_disk_io",
        expr="avg by (instance) (rate(node_disk_io_time_seconds_total[5m]))",
        group="node",
        min_deviation=0.1,
        min_deviation_ratio=0.1,
    ),
    AnomalyQuery(
        name="node_disk_used",
        expr='1 - node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs|ramfs"} / node_filesystem_size_bytes',
        min_deviation=0.03,
        min_deviation_ratio=0.03,
        direction="up",
    ),
    AnomalyQuery(
        name="node_network_receive",
        expr='sum by (instance) (rate(node_network_receive_bytes_total{device!~"lo|veth.*|docker.*|cni.*"}[5m]))',
        group="node",
        min_deviation=100_000,
        min_deviation_ratio=0.3,
    ),
    AnomalyQuery(
        name="node_network_transmit",
        expr='sum by (instance) (rate(node_network_transmit_bytes_total{device!~"lo|veth.*|docker.*|cni.*"}[5m]))',
        group="node",
        min_deviation=100_000,
        min_deviation_ratio=0.3,
    ),
)

HTTP = (
    AnomalyQuery(
        name="http_requests",
        expr="sum by (job) (rate(http_requests_total[5m]))",
        min_deviation=0.5,
        min_deviation_ratio=0.3,
    ),
    AnomalyQuery(
        name="http_errors",
        expr='sum by (job) (rate(http_requests_total{code=~"5.."}[5m])) / '
        "(sum by (job) (rate(http_requests_total[5m])) > 0)",
        min_deviation=0.01,
        min_deviation_ratio=0.3,
        direction="up",
    ),
    AnomalyQuery(
        name="http_latency",
        expr="histogram_quantile(0.95, sum by (job, le) (rate(http_request_duration_seconds_bucket[5m])))",
        min_deviation=0.05,
        min_deviation_ratio=0.3,
        direction="up",
    ),
)

VEDETTE = (
    AnomalyQuery(
        name="vedette_queries",
        expr="sum by (model) (rate(vedette_queries_total[5m]))",
        group="vedette",
        min_deviation=0.2,
        min_deviation_ratio=0.3,
    ),
    AnomalyQuery(
        name="vedette_flagged",
        expr="sum by (model) (rate(vedette_suspicious_queries_total[5m])) / "
        "(sum by (model) (rate(vedette_queries_total[5m])) > 0)",
        group="vedette",
        min_deviation=0.02,
        min_deviation_ratio=0.3,
        direction="up",
    ),
    AnomalyQuery(
        name="vedette_confidence",
        expr='sum by (model) (rate(vedette_detection_score_sum{detector="confidence"}[5m])) / '
        '(sum by (model) (rate(vedette_detection_score_count{detector="confidence"}[5m])) > 0)',
        group="vedette",
        min_deviation=0.05,
        min_deviation_ratio=0.1,
    ),
    AnomalyQuery(
        name="vedette_latency",
        expr="sum by (model) (rate(vedette_inference_duration_seconds_sum[5m])) / "
        "(sum by (model) (rate(vedette_inference_duration_seconds_count[5m])) > 0)",
        group="vedette",
        min_deviation=0.02,
        min_deviation_ratio=0.3,
    ),
    AnomalyQuery(
        name="vedette_failures",
        expr="sum by (model) (rate(vedette_inference_failures_total[5m])) / "
        "(sum by (model) (rate(vedette_inferences_total[5m])) > 0)",
        group="vedette",
        min_deviation=0.01,
        min_deviation_ratio=0.3,
        direction="up",
    ),
    AnomalyQuery(
        name="vedette_cost",
        expr="sum by (model) (rate(vedette_cost_dollars_total[5m]))",
        group="vedette",
        min_deviation=0.001,
        min_deviation_ratio=0.3,
        direction="up",
    ),
)

PRESETS = {"node": NODE, "http": HTTP, "vedette": VEDETTE}
