/** Figures for Prometheus: from the daemon to the process `metrics`, and to `tenantctl metrics`; and the text that both make of them. */

export interface MetricFamily {
  /** By Prometheus' conventions: with its unit, and `_total` for a counter. */
  name: string;
  type: 'counter' | 'gauge';
  help: string;
}

/** Families about the same things: each row is one of these, with a value for each family, in their order. */
export interface MetricGroup {
  labels: readonly string[];
  families: readonly MetricFamily[];
  /** Null: this one has none. */
  rows: readonly { labels: readonly string[]; values: readonly (number | null)[] }[];
}

export interface MetricsSnapshot {
  groups: readonly MetricGroup[];
}

export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8';

/** The text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). */
export function renderMetrics({ groups }: MetricsSnapshot): string {
  const lines: string[] = [];
  for (const { labels, families, rows } of groups)
    for (const [index, { name, type, help }] of families.entries()) {
      const samples = rows.flatMap((row) => {
        const value = row.values[index] ?? null;
        return value === null ? [] : [`${name}${renderLabels(labels, row.labels)} ${renderValue(value)}`];
      });
      if (samples.length > 0) lines.push(`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`);
      for (const sample of samples) lines.push(sample);
    }
  return `${lines.join('\n')}\n`;
}

function renderLabels(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return '';
  return `{${names.map((name, index) => `${name}="${escapeValue(values[index] ?? '')}"`).join(',')}}`;
}

function renderValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeValue(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
