import { describe, expect, test } from 'vitest';
import { renderMetrics } from '../../../src/protocol/metrics.ts';
import { parseMetrics } from '../../support/metrics-text.ts';

const help = 'What it is.';

describe('the text for Prometheus', () => {
  test('has help and type of each family, then its samples', () => {
    const families = [
      { name: 'a_total', type: 'counter', help },
      { name: 'b_bytes', type: 'gauge', help: 'One\\two\nthree.' },
    ] as const;
    const rows = [
      { labels: ['acme', 'site'], values: [1, 2.5] },
      { labels: ['globex', ''], values: [0, null] },
    ];
    expect(renderMetrics({ groups: [{ labels: ['tenant', 'app'], families, rows }] })).toBe(
      [
        '# HELP a_total What it is.',
        '# TYPE a_total counter',
        'a_total{tenant="acme",app="site"} 1',
        'a_total{tenant="globex",app=""} 0',
        '# HELP b_bytes One\\\\two\\nthree.',
        '# TYPE b_bytes gauge',
        'b_bytes{tenant="acme",app="site"} 2.5',
        '',
      ].join('\n'),
    );
  });

  test('leaves out what nobody has', () => {
    const families = [{ name: 'a_total', type: 'counter', help }] as const;
    expect(renderMetrics({ groups: [{ labels: [], families, rows: [{ labels: [], values: [null] }] }] })).toBe('\n');
  });

  test('escapes labels, so that none can begin another sample', () => {
    const hostile = 'a"} 1\n# TYPE x counter\\';
    const families = [{ name: 'a', type: 'gauge', help }] as const;
    const text = renderMetrics({ groups: [{ labels: ['name'], families, rows: [{ labels: [hostile], values: [1] }] }] });
    expect(text.split('\n')).toHaveLength(4);
    expect(parseMetrics(text)).toEqual([{ name: 'a', labels: { name: hostile }, value: 1 }]);
  });

  test.each([
    [Infinity, '+Inf'],
    [-Infinity, '-Inf'],
    [NaN, 'NaN'],
    [1e21, '1e+21'],
    [0.000001, '0.000001'],
  ])('writes %d as %s', (value, text) => {
    const families = [{ name: 'a', type: 'gauge', help }] as const;
    expect(renderMetrics({ groups: [{ labels: [], families, rows: [{ labels: [], values: [value] }] }] })).toContain(`\na ${text}\n`);
  });
});
