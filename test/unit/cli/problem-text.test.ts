import { describe, expect, test } from 'vitest';
import type { Problem } from '../../../src/base/problem.ts';
import { renderProblem, renderProblemLine } from '../../../src/cli/problem-text.ts';
import { createPaint } from '../../../src/cli/terminal.ts';

const problem: Problem = {
  code: 'TENANTD_E_BAD_DOMAIN',
  message: '"a_b" is not a host name',
  fix: 'write it like shop.example',
  file: '/srv/acme/tenant.yaml',
  line: 3,
  column: 5,
};
const layout = { width: 80, paint: createPaint(false), indent: '  ' };

describe('a problem for grep and editors', () => {
  test('has its place first, and its fix below', () => {
    expect(renderProblemLine(problem)).toEqual([
      '/srv/acme/tenant.yaml:3:5  TENANTD_E_BAD_DOMAIN  "a_b" is not a host name',
      '    fix: write it like shop.example',
    ]);
  });

  test.each<[Partial<Problem>, string]>([
    [{ file: 'a.yaml', line: 2 }, 'a.yaml:2  '],
    [{ file: 'a.yaml' }, 'a.yaml  '],
    [{ file: 'a.yaml', tenant: 'acme' }, 'a.yaml  '],
    [{ tenant: 'acme', app: 'site' }, 'acme/site  '],
    [{ tenant: 'acme' }, 'acme  '],
    [{}, 'TENANTD_E_BAD_DOMAIN  '],
  ])('begins with as much of its place as is known: %o', (place, start) => {
    const { code, message, fix } = problem;
    const [line = ''] = renderProblemLine({ code, message, fix, ...place });
    expect(line.startsWith(start)).toBe(true);
  });

  test('obeys nothing that a file name or a value holds', () => {
    const lines = renderProblemLine({ ...problem, file: 'a\n\u001b[2Jb', message: 'x\ry', fix: 'z\n' });
    expect(lines).toEqual(['a\\x0ab:3:5  TENANTD_E_BAD_DOMAIN  x\\x0dy', '    fix: z\\x0a']);
  });
});

describe('a problem for people', () => {
  test('is wrapped and indented', () => {
    const message = 'words '.repeat(20).trim();
    const lines = renderProblem({ ...problem, message }, layout);
    expect(lines[0]).toBe('  TENANTD_E_BAD_DOMAIN  /srv/acme/tenant.yaml:3:5');
    expect(lines.at(-1)).toBe('    fix: write it like shop.example');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.length).toBe(4);
  });
});
