import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { sessionFrames, writeFrame } from '../../../src/protocol/terminal.ts';
import { type ClientTerminal, openClientTerminal } from '../../support/client-terminal.ts';
import { until } from '../../support/until.ts';
import type { ControlPeer } from './control-peer.ts';
import { endFrame, startSessionPeer } from './session-peer.ts';

const main = new URL('../../../src/cli/main.ts', import.meta.url).pathname;
/** In a terminal, between two looks at its modes. */
function openShell({ configFile }: ControlPeer, args: string[] = ['shell', 'acme/site']): ClientTerminal {
  const command = [process.execPath, main, '--config', configFile, ...args].join(' ');
  return openClientTerminal('/bin/sh', ['-c', `stty -g; ${command}; echo "code $?"; stty -g`], { columns: 90, rows: 30 });
}

/** Of the terminal, before and afterwards. */
async function modes(terminal: ClientTerminal): Promise<[string | undefined, string | undefined]> {
  await terminal.exited;
  const all = terminal.screen().match(/^[0-9a-f]+(?::[0-9a-f]+){20,}/gm) ?? [];
  return [all[0], all[1]];
}

describe('tenantctl shell in a terminal', () => {
  test('gives the shell a terminal of the same size, follows it, and ends with its code', async () => {
    const peer = await startSessionPeer();
    using terminal = openShell(peer);
    await terminal.untilSeen(/[$#] $/);
    terminal.type('stty size; echo "[$TERM]"\r');
    await terminal.untilSeen(/30 90\r\n\[xterm-256color\]\r\n/);
    terminal.resize(101, 41);
    terminal.type('until stty size | grep "41 101"; do :; done\r');
    await terminal.untilSeen(/[\r\n]41 101\r\n/);
    terminal.type('exit 7\r');
    await terminal.untilSeen(/code 7\r\n/);
    const [before, after] = await modes(terminal);
    expect(before).toBeDefined();
    expect(after).toBe(before);
    const { params } = peer.calls[0] ?? {};
    expect(params).toEqual({ tenant: 'acme', app: 'site', tty: { columns: 90, rows: 30, term: 'xterm-256color' } });
  });

  test('shows what is printed as it is, without carriage returns of its own', async () => {
    using terminal = openShell(await startSessionPeer());
    await terminal.untilSeen(/[$#] $/);
    terminal.type('stty -opost; printf "one\\ntwo\\n"; stty opost; exit\r');
    await terminal.untilSeen(/code 0/);
    expect(terminal.screen()).toContain('one\ntwo\n');
  });

  test('sends Ctrl-C to what runs there', async () => {
    using terminal = openShell(await startSessionPeer());
    await terminal.untilSeen(/[$#] $/);
    // One process group from before the text: bash itself, between two commands, would lose the signal.
    terminal.type(`sh -c 'echo beg""un; sleep 100'\r`);
    await terminal.untilSeen(/[\r\n]begun\r\n/);
    terminal.type('\x03');
    await terminal.untilSeen(/[$#] $/);
    terminal.type('exit\r');
    await terminal.untilSeen(/code 130/);
    expect((await terminal.exited).exitCode).toBe(0);
  });

  test('leaves a session that hangs by Enter ~ .', async () => {
    const peer = await startSessionPeer(() => {});
    using terminal = openShell(peer);
    await until(() => peer.calls.length > 0, 'the session is there');
    await until(() => isRaw(terminal), 'the terminal is raw');
    terminal.type('\x03\r~.');
    await terminal.untilSeen(/code 129/);
    await peer.clientGone;
    const [before, after] = await modes(terminal);
    expect(after).toBe(before);
  });

  test.each(['SIGTERM', 'SIGHUP', 'SIGINT'] as const)('puts the terminal right when it is ended by %s', async (signal) => {
    const peer = await startSessionPeer();
    using terminal = openShell(peer);
    await terminal.untilSeen(/[$#] $/);
    process.kill(clientOf(terminal), signal);
    await terminal.untilSeen(/code 1(29|30|43)/);
    const [before, after] = await modes(terminal);
    expect(after).toBe(before);
    await peer.clientGone;
  });

  test('puts the terminal right, whatever a program left on, when the daemon goes away', async () => {
    using terminal = openShell(
      await startSessionPeer((client) => {
        const said = Buffer.from('\x1b[?1049h\x1b[?25l');
        void writeFrame(client, sessionFrames.output, Buffer.concat([Buffer.from([17, 0, 0, 0, said.length]), said])).then(() =>
          client.destroy(),
        );
      }),
    );
    await terminal.untilSeen(/code 3/);
    expect(terminal.screen()).toContain('\x1b[?1047l');
    expect(terminal.screen()).toContain('\x1b[?25h');
    expect(terminal.screen()).toContain('TENANTD_E_UNREACHABLE');
    const [before, after] = await modes(terminal);
    expect(after).toBe(before);
  });

  test('says why the daemon ended it', async () => {
    const error = { code: 'TENANTD_E_SESSION_ENDED', message: 'the session was ended: acme is stopped', fix: 'see' } as const;
    using terminal = openShell(
      await startSessionPeer((client) => {
        void writeFrame(client, sessionFrames.end, endFrame({ error }));
        client.end();
      }),
    );
    await terminal.untilSeen(/acme is stopped \(TENANTD_E_SESSION_ENDED\)\r\n[^]*code 1\r\n/);
    expect((await terminal.exited).exitCode).toBe(0);
  });

  test('gives a command a terminal, and none with --no-tty', async () => {
    const peer = await startSessionPeer();
    using withTty = openShell(peer, ['exec', 'acme', '--', 'tty']);
    await withTty.untilSeen(/\/dev\/pts\/\d+\r\ncode 0/);
    using without = openShell(peer, ['exec', '--no-tty', 'acme', '--', 'tty']);
    await without.untilSeen(/not a tty\r\ncode 1/);
    expect(peer.calls.map(({ params }) => 'tty' in (params as object))).toEqual([true, false]);
  });
});

/** tenantctl itself: it is the shell's only child. */
function clientOf({ pid }: ClientTerminal): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0]);
}

function isRaw({ pid }: ClientTerminal): boolean {
  return execFileSync('stty', ['-F', readlinkSync(`/proc/${pid}/fd/0`), '-a'], { encoding: 'utf8' }).includes('-icanon');
}
