import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { TenantdError } from '../../../src/base/errors.ts';
import type { LogLinesEvent, LogsResult } from '../../../src/protocol/control.ts';
import { startControlPeer } from './control-peer.ts';
import { runTenantctl, startProgram, startTenantctl } from './run-tenantctl.ts';

const time = '2026-01-01T12:00:00.000Z';
const lineOf = (line: string, at = 0) => ({ time, position: at + 1, app: 'site', worker: 'site.a1b2c3', line });
const resultOf = (...lines: string[]): LogsResult => ({
  lines: lines.map(lineOf),
  dropped: 0,
  positions: { site: lines.length },
  more: false,
});
const eventOf = (...lines: string[]): LogLinesEvent => ({ lines: lines.map((line) => lineOf(line)), dropped: 0, positions: { site: 9 } });
const shown = (line: string): string => `${time} site/a1b2c3 ${line}\n`;

describe('logs', () => {
  test('shows time, worker and line', async () => {
    const { configFile, calls } = await startControlPeer({ logs: () => resultOf('one', 'two') });
    const { exitCode, stdout, stderr } = await runTenantctl(['logs', 'acme/site', '-n', '2', '--config', configFile]);
    expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: shown('one') + shown('two'), stderr: '' });
    expect(calls).toEqual([{ method: 'logs', params: { tenant: 'acme', app: 'site', lines: 2, follow: false } }]);
  });

  test('of all apps asks for the last 100 lines', async () => {
    const { configFile, calls } = await startControlPeer({ logs: () => resultOf() });
    expect(await runTenantctl(['logs', 'acme', '--config', configFile])).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    expect(calls[0]?.params).toEqual({ tenant: 'acme', lines: 100, follow: false });
  });

  test('obeys nothing that an app printed', async () => {
    const { configFile } = await startControlPeer({ logs: () => resultOf('\u001b[2J\u001b[31mred\u001b[0m\rforged', '\u009b31m') });
    const { stdout } = await runTenantctl(['logs', 'acme', '--config', configFile]);
    expect(stdout).toBe(shown('red\\x0dforged') + shown(''));
  });

  test('--since asks for all of it, page by page, up to now', async () => {
    const pages = [
      { ...resultOf('one'), positions: { site: 1 }, more: true },
      { ...resultOf('two'), positions: { site: 2 }, more: true, dropped: 3 },
      { ...resultOf('three'), positions: { site: 3 } },
    ];
    const { configFile, calls } = await startControlPeer({ logs: () => pages.shift() });
    const { stdout } = await runTenantctl(['logs', 'acme', '--json', '--since', '1h', '--config', configFile]);
    expect(JSON.parse(stdout)).toEqual({ lines: ['one', 'two', 'three'].map((text) => lineOf(text)), dropped: 3 });
    const asked = calls.map(({ params }) => params as { since: string; until?: string; after?: object });
    expect(asked.map(({ after }) => after)).toEqual([undefined, { site: 1 }, { site: 2 }]);
    expect(asked[0]).toEqual({ tenant: 'acme', since: asked[0]?.since, follow: false });
    expect(Date.parse(asked[1]?.until ?? '') - Date.parse(asked[0]?.since ?? '')).toBeGreaterThanOrEqual(3_600_000);
  });

  test('-n is a limit over all pages', async () => {
    const pages = [
      { ...resultOf('one'), positions: { site: 1 }, more: true },
      { ...resultOf('two', 'three'), positions: { site: 3 }, more: true },
    ];
    const { configFile } = await startControlPeer({ logs: () => pages.shift() });
    expect((await runTenantctl(['logs', 'acme', '-n', '2', '--config', configFile])).stdout).toBe(shown('one') + shown('two'));
  });

  test('with --json is one document, as it was printed', async () => {
    const result = resultOf('\u001b[31mred');
    const { configFile } = await startControlPeer({ logs: () => result });
    const { stdout } = await runTenantctl(['logs', 'acme', '--json', '--config', configFile]);
    expect(JSON.parse(stdout)).toEqual({ lines: result.lines, dropped: 0 });
  });
});

describe('logs -f', () => {
  /** Answers, with new lines in the same packet, and hands out what sends more. */
  async function startFollowedPeer() {
    const sender = Promise.withResolvers<{ send: (event: LogLinesEvent) => void; close: () => void }>();
    const peer = await startControlPeer({
      logs: (_params, channel) => {
        sender.resolve({ send: (event) => channel.notify('log-lines', event), close: () => channel.close() });
        queueMicrotask(() => queueMicrotask(() => channel.notify('log-lines', eventOf('at once'))));
        return resultOf('old');
      },
    });
    return { ...peer, sender: sender.promise };
  }

  test('goes on with new lines, and ends well on Ctrl-C', async () => {
    const { configFile, sender, calls, clientGone } = await startFollowedPeer();
    const tenantctl = startTenantctl(['logs', '-f', 'acme', '-n', '5', '--config', configFile]);
    const { send } = await sender;
    await tenantctl.untilPrinted('at once');
    send(eventOf('later', 'and later'));
    await tenantctl.untilPrinted('and later');
    tenantctl.child.kill('SIGINT');
    const { exitCode, stdout, stderr } = await tenantctl.finished;
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toBe(['old', 'at once', 'later', 'and later'].map(shown).join(''));
    expect(calls[0]?.params).toEqual({ tenant: 'acme', lines: 5, follow: true });
    await clientGone;
  });

  test('with --json prints one object a line', async () => {
    const { configFile, sender } = await startFollowedPeer();
    const tenantctl = startTenantctl(['logs', '-f', '--json', 'acme', '--config', configFile]);
    await tenantctl.untilPrinted('at once');
    (await sender).send({ ...eventOf('later'), dropped: 7 });
    await tenantctl.untilPrinted('dropped');
    tenantctl.child.kill('SIGTERM');
    const { exitCode, stdout } = await tenantctl.finished;
    expect(exitCode).toBe(0);
    const objects = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(objects).toEqual([lineOf('old'), lineOf('at once'), lineOf('later'), { dropped: 7 }]);
  });

  test('tells on stderr how many lines were left out', async () => {
    const { configFile, sender } = await startFollowedPeer();
    const tenantctl = startTenantctl(['logs', '-f', 'acme', '--config', configFile]);
    (await sender).send({ ...eventOf('later'), dropped: 7 });
    await tenantctl.untilPrinted('later');
    tenantctl.child.kill('SIGINT');
    expect((await tenantctl.finished).stderr).toContain('7 lines left out');
  });

  test('goes on from where it was when the daemon is back, and says so', async () => {
    const senders: { send: (event: LogLinesEvent) => void; close: () => void }[] = [];
    const { configFile, calls } = await startControlPeer({
      logs: (_params, channel) => {
        senders.push({ send: (event) => channel.notify('log-lines', event), close: () => channel.close() });
        return senders.length === 1 ? resultOf('old') : { ...resultOf('missed'), dropped: 2 };
      },
    });
    const tenantctl = startTenantctl(['logs', '-f', 'acme/site', '--since', '2026-11-21T00:00Z', '--config', configFile]);
    await tenantctl.untilPrinted('old');
    senders[0]?.send({ ...eventOf('told'), positions: { site: 7 } });
    await tenantctl.untilPrinted('told');
    senders[0]?.close();
    await tenantctl.untilPrinted('missed');
    tenantctl.child.kill('SIGINT');
    const { exitCode, stdout, stderr } = await tenantctl.finished;
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: ['old', 'told', 'missed'].map(shown).join('') });
    expect(stderr.split('\n')).toEqual([
      'tenantctl: the connection to the daemon is lost; this goes on when it is back',
      'tenantctl: the daemon is back',
      'tenantctl: 2 lines left out: they came faster than they were read',
      '',
    ]);
    expect(calls.map(({ params }) => params)).toEqual([
      { tenant: 'acme', app: 'site', since: '2026-11-21T00:00:00.000Z', follow: true },
      { tenant: 'acme', app: 'site', after: { site: 7 }, follow: true },
    ]);
  });

  test('ends when it may not go on', async () => {
    let asked = 0;
    const { configFile } = await startControlPeer({
      logs: (_params, channel) => {
        if (asked++ > 0) throw new TenantdError('TENANTD_E_DENIED', 'the token was revoked', 'ask for another');
        setImmediate(() => channel.close());
        return resultOf('old');
      },
    });
    const { exitCode, stderr } = await runTenantctl(['logs', '-f', 'acme', '--config', configFile]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('TENANTD_E_DENIED');
  });

  test('exits with 3 when the daemon is not there to begin with, and with 2 when it is to have an end', async () => {
    const { configFile } = await startControlPeer({ logs: (_params, channel) => channel.close() });
    expect((await runTenantctl(['logs', '-f', 'acme', '--config', configFile])).exitCode).toBe(3);
    expect((await runTenantctl(['logs', '-f', 'acme', '--until', 'today', '--config', configFile])).exitCode).toBe(2);
  });

  test('ends quietly when its reader has seen enough', async () => {
    const { configFile, sender, clientGone } = await startFollowedPeer();
    const tenantctl = startTenantctl(['logs', '-f', 'acme', '--config', configFile]);
    await tenantctl.untilPrinted('at once');
    tenantctl.child.stdout?.destroy();
    const { send } = await sender;
    const flood = setInterval(() => send(eventOf('x'.repeat(1_000))), 5);
    const [exitCode] = (await once(tenantctl.child, 'exit')) as [number | null];
    clearInterval(flood);
    expect(exitCode).toBe(0);
    expect((await tenantctl.finished).stderr).toBe('');
    await clientGone;
  });
});

describe('logs --access', () => {
  const entry = {
    ...{ time, client: '203.0.113.9', method: 'GET', host: 'acme.example', path: '/path', status: 200, bytesIn: 0, bytesOut: 12, ms: 1.5 },
    ...{ appMs: 1.2, requestId: 'a1', app: 'site', release: 'local', protocol: 'HTTP/1.1', outcome: 'ok' },
  };
  const shownEntry = '2026-01-01 12:00:00.000Z  200  GET acme.example/path  1.5 ms (app 1.2)  12 B  203.0.113.9\n';

  test('shows requests', async () => {
    const { configFile, calls } = await startControlPeer({ 'access-logs': () => ({ lines: [entry] }) });
    const { exitCode, stdout, stderr } = await runTenantctl(['logs', '--access', 'acme/site', '-n', '2', '--config', configFile]);
    expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: shownEntry, stderr: '' });
    expect(calls).toEqual([{ method: 'access-logs', params: { tenant: 'acme', app: 'site', lines: 2, follow: false } }]);
  });

  test('with --json is one document', async () => {
    const result = { lines: [entry, { time, dropped: 3 }] };
    const { configFile } = await startControlPeer({ 'access-logs': () => result });
    const { stdout } = await runTenantctl(['logs', '--access', 'acme', '--json', '--config', configFile]);
    expect(JSON.parse(stdout)).toEqual({ ...result, dropped: 0 });
  });

  test('--since goes on from the last time, and tells nothing twice', async () => {
    const at = (ms: number, requestId: string) => ({ ...entry, time: new Date(Date.parse(time) + ms).toISOString(), requestId });
    const pages = [[at(0, 'a'), at(9_000, 'b')], [at(8_000, 'c'), at(9_000, 'b')], [at(9_000, 'b')], [at(9_000, 'b')]];
    const { configFile, calls } = await startControlPeer({ 'access-logs': () => ({ lines: pages.shift() }) });
    const { stdout } = await runTenantctl(['logs', '--access', '--json', 'acme', '--since', time, '--config', configFile]);
    expect((JSON.parse(stdout) as { lines: { requestId: string }[] }).lines.map(({ requestId }) => requestId)).toEqual(['a', 'b', 'c']);
    const since = calls.map(({ params }) => (Date.parse((params as { since: string }).since) - Date.parse(time)) / 1_000);
    expect(since).toEqual([0, 7, 7, 9]);
  });

  test('goes on when the daemon is back, and tells nothing twice', async () => {
    let asked = 0;
    const { configFile, calls } = await startControlPeer({
      'access-logs': (_params, channel) => {
        if (asked++ === 0) setImmediate(() => channel.close());
        return { lines: asked === 1 ? [entry] : [entry, { ...entry, requestId: 'b2' }] };
      },
    });
    const tenantctl = startTenantctl(['logs', '--access', '-f', '--json', 'acme', '--config', configFile]);
    await tenantctl.untilPrinted('b2');
    tenantctl.child.kill('SIGINT');
    expect((await tenantctl.finished).stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(calls[1]?.params).toEqual({ tenant: 'acme', since: '2026-01-01T11:59:55.000Z', follow: true });
  });

  test('follows, as objects or as text', async () => {
    const handlers = {
      'access-logs': (_params: unknown, channel: { notify: (method: string, params: unknown) => void }) => {
        queueMicrotask(() => queueMicrotask(() => channel.notify('access-lines', { lines: [{ ...entry, requestId: 'b2' }], dropped: 7 })));
        return { lines: [entry] };
      },
    };
    const { configFile } = await startControlPeer(handlers);
    const json = startTenantctl(['logs', '--access', '-f', '--json', 'acme', '--config', configFile]);
    const text = startTenantctl(['logs', '--access', '-f', 'acme', '--config', configFile]);
    await Promise.all([json.untilPrinted('"dropped":7'), text.untilPrinted(shownEntry + shownEntry)]);
    json.child.kill('SIGINT');
    text.child.kill('SIGINT');
    const printed = (await json.finished).stdout.trimEnd().split('\n');
    expect(printed.map((line) => JSON.parse(line) as unknown)).toEqual([entry, { ...entry, requestId: 'b2' }, { dropped: 7 }]);
    expect((await text.finished).stderr).toContain('7 lines left out');
  });
});

test('a long log into head ends quietly', async () => {
  const { configFile } = await startControlPeer({ logs: () => resultOf(...Array.from({ length: 5_000 }, () => 'x'.repeat(100))) });
  const main = new URL('../../../src/cli/main.ts', import.meta.url).pathname;
  const command = `set -o pipefail; "${process.execPath}" "${main}" logs acme -n 5000 --config "${configFile}" | head -n 1`;
  const { exitCode, stdout, stderr } = await startProgram('bash', ['-c', command]).finished;
  expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: shown('x'.repeat(100)), stderr: '' });
});
