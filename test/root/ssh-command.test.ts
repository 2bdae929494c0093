import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, readdirSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { repositoryPath, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';
import { makeToken, nobody, openFolder, smallTenant } from './token-support.ts';

describe('over SSH', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startTestDaemon({ tenants: { acme: smallTenant('acme'), globex: smallTenant('globex') } });
    openFolder(daemon);
    await daemon.untilApps(['acme/site', 'globex/site']);
  }, 120_000);
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  /** As sshd runs the command of an authorized_keys line: by the login's shell, with what was asked for in the environment. */
  async function ssh(asked: string | undefined, input: Buffer | string = ''): Promise<{ code: number; said: string; errors: string }> {
    const { token } = await makeToken(daemon, 'deployer', 'acme');
    const file = `${daemon.directory}/ssh.token`;
    writeFileSync(file, token, { mode: 0o640 });
    chownSync(file, 0, nobody.gid);
    const login = ['--reuid', `${nobody.uid}`, '--regid', `${nobody.gid}`, '--clear-groups', '--', '/bin/sh', '-c'];
    const command = `${process.execPath} ${repositoryPath('dist/tenantctl.js')} --config ${daemon.configFile} --token-file ${file} ssh-command`;
    const env = { NO_COLOR: '1', ...(asked !== undefined && { SSH_ORIGINAL_COMMAND: asked }) };
    const child = spawn('setpriv', [...login, command], { env, stdio: 'pipe' });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const [said, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close') as Promise<[number]>]);
    return { code, said, errors };
  }

  test('a deployer sees the tenant, deploys from standard input, and runs commands inside', async () => {
    expect(await ssh(undefined)).toMatchObject({
      code: 0,
      said: expect.stringContaining('acme'),
      errors: expect.stringContaining('ssh HOST help'),
    });
    expect((await ssh('status --json')).said).not.toContain('globex');
    const archive = spawnSync('tar', ['c', '-C', `${daemon.tenantsDir}/acme/apps/site`, './app.yaml', './server.js']).stdout;
    expect(await ssh('app deploy acme/site -', archive)).toMatchObject({ code: 0, said: expect.stringContaining('serves') });
    expect(await ssh("tenantctl exec acme/site -- sh -c 'echo $((6 * 7)); exit 5'")).toMatchObject({ code: 5, said: '42\n' });
  });

  test('and comes to nothing else of the machine', async () => {
    const marker = `${daemon.directory}/marker`;
    for (const asked of [
      `status; touch ${marker}`,
      `$(touch ${marker})`,
      `\`touch ${marker}\``,
      `status\ntouch ${marker}`,
      `status | tee ${marker}`,
      `status > ${marker}`,
      `exec acme -- sh -c "touch ${marker}"`,
    ])
      await ssh(asked);
    expect(readdirSync(daemon.directory)).not.toContain('marker');
    for (const asked of [
      'app deploy acme/site /etc',
      '--config /etc/passwd status',
      'domain add acme --from /etc/passwd',
      'check /etc',
      'reload',
      'app restart globex/site',
    ])
      expect(await ssh(asked)).toMatchObject({ code: 1, errors: expect.stringContaining('TENANTD_E_DENIED') });
  });
});
