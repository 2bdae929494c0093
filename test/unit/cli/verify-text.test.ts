import { describe, expect, test } from 'vitest';
import { createPaint } from '../../../src/cli/terminal.ts';
import { controlsByLayer } from '../../../src/cli/verify-controls.ts';
import { renderReport } from '../../../src/cli/verify-report.ts';
import { renderVerify } from '../../../src/cli/verify-text.ts';
import { isolationLayers } from '../../../src/config/daemon-schema.ts';
import type { Check, VerifyResult } from '../../../src/protocol/verify.ts';

const layout = { width: 80, paint: createPaint(false), nowMs: 0 };
const check = (changes: Partial<Check> = {}): Check => ({
  ...{ tenant: 'acme', layer: 'user', id: 'user.uid', subject: 'worker site.abc', expected: '7 7 7 7', actual: '7 7 7 7', ok: true },
  ...{ source: '/proc/12/status Uid' },
  ...changes,
});
const result = (checks: Check[]): VerifyResult => ({
  ok: checks.every(({ ok, waived }) => ok || waived === true),
  checks,
  ...{ time: '2026-11-21T10:00:00.000Z', version: '0.1.0', host: 'vm', kernel: '6.1.0' },
  configurations: { acme: 'abc123' },
});

describe('what people read', () => {
  test('is one line a tenant when all is well', () => {
    const checks = [check({ tenant: '', subject: 'edge' }), check(), check({ subject: 'host' }), check({ subject: '' })];
    expect(renderVerify(result(checks), layout)).toBe(
      'tenantd itself  ok  1 check, 1 sandbox\nacme  ok  3 checks, 2 sandboxes\n\n4 checks: all as promised\n',
    );
  });

  test('names what failed, and what comes out of a sandbox can not forge lines', () => {
    const text = renderVerify(result([check({ ok: false, actual: 'x\nacme  ok\u001b[2J' })]), layout);
    expect(text).toContain('acme  1 FAILED  1 check, 1 sandbox\n  user.uid  worker site.abc\n      expected 7 7 7 7\n');
    expect(text).toContain('found    x\\x0aacme');
    expect(text).not.toContain('\u001b');
    expect(text).toMatch(/1 of 1 check failed\n$/);
  });

  test('begins with what is waived, and counts it', () => {
    const waived = check({ layer: 'network', id: 'network.waived', ok: false, waived: true, actual: 'missing: no namespaces' });
    const text = renderVerify(result([check(), waived]), layout);
    expect(text).toMatch(
      /^WAIVED by isolation\.without: 1 layer of what runs is not in force\n {2}network: missing: no namespaces; 1 tenant runs without it\n/,
    );
    expect(text).toMatch(/1 check: all as promised, but for 1 waived layer\n$/);
  });
});

describe('the report', () => {
  const checks = [check(), check({ layer: 'network', id: 'probe.net.meta', ok: false, actual: 'a|b `c` <d>', source: 'errno of a probe' })];
  const text = renderReport('acme', checks, result(checks));

  test('says when, where, and of which configuration', () => {
    for (const part of ['2026-11-21T10:00:00.000Z', 'vm, Linux 6.1.0', '`abc123`', '2, 1 failed, 0 waived']) expect(text).toContain(part);
  });

  test('has each fact, where it was read, and how to read it again', () => {
    expect(text).toContain('| ok | `user.uid` | worker site.abc | 7 7 7 7 | 7 7 7 7 | /proc/12/status Uid | `cat /proc/12/status` |');
    expect(text).toContain('`tenantctl verify acme`');
  });

  test('keeps its tables whole, whatever is in a cell', () => {
    expect(text).toContain("a\\|b 'c' &lt;d>");
  });

  test('names controls of three catalogues for every layer', () => {
    expect(Object.keys(controlsByLayer).sort()).toEqual([...isolationLayers].sort());
    for (const { nist, soc2, iso } of Object.values(controlsByLayer)) {
      for (const control of nist) expect(control).toMatch(/^[A-Z]{2}-\d+(?:\(\d+\))?$/);
      for (const control of soc2) expect(control).toMatch(/^(?:CC\d|A1)\.\d$/);
      for (const control of iso) expect(control).toMatch(/^A\.[5-8]\.\d+$/);
    }
    expect(text).toContain('NIST SP 800-53 rev. 5 AC-3');
    expect(text).toContain('SOC 2 CC6.1');
    expect(text).toContain('A.8.2');
  });
});
