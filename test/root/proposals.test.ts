import { mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProposalListResult, ProposalShowResult } from '../../src/protocol/proposal-calls.ts';
import type { ReleasesResult } from '../../src/protocol/release-calls.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { StubDns } from '../support/stub-dns.ts';
import { ctlAs, makeToken, openFolder } from './token-support.ts';

describe('what an agent proposes', () => {
  let daemon: TestDaemon;
  let dns: StubDns;
  let [agent, admin] = ['', ''];
  let proof = '';

  beforeAll(async () => {
    dns = await StubDns.start(({ name }) => (name === '_tenantd.proved.example' ? { answers: [{ type: 'TXT', value: proof }] } : {}));
    daemon = await startTestDaemon({
      https: true,
      config: `acme: { directories: ["https://127.0.0.1:9/"], challenges: [http-01], resolvers: ["127.0.0.1:${dns.port}"] }`,
      tenants: {
        acme: { 'tenant.yaml': '# kept\ndomains: [acme.test]\n', 'apps/site/index.html': 'one', 'apps/site/old.html': 'old' },
        globex: { 'tenant.yaml': 'domains: [globex.test]\n', 'apps/site/index.html': 'other' },
      },
    });
    openFolder(daemon);
    await daemon.untilApps(['acme/site', 'globex/site']);
    agent = (await makeToken(daemon, 'agent', 'acme')).token;
    admin = (await makeToken(daemon, 'admin', 'acme')).token;
  }, 120_000);
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    await dns?.close();
  });

  async function propose(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await ctlAs(daemon, agent, ...args, '--json');
    expect([code, stderr]).toEqual([0, expect.anything()]);
    return (JSON.parse(stdout) as { proposal: { id: string } }).proposal.id;
  }

  const json = async <Result>(...args: string[]): Promise<Result> => JSON.parse((await daemon.ctl(...args, '--json')).stdout) as Result;
  const stateOf = async (id: string): Promise<string | undefined> =>
    (await json<ProposalListResult>('proposal', 'list', 'acme')).proposals.find((proposal) => proposal.id === id)?.state;
  const releases = async () => (await json<ReleasesResult>('app', 'releases', 'acme/site')).releases;

  async function page(path: string): Promise<string> {
    const request = http.get({ port: daemon.port, path, headers: { host: 'acme.test' } });
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    request.on('response', resolve).on('error', reject);
    return text(await promise);
  }

  function folder(name: string, files: Record<string, string>): string {
    const path = `${daemon.directory}/${name}`;
    mkdirSync(path, { recursive: true });
    for (const [file, content] of Object.entries(files)) writeFileSync(`${path}/${file}`, content);
    return path;
  }

  test('changes nothing until an admin of its tenant approves it, and then once', async () => {
    const id = await propose('app', 'scale', 'acme/site', '2');
    expect(await json<ProposalShowResult>('proposal', 'show', id)).toMatchObject({
      change: { before: 'workers: auto', after: 'workers: 2' },
    });
    expect(await ctlAs(daemon, agent, 'approve', id)).toMatchObject({ code: 1, stderr: expect.stringContaining('TENANTD_E_DENIED') });
    const stranger = (await makeToken(daemon, 'admin', 'globex')).token;
    expect(await ctlAs(daemon, stranger, 'approve', id)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('TENANTD_E_NO_SUCH_PROPOSAL'),
    });
    const both = await Promise.all([ctlAs(daemon, admin, 'approve', id, '--json'), ctlAs(daemon, admin, 'approve', id, '--json')]);
    expect(both.filter(({ code }) => code === 0)).toHaveLength(1);
    const { stdout } = await daemon.ctl('audit', '--tenant', 'acme', '--json');
    expect(stdout.match(/token \w+ \(admin of acme\), proposed by token \w+ \(agent of acme\)/g)).toHaveLength(1);
  });

  test('is refused at once when it could not be done', async () => {
    for (const args of [
      ['app', 'scale', 'acme/none', '2'],
      ['app', 'rollback', 'acme/site'],
      ['domain', 'remove', 'acme', 'acme.test'],
      ['app', 'deploy', 'acme/none', folder('none', { 'index.html': '' })],
    ])
      expect(await ctlAs(daemon, agent, ...args)).toMatchObject({ code: 1 });
    expect(await ctlAs(daemon, agent, 'secret', 'remove', 'acme', 'KEY')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('TENANTD_E_DENIED'),
    });
  });

  test('to deploy is whole, compared, and not switched; a newer one takes its place', async () => {
    const first = await propose('app', 'deploy', 'acme/site', folder('first', { 'index.html': 'never' }));
    const second = await propose('app', 'deploy', 'acme/site', folder('second', { 'index.html': 'two', 'new.html': 'new' }));
    expect([await stateOf(first), await stateOf(second)]).toEqual(['replaced', 'open']);
    expect(await releases()).toMatchObject([
      { proposal: second, current: false },
      { release: 'local', current: true },
    ]);
    expect(await page('/')).toBe('one');
    const { change } = await json<ProposalShowResult>('proposal', 'show', second);
    expect(change?.files).toEqual({
      added: ['new.html'],
      changed: ['index.html'],
      removed: ['old.html'],
      counts: { added: 1, changed: 1, removed: 1 },
    });

    await daemon.kill();
    await daemon.start();
    await daemon.untilApps(['acme/site']);
    expect(await stateOf(second)).toBe('open');
    expect(await daemon.ctl('approve', second)).toMatchObject({ code: 0, stdout: expect.stringContaining('+ new.html') });
    expect([await page('/'), await page('/new.html')]).toEqual(['two', 'new']);
    const [current, previous] = await releases();
    expect([current, previous]).toMatchObject([{ current: true }, { release: 'local', previous: true }]);
    expect(current).not.toHaveProperty('proposal');
    expect(previous).not.toHaveProperty('failure');
    expect(await daemon.ctl('app', 'rollback', 'acme/site')).toMatchObject({ code: 0 });
    expect(await page('/')).toBe('one');
  });

  test('to deploy is gone when it is denied, and other deploys leave it alone', async () => {
    const before = (await releases()).length;
    const id = await propose('app', 'deploy', 'acme/site', folder('third', { 'index.html': 'three' }));
    expect(await daemon.ctl('app', 'deploy', 'acme/site', folder('fourth', { 'index.html': 'four' }))).toMatchObject({ code: 0 });
    expect((await releases()).filter(({ proposal }) => proposal === id)).toHaveLength(1);
    expect(await ctlAs(daemon, admin, 'deny', id, '--reason', 'not today')).toMatchObject({ code: 0 });
    expect(await releases()).toHaveLength(before + 1);
    expect(await page('/')).toBe('four');
    expect((await ctlAs(daemon, agent, 'proposal', 'list')).stdout).toContain('not today');
    expect(await daemon.ctl('approve', id)).toMatchObject({ code: 1, stderr: expect.stringContaining('TENANTD_E_NO_SUCH_PROPOSAL') });
  });

  test('of domains is proved by whoever approves it: an admin by the DNS, the operator by its word', async () => {
    const id = await propose('domain', 'add', 'acme', 'proved.example');
    const refused = await ctlAs(daemon, admin, 'domain', 'add', 'acme', 'proved.example');
    proof = /TXT "(tenantd=[0-9a-f]+)"/.exec(refused.stderr)?.[1] ?? '';
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('_tenantd.proved.example TXT') });
    expect(await ctlAs(daemon, admin, 'approve', id, '--yes')).toMatchObject({ code: 0 });
    expect((await daemon.tenant('acme')).domains).toContain('proved.example');
    const other = await propose('domain', 'add', 'acme', 'unproved.example');
    expect(await ctlAs(daemon, admin, 'approve', other, '--yes')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('TENANTD_E_DOMAIN_PROOF'),
    });
    expect(await stateOf(other)).toBe('failed');
    const third = await propose('domain', 'add', 'acme', 'x.globex.test');
    expect(await daemon.ctl('approve', third)).toMatchObject({ code: 0 });
    expect((await daemon.tenant('acme')).domains).toEqual(expect.arrayContaining(['x.globex.test']));
  });
});
