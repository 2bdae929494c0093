import { expect, test } from 'vitest';
import { createPaint } from '../../../src/cli/terminal.ts';
import { renderTable } from '../../../src/cli/text-table.ts';

const layout = { width: 30, paint: createPaint(false), indent: '  ' };

test('columns are as wide as they need to be, and empty ones are left out', () => {
  const rows = [{ cells: ['a', 'long value', '', 'x'] }, { cells: ['bcd', 'v', '', ''], above: ['T'], details: ['    more'] }];
  expect(renderTable(['NAME', 'B', 'C', 'D'], rows, layout)).toEqual([
    '  NAME  B           D',
    '  a     long value  x',
    'T',
    '  bcd   v',
    '    more',
  ]);
});

test('a name that does not fit has a line of its own', () => {
  const name = 'a-name-that-is-longer-than-all.example';
  expect(renderTable(['NAME', 'STATE'], [{ cells: ['b.example', 'valid'] }, { cells: [name, 'failed'] }], layout)).toEqual([
    '  NAME                  STATE',
    '  b.example             valid',
    `  ${name}`,
    `${' '.repeat(24)}failed`,
  ]);
});

test('colour does not count as width', () => {
  const paintCell = (text: string, column: number): string => (column === 1 ? `\u001b[32m${text}\u001b[39m` : text);
  const [, first] = renderTable(['A', 'B', 'C'], [{ cells: ['a', 'b', 'c'], paintCell }], layout);
  expect(first).toBe('  a  \u001b[32mb\u001b[39m  c');
});
