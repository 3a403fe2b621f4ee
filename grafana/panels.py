"""How a query, a panel, a variable and a dashboard look here.

Only panel types and options that every supported Grafana knows are used: timeseries, stat, bargauge, table and row,
with the transformation `organize`. A panel whose emptiness is good news says so in its `none` text; every other panel
has series as soon as there are queries. Only this file knows the library that writes the JSON.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

with warnings.catch_warnings():
    # the library prefers a newer format, which the Grafanas in use today do not all read
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, table, timeseries
    from grafana_foundation_sdk.builders import dashboard as builders
    from grafana_foundation_sdk.models import common as options
    from grafana_foundation_sdk.models import dashboard as models
    from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = options.DataSourceRef(type_val="prometheus", uid="${datasource}")
#: the instances that were chosen
INSTANCES = 'job=~"$job", instance=~"$instance"'
#: the models that were chosen on them, where one or several may be
ONE_MODEL = f'{INSTANCES}, model="$model"'
SOME_MODELS = f'{INSTANCES}, model=~"$model"'
RATE = "[$__rate_interval]"

OVERVIEW = "vedette-overview"
MODEL = "vedette-model"
ANOMALIES = "vedette-anomalies"
CLIENTS = "vedette-clients"
HEALTH = "vedette-health"

Dashboard = models.Dashboard
Panel = Any  # the builders of the panel types share their methods, not a class
Colours = Sequence[tuple[float | None, str]]

ALWAYS_GREEN: Colours = ((None, "green"),)
PLAIN: Colours = ((None, "text"),)


# -- queries


def ask(expression: str, legend: str, ref: str = "A") -> prometheus.Dataquery:
    """A query over the dashboard's time range."""
    return prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(ref).range().datasource(DATASOURCE)


def ask_now(expression: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    """A query for the end of the time range, so that what has gone shows as gone and not with its last value."""
    return prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(ref).instant().datasource(DATASOURCE)


def ask_buckets(expression: str) -> prometheus.Dataquery:
    """The buckets of one histogram, now; Grafana takes the counts of the smaller buckets off each."""
    return ask_now(expression, "{{le}}").format(PromQueryFormat.HEATMAP)


def quantile(part: float, buckets: str) -> str:
    """What this part does not exceed. buckets: the rate of a histogram's buckets by `le`.

    `>= 0` leaves out the NaN of a time in which nothing was counted.
    """
    return f"histogram_quantile({part}, {buckets}) >= 0"


def ask_quantiles(buckets: str) -> tuple[prometheus.Dataquery, ...]:
    """What half, 95 % and 99 % do not exceed, as A, B and C."""
    parts = ((0.5, "half", "A"), (0.95, "95 %", "B"), (0.99, "99 %", "C"))
    return tuple(ask(quantile(part, buckets), legend, ref) for part, legend, ref in parts)


def share(part: str, whole: str, labels: str, selector: str) -> str:
    """Rate of one counter through the rate of another, per `labels`; no series where nothing was counted."""
    top, bottom = (f"sum by ({labels}) (rate({name}{{{selector}}}{RATE}))" for name in (part, whole))
    return f"{top} / ({bottom} > 0)"


# -- panels


def lines(
    title: str, unit: str, description: str, *queries: Any, width: int = 12, height: int = 8, from_zero: bool = True
) -> Panel:
    """Values over time. from_zero: whether the axis begins at 0, as it does for what cannot be below."""
    panel = timeseries.Panel().draw_style(options.GraphDrawStyle.LINE).line_width(1).fill_opacity(8)
    panel = panel.show_points(options.VisibilityMode.NEVER).span_nulls(False)
    panel = panel.min(0) if from_zero else panel
    panel = panel.legend(
        common.VizLegendOptions()
        .display_mode(options.LegendDisplayMode.TABLE)
        .placement(options.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
    )
    tooltip = common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)
    return _described(panel.tooltip(tooltip), title, unit, description, queries, width, height)


def number(title: str, unit: str, description: str, query: Any, colours: Colours = PLAIN, width: int = 3) -> Panel:
    """One value, as it is now."""
    panel = stat.Panel().graph_mode(options.BigValueGraphMode.NONE).color_mode(options.BigValueColorMode.VALUE)
    panel = panel.text_mode(options.BigValueTextMode.VALUE).reduce_options(_last_value())
    return _described(panel.thresholds(steps(colours)), title, unit, description, (query,), width, 4)


def bars(
    title: str, unit: str, description: str, query: Any, colours: Colours = ALWAYS_GREEN, width: int = 12
) -> Panel:
    """A bar for each series, as it is now."""
    panel = bargauge.Panel().orientation(options.VizOrientation.HORIZONTAL).reduce_options(_last_value())
    panel = panel.display_mode(options.BarGaugeDisplayMode.BASIC).value_mode(options.BarGaugeValueMode.TEXT)
    panel = panel.show_unfilled(True).min(0).thresholds(steps(colours))
    return _described(panel, title, unit, description, (query,), width, 8)


def rows_of(
    title: str, unit: str, description: str, query: prometheus.Dataquery, columns: Sequence[str], value: str, width: int
) -> Panel:
    """A table: the labels `columns`, then the value, with its unit, under the name `value`."""
    panel = table.Panel().show_header(True).cell_height(options.TableCellHeight.SM)
    order = {name: position for position, name in enumerate([*columns, "Value"])}
    arrangement = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": {"Value": value}}
    panel = panel.with_transformation(models.DataTransformerConfig(id_val="organize", options=arrangement))
    # not the unit of the whole panel: Grafana would read the labels as dates where the unit is one
    panel = column(panel, value, {"unit": unit})
    return _described(panel, title, "none", description, (query.format(PromQueryFormat.TABLE),), width, 8)


def firing(title: str, description: str, selector: str, labels: Sequence[str], width: int, height: int = 4) -> Panel:
    """A table of the firing alerts, the newest first."""
    held = f'ALERTS_FOR_STATE{{{selector}}} and ignoring (alertstate) ALERTS{{{selector}, alertstate="firing"}}'
    query = ask_now(f"sort_desc(1000 * max by ({', '.join(labels)}) ({held}))")
    panel = rows_of(title, "dateTimeFromNow", description, query, labels, "since", width)
    severities = words({"critical": ("critical", "red"), "warning": ("warning", "orange"), "info": ("info", "blue")})
    coloured = {"mappings": severities, "custom.cellOptions": {"type": "color-text"}}
    return column(panel, "severity", coloured).no_value("nothing fires").height(height)


def column(panel: Panel, name: str, settings: Mapping[str, Any]) -> Panel:
    """Settings for one column of a table."""
    return panel.override_by_name(name, [models.DynamicConfigValue(key, value) for key, value in settings.items()])


def row(title: str, *, each: str | None = None) -> builders.Row:
    """Heads the panels that follow; with `each`, once for every value of that variable."""
    heading = builders.Row(title)
    return heading if each is None else heading.repeat(each)


def _described(
    panel: Panel, title: str, unit: str, description: str, queries: Iterable[Any], width: int, height: int
) -> Panel:
    for query in queries:
        panel = panel.with_target(query)
    return panel.title(title).description(description).unit(unit).datasource(DATASOURCE).span(width).height(height)


def _last_value() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


# -- looks


def steps(colours: Colours) -> builders.ThresholdsConfig:
    """Colours from a value on; the first has no value."""
    marks = [models.Threshold(value=value, color=colour) for value, colour in colours]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(marks)


def words(texts: Mapping[str, tuple[str, str]]) -> list[models.ValueMapping]:
    """Text and colour to show in place of a value: {value: (text, colour)}."""
    results = {
        value: models.ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, (text, colour)) in enumerate(texts.items())
    }
    return [models.ValueMap(options=results)]


def line_at(panel: Panel, colours: Colours) -> Panel:
    """Draw the thresholds of a timeseries as dashed lines."""
    style = common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED)
    return panel.thresholds(steps(colours)).thresholds_style(style)


def dashed(panel: Panel, ref: str, colour: str) -> Panel:
    """Draw what query `ref` gives as a dashed line without a fill: a bound, not a measurement."""
    return panel.override_by_query(
        ref,
        [
            models.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 8]}),
            models.DynamicConfigValue("custom.fillOpacity", 0),
            models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour}),
        ],
    )


def band(panel: Panel, upper: str, lower: str, colour: str) -> Panel:
    """Fill the space between what query `upper` gives and the line that is called `lower`."""
    return panel.override_by_query(
        upper,
        [
            models.DynamicConfigValue("custom.fillBelowTo", lower),
            models.DynamicConfigValue("custom.fillOpacity", 15),
            models.DynamicConfigValue("custom.lineWidth", 0),
            models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour}),
        ],
    )


# -- variables and the whole


def marks(name: str, expression: str, colour: str, title: str) -> Any:
    """Times at which the expression has a value, marked in every panel over time."""
    query = builders.AnnotationQuery().name(name).datasource(DATASOURCE).enable(True).icon_color(colour)
    return query.expr(expression).title_format(title).step("60s")


def instance_variables() -> list[Any]:
    """Which Prometheus, and which instances of the exporter, as `INSTANCES` selects them."""
    return [
        builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus"),
        label_variable("job", "label_values(vedette_build_info, job)"),
        label_variable("instance", 'label_values(vedette_build_info{job=~"$job"}, instance)'),
    ]


def models_variable() -> Any:
    """Which models, as `SOME_MODELS` selects them."""
    return label_variable("model", f"label_values(vedette_queries_total{{{INSTANCES}}}, model)", every=".*")


def label_variable(name: str, query: str, *, many: bool = True, every: str | None = None) -> Any:
    """The values of a label. many: several or All may be chosen. every: the expression that stands for All."""
    variable = builders.QueryVariable(name).label(name.capitalize()).datasource(DATASOURCE)
    variable = variable.query({"query": query, "refId": "StandardVariableQuery"}).definition(query)
    # a series that has just gone is still chosen: its absence is what the panels are to show
    variable = variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    variable = variable.sort(models.VariableSort.ALPHABETICAL_ASC).multi(many).include_all(many)
    if every is not None:
        variable = variable.all_value(every)
    if many:
        variable = variable.current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    return variable


def dashboard(
    uid: str,
    title: str,
    description: str,
    variables: Iterable[Any],
    contents: Iterable[Any],
    annotations: Sequence[Any] = (),
) -> Dashboard:
    """A dashboard from top to bottom: rows and panels."""
    builder = builders.Dashboard(title).uid(uid).description(description).tags(["vedette"])
    builder = builder.time("now-6h", "now").refresh("30s").tooltip(models.DashboardCursorSync.CROSSHAIR)
    builder = builder.link(
        builders.DashboardLink("Vedette")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags(["vedette"])
        .keep_time(True)
        .include_vars(True)
    )
    for variable in variables:
        builder = builder.with_variable(variable)
    if annotations:
        builder = builder.annotations(list(annotations))
    for content in contents:
        add = builder.with_row if isinstance(content, builders.Row) else builder.with_panel
        builder = add(content)
    return _completed(builder.build())


def _completed(built: Any) -> Dashboard:
    for position, panel in enumerate(built.panels or [], start=1):
        panel.id_val = position
        if panel.type_val == "table":
            panel.options.footer = None  # the library writes one that the pinned Grafana no longer knows
    for link in built.links or []:
        link.placement = None  # in sight, not in the menu of controls that older versions do not have
    for variable in built.templating.list_val or [] if built.templating else []:
        variable.auto = variable.auto_count = variable.auto_min = None  # belong to interval variables only
    return built
