import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { auditOf, type Breakable, memberProcsOf, startBreakable } from './broken-layers.ts';

const run = promisify(execFile);

describe('isolation that is not as promised any more', () => {
  let alpha: Breakable;
  beforeAll(async () => {
    alpha = await startBreakable();
  });
  afterAll(() => alpha?.daemon[Symbol.asyncDispose]());
  afterEach(async () => {
    await alpha.endStarted();
    await alpha.untilMended();
  });

  test('a drift is a problem of its tenant and in the audit trail, once, until it is over', async () => {
    const since = auditOf(alpha.daemon).length;
    const pid = await alpha.start('/usr/bin/sleep', '600');
    for (const file of memberProcsOf(await alpha.worker())) writeFileSync(file, String(pid));
    await alpha.failures();
    const shown = await alpha.daemon.tenant('alpha');
    expect(shown.problems).toEqual([
      expect.objectContaining({ code: 'TENANTD_E_DRIFT', message: expect.stringContaining(`pid ${pid}, sleep`) }),
    ]);
    expect((await alpha.daemon.tenant('beta')).problems).toEqual([]);
    await alpha.failures();
    await alpha.endStarted();
    await until(async () => (await alpha.daemon.tenant('alpha')).problems.length === 0, 'the problem is gone by itself', 20_000);
    const records = auditOf(alpha.daemon).slice(since);
    expect(records.map(({ tenant, actor, action }) => [tenant, actor, action])).toEqual([
      ['alpha', 'tenantd', 'drift'],
      ['alpha', 'tenantd', 'drift-end'],
    ]);
    expect(records[0]?.before).toContain('processes.strangers');
    expect(records[0]?.after).toContain(`pid ${pid}`);
  });

  test('a daemon that is killed and comes back finds what was broken meanwhile, by itself', async () => {
    const pid = await alpha.worker();
    await alpha.daemon.kill();
    await run('nsenter', [`--mount=/proc/${pid}/ns/mnt`, 'mount', '-t', 'tmpfs', 'none', '/tmp']);
    await alpha.daemon.start();
    await alpha.untilReplaced(pid);
    expect(auditOf(alpha.daemon).at(-1)).toMatchObject({ tenant: 'alpha' });
  });

  test('what people read says which, where and what was expected', async () => {
    const pid = await alpha.start('/usr/bin/sleep', '600');
    for (const file of memberProcsOf(await alpha.worker())) writeFileSync(file, String(pid));
    const { stdout, code } = await alpha.daemon.ctl('verify', 'alpha', '--passive');
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^alpha {2}1 FAILED {2}\d+ checks, 3 sandboxes\n {2}processes\.strangers\n {6}expected none\n {6}found {4}pid \d+, sleep/,
    );
    expect(stdout).toMatch(/\n1 of \d+ checks failed\n$/);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});
