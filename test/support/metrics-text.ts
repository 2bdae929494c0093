export interface MetricSample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const sampleLine = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const labelPair = /([a-zA-Z_]\w*)="((?:[^"\\]|\\[\\n"])*)"(?:,|$)/gy;

/**
 * Reads the text format of Prometheus as strictly as it does: throws for a line that is none, a family whose samples are not together or
 * come before their type, a counter without `_total`, a sample that is there twice.
 */
export function parseMetrics(text: string): MetricSample[] {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const types = new Map<string, string>();
  const seen = new Set<string>();
  const samples: MetricSample[] = [];
  let family = '';
  for (const line of text.slice(0, -1).split('\n')) {
    if (line.startsWith('# HELP ')) continue;
    const [, named = '', type = ''] = /^# TYPE (\S+) (counter|gauge)$/.exec(line) ?? [];
    if (named !== '') {
      if (types.has(named)) throw new Error(`${named} has two types`);
      if (type === 'counter' && !named.endsWith('_total')) throw new Error(`${named} is a counter and does not say so`);
      types.set(named, type);
      family = named;
      continue;
    }
    const sample = parseSample(line);
    if (sample.name !== family) throw new Error(`a sample of ${sample.name} among those of ${family}`);
    const key = line.slice(0, line.lastIndexOf(' '));
    if (seen.has(key)) throw new Error(`${key} is there twice`);
    seen.add(key);
    samples.push(sample);
  }
  return samples;
}

function parseSample(line: string): MetricSample {
  const [, name, labels = '', value = ''] = sampleLine.exec(line) ?? [];
  if (name === undefined) throw new Error(`no sample: ${line}`);
  const pairs = [...labels.matchAll(labelPair)];
  if (pairs.map(([whole]) => whole).join('') !== labels) throw new Error(`no labels: ${labels}`);
  const number = { '+Inf': Infinity, '-Inf': -Infinity }[value] ?? Number(value);
  if (Number.isNaN(number) && value !== 'NaN') throw new Error(`no value: ${line}`);
  return { name, labels: Object.fromEntries(pairs.map(([, label = '', text = '']) => [label, unescape(text)])), value: number };
}

function unescape(text: string): string {
  return text.replaceAll(/\\([\\n"])/g, (_, letter: string) => (letter === 'n' ? '\n' : letter));
}
