import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAppName, isTenantName } from '../../../src/base/ids.ts';
import { parseManifestAnswer } from '../../../src/config/manifest-answer.ts';
import { runManifestJob } from '../../../src/job/manifest-job.ts';
import { maxJobOutputBytes } from '../../../src/protocol/job.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantd-job-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function addApp(name: string, appYaml: string): void {
  mkdirSync(join(dir, name));
  writeFileSync(join(dir, name, 'app.yaml'), appYaml);
}

describe('a manifest job', () => {
  test('answers for every app, the broken ones too', async () => {
    addApp('good', 'command: [./run]');
    addApp('bad', 'command: "');
    const { apps } = await runManifestJob(['good', 'bad', 'gone'], dir);
    expect(apps['good']).toMatchObject({ manifest: { kind: 'command' }, problems: [] });
    expect(apps['bad']).toMatchObject({ problems: [{ code: 'TENANTD_E_YAML', file: join(dir, 'bad', 'app.yaml'), line: 1 }] });
    expect(apps['gone']).toMatchObject({ problems: [{ code: 'TENANTD_E_FILE_UNREADABLE' }] });
  });

  test('fits into what it may print, however much 64 apps have to say', async () => {
    const names = Array.from({ length: 64 }, (_, i) => `app${i}`);
    const wordy = JSON.stringify({ command: ['x'.repeat(1_000)], env: { A: 'y'.repeat(4_000), B: 'z'.repeat(4_000) } });
    for (const name of names.slice(32)) addApp(name, wordy);
    for (const name of names.slice(0, 32)) addApp(name, Array.from({ length: 500 }, (_, i) => `${'k'.repeat(100)}${i}: 1\n`).join(''));
    const answer = await runManifestJob(names, dir);
    expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThan(maxJobOutputBytes);
    expect(answer.apps['app63']).toMatchObject({ manifest: { kind: 'command' } });
    expect(answer.apps['app0']?.problems.length).toBeGreaterThan(10);
  });

  test('gives what the daemon takes', async () => {
    addApp('site', 'command: [./run]\nroutes: [acme.example/]\nschedule: [{ name: a, cron: "* * * * *", path: / }]');
    const [tenant, app] = ['acme', 'site'];
    if (!isTenantName(tenant) || !isAppName(app)) throw new Error('unreachable');
    const answer: unknown = JSON.parse(JSON.stringify(await runManifestJob([app], dir)));
    const taken = parseManifestAnswer(answer, tenant, [app], () => 'app.yaml').get(app);
    expect(taken?.manifest).toMatchObject({ routes: [{ host: 'acme.example', path: '/' }] });
    expect(taken?.manifest?.schedule).toMatchObject([{ name: 'a', timeoutMs: 300_000 }]);
    expect(taken?.problems).toEqual([]);
  });
});
