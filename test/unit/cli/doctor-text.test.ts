import { expect, test } from 'vitest';
import { renderDoctor } from '../../../src/cli/doctor-command.ts';
import { createPaint } from '../../../src/cli/terminal.ts';
import type { DoctorResult, MachineCheck } from '../../../src/protocol/verify.ts';

const layout = { width: 80, paint: createPaint(false), nowMs: 0 };
const check = (changes: Partial<MachineCheck>): MachineCheck => ({
  id: 'kernel.version',
  verdict: 'ok',
  found: 'Linux 6.1.0',
  effect: '',
  fix: '',
  ...changes,
});
const result = (...checks: MachineCheck[]): DoctorResult => ({
  ok: checks.every(({ verdict }) => verdict !== 'missing'),
  checks,
  ...{ time: '2026-11-21T10:00:00.000Z', version: '0.1.0', host: 'vm' },
});

test('a machine that has all is told so in a line for each thing', () => {
  expect(renderDoctor(result(check({})), layout)).toBe('kernel.version  ok        Linux 6.1.0\n\ntenantd can run here\n');
});

test('what is missing comes with its effect and its fix, within 80 columns', () => {
  const missing = check({
    id: 'isolation.root',
    verdict: 'missing',
    found: 'x '.repeat(80).trim(),
    effect: 'no sandbox can be made',
    fix: 'allow it to mount',
  });
  const text = renderDoctor(result(missing, check({ verdict: 'degraded' })), layout);
  expect(text).toContain('isolation.root  MISSING   x x');
  expect(text).toContain('no sandbox can be made\n');
  expect(text).toContain('fix: allow it to mount\n');
  expect(text).toContain('tenantd can not run tenants here: 1 thing missing\n');
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});
