import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type ControlPeer, startControlPeer } from './control-peer.ts';

const main = new URL('../../../src/cli/main.ts', import.meta.url).pathname;
let peer: ControlPeer;

beforeEach(async () => {
  const changed = { apps: ['site'], waited: true };
  peer = await startControlPeer({
    'secret-set': () => changed,
    'secret-remove': () => changed,
    'machine-key-rotate': () => ({ tenants: 2 }),
  });
});

async function tenantctl(args: readonly string[], input: string | Uint8Array = '') {
  const child = spawn(process.execPath, [main, '--config', peer.configFile, ...args], { env: {}, stdio: 'pipe' });
  onTestFinished(() => void child.kill('SIGKILL'));
  // One that refuses its arguments does not read.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [stdout, stderr, [exitCode]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { exitCode: exitCode as number, stdout, stderr };
}

describe('tenantctl secret set', () => {
  test.each([
    ['a line', 'value\n', [], 'value'],
    ['a line of Windows', 'value\r\n', [], 'value'],
    ['no newline', 'value', [], 'value'],
    ['only the last of many newlines is left out', 'a\nb\n\n', [], 'a\nb\n'],
    ['a newline that is kept', 'value\n', ['--keep-newline'], 'value\n'],
    ['a byte order mark, which is kept', '\ufeffvalue', [], '\ufeffvalue'],
  ])('takes its standard input: %s', async (_, input, flags, value) => {
    const { exitCode, stdout } = await tenantctl(['secret', 'set', 'acme/site', 'API_KEY', ...flags], input);
    expect([exitCode, stdout]).toEqual([0, 'acme/site: API_KEY is set; new workers of site serve with it\n']);
    expect(peer.calls).toEqual([{ method: 'secret-set', params: { tenant: 'acme', app: 'site', name: 'API_KEY', wait: true, value } }]);
  });

  test('prints one JSON document, without the value, and does not wait when it is told so', async () => {
    const { stdout, stderr } = await tenantctl(['secret', 'set', 'acme', 'API_KEY', '--json', '--no-wait'], 'the-value\n');
    expect([JSON.parse(stdout), stderr]).toEqual([{ tenant: 'acme', name: 'API_KEY', apps: ['site'], waited: true }, '']);
    expect(peer.calls).toMatchObject([{ params: { tenant: 'acme', wait: false } }]);
  });

  test.each([
    ['nothing', '', 'is empty'],
    ['a newline alone', '\n', 'is empty'],
    ['bytes that are no text', Buffer.of(0xff, 0xfe), 'is not UTF-8 text'],
    ['a zero byte', 'a\0b', 'zero character'],
    ['more than 64 KiB', 'x'.repeat(65_537), 'at most 64 KiB'],
  ])('refuses %s without a word to the daemon', async (_, input, message) => {
    const { exitCode, stderr } = await tenantctl(['secret', 'set', 'acme', 'API_KEY'], input);
    expect([exitCode, peer.calls]).toEqual([1, []]);
    expect(stderr).toContain(message);
    expect(stderr).toContain('TENANTD_E_INVALID_VALUE');
  });

  test.each(['PATH', 'NODE_OPTIONS', 'LD_PRELOAD', 'TENANTD_APP', 'A-B', '1A'])('refuses the name %s before it reads', async (name) => {
    const { exitCode, stderr } = await tenantctl(['secret', 'set', 'acme', name], 'value');
    expect([exitCode, peer.calls]).toEqual([1, []]);
    expect(stderr).toContain(name);
  });

  test('has no place for a value among its arguments', async () => {
    const { exitCode, stderr } = await tenantctl(['secret', 'set', 'acme', 'API_KEY', 'the-value'], '');
    expect([exitCode, peer.calls]).toEqual([2, []]);
    expect(stderr).not.toContain('the-value');
  });
});

describe('tenantctl secret set on a terminal', () => {
  /** script(1) gives it a terminal, and passes on what is typed. */
  async function type(keys: readonly string[]): Promise<{ shown: string; exitCode: number | null }> {
    const command = [process.execPath, main, '--config', peer.configFile, 'secret', 'set', 'acme', 'API_KEY'].join(' ');
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { PATH: process.env['PATH'] ?? '', TERM: 'xterm' },
      stdio: 'pipe',
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let shown = '';
    const prompts = ['(not shown): ', 'Again: '];
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      shown += part;
      if (prompts[0] !== undefined && shown.includes(prompts[0])) {
        prompts.shift();
        child.stdin.write(keys[1 - prompts.length] ?? '');
      }
    });
    const [exitCode] = await once(child, 'close');
    return { shown, exitCode: exitCode as number | null };
  }

  test('asks twice, and shows nothing of it', async () => {
    const { shown, exitCode } = await type(['typed-value\r', 'typed-value\r']);
    expect(shown.replaceAll('\r', '')).toBe(
      'Value of API_KEY (not shown): \nAgain: \nacme: API_KEY is set; new workers of site serve with it\n',
    );
    expect([exitCode, peer.calls]).toMatchObject([0, [{ params: { value: 'typed-value' } }]]);
  });

  test('refuses two that differ', async () => {
    const { shown, exitCode } = await type(['one\r', 'other\r']);
    expect(shown).toContain('the two values differ');
    expect([exitCode, peer.calls]).toEqual([2, []]);
  });

  test('ends by Ctrl-C as a shell expects it', async () => {
    const { exitCode } = await type(['one\u0003']);
    expect([exitCode, peer.calls]).toEqual([130, []]);
  });
});

test('tenantctl secret remove names the secret', async () => {
  const { stdout } = await tenantctl(['secret', 'remove', 'acme', 'API_KEY']);
  expect(stdout).toBe('acme: API_KEY is removed; new workers of site serve without it\n');
  expect(peer.calls).toEqual([{ method: 'secret-remove', params: { tenant: 'acme', name: 'API_KEY', wait: true } }]);
});

test('tenantctl secret rotate --machine-key is for no one tenant', async () => {
  expect((await tenantctl(['secret', 'rotate', '--machine-key'])).stdout).toBe('a new machine key, for the keys of 2 tenants\n');
  expect((await tenantctl(['secret', 'rotate', 'acme', '--machine-key'])).exitCode).toBe(2);
  expect(peer.calls.length).toBe(1);
});
