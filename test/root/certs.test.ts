import { readFileSync, statSync } from 'node:fs';
import https from 'node:https';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CertCaResult, CertListResult } from '../../src/protocol/control.ts';
import { startTestDaemon, type TenantFiles, type TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { ask, probeTenant, processFacts } from './probe.ts';

const app: TenantFiles = {
  'apps/site/package.json': '{ "main": "server.js" }',
  'apps/site/server.js': `require('node:http').createServer((request, response) => response.end(request.headers['x-forwarded-proto'])).listen(3000);`,
};

describe('https without acme', () => {
  let daemon: TestDaemon;
  let ca: string;
  beforeAll(async () => {
    daemon = await startTestDaemon({
      https: true,
      tenants: { acme: { 'tenant.yaml': 'domains: [acme.test, "*.shops.acme.test"]\n', ...app }, prober: probeTenant('prober') },
    });
    await daemon.untilApps(['acme/site', 'prober/site']);
    ca = (await json<CertCaResult>('cert', 'ca')).certificate;
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  async function json<Result>(...args: string[]): Promise<Result> {
    const { code, stdout, stderr } = await daemon.ctl(...args, '--json');
    if (code !== 0) throw new Error(`${args.join(' ')}: ${stdout}${stderr}`);
    return JSON.parse(stdout) as Result;
  }

  const list = async (): Promise<CertListResult['names']> => (await json<CertListResult>('cert', 'list')).names;

  /** Trusting the local CA and nobody else. */
  function get(host: string): Promise<{ text: string; serial: string | undefined }> {
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: daemon.httpsPort, servername: host, headers: { host }, ca, agent: false };
      const sent = https.get(options, (response) => {
        const { socket } = response;
        const serial = 'getPeerX509Certificate' in socket ? (socket as import('node:tls').TLSSocket).getPeerX509Certificate()?.serialNumber : undefined;
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
        response.on('end', () => resolve({ text, serial }));
      });
      sent.on('error', reject);
    });
  }

  const answers = (host: string): Promise<boolean> => get(host).then(
    ({ text }) => text === 'https',
    () => false,
  );

  test('a tenant answers with a certificate of the local CA, for wildcards too', async () => {
    await until(() => answers('acme.test'), 'https answers');
    expect(await answers('one.shops.acme.test')).toBe(true);
    expect((await list()).map(({ name, state }) => [name, state])).toEqual([['*.shops.acme.test', 'issued'], ['acme.test', 'issued'], ['prober.test', 'issued']]);
  });
});
