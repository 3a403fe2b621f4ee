#!/bin/sh
# Compares the committed dashboards with Grafana's own types, and the committed list of unit ids with Grafana's own
# list. Both come from npm, in the version of the Grafana image that docker-compose.yml pins. `--write` renews the list.
set -eu
cd "$(dirname "$0")/.."

version=$(sed -n 's|.*image: grafana/grafana:||p' docker-compose.yml)
units=tests/grafana/units.json
work=.cache/dashboards-$version

command -v npm >/dev/null || { echo "npm is missing: install nodejs and npm (Debian: apt install nodejs npm)" >&2; exit 1; }
mkdir -p "$work"
echo '{"private": true}' >"$work/package.json"
npm install --prefix "$work" --silent --no-progress --ignore-scripts \
  "@grafana/schema@$version" "@grafana/data@$version" typescript@5.9.3

# the file itself, because the package as a whole wants a browser
node - "$PWD/$work" >"$work/units.json" 2>/dev/null <<'SCRIPT'
globalThis.navigator ??= { languages: [] };
const say = console.log;
console.log = console.info = () => {};
const { getValueFormats } = require(process.argv[2] + "/node_modules/@grafana/data/dist/cjs/valueFormats/valueFormats.cjs");
const version = require(process.argv[2] + "/node_modules/@grafana/data/package.json").version;
const units = getValueFormats().flatMap((group) => group.submenu.map((unit) => unit.value)).sort();
say(JSON.stringify({ source: "@grafana/data " + version, units }, null, 1));
SCRIPT
[ "${1-}" = --write ] && cp "$work/units.json" "$units"
cmp "$work/units.json" "$units" || { echo "$units is not Grafana $version's list; renew it with --write" >&2; exit 1; }

{
  cat <<'TYPES'
import type { Dashboard, Panel, RowPanel, VariableModel } from "@grafana/schema";
import type { Options as BarGauge } from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type { Options as Stat } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type { Options as Table } from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type { Options as TimeSeries, FieldConfig as Lines } from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// JSON holds the values of Grafana's enumerations, not their names
type Plain<T> = T extends string ? `${T}` : T extends number ? number : T extends boolean | null | undefined ? T
  : unknown extends T ? unknown : T extends Array<infer E> ? Plain<E>[] : { [K in keyof T]: Plain<T[K]> };
// a panel's options are part of what its type demands; Grafana fills in the rest
type Typed<Type extends string, Options, Custom = {}> = Plain<Omit<Panel, "type" | "options" | "fieldConfig">> & {
  type: Type; options: Plain<Partial<Options>>;
  fieldConfig: Omit<Plain<NonNullable<Panel["fieldConfig"]>>, "defaults"> & {
    defaults: Omit<Plain<NonNullable<Panel["fieldConfig"]>["defaults"]>, "custom"> & { custom?: Plain<Partial<Custom>> } };
};
type AnyPanel = Typed<"bargauge", BarGauge> | Typed<"stat", Stat> | Typed<"table", Table>
  | Typed<"timeseries", TimeSeries, Lines> | Plain<RowPanel>;
// `definition` is the variable editor's copy of the query; Grafana writes and reads it, its schema does not list it
type Variable = Plain<VariableModel> & { definition?: string };
type Checked = Omit<Plain<Dashboard>, "panels" | "templating"> & { panels: AnyPanel[]; templating: { list: Variable[] } };
TYPES
  number=0
  for file in grafana/dashboards/*.json; do
    number=$((number + 1))
    printf 'export const dashboard%s: Checked = ' $number
    cat "$file"
    echo ';'
  done
} >"$work/check.ts"
"$work/node_modules/.bin/tsc" --noEmit --strict --skipLibCheck --module esnext --moduleResolution bundler --target es2022 \
  "$work/check.ts"
echo "dashboards and units fit Grafana $version"
