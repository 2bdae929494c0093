import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { onTestFinished } from 'vitest';
import { Upgrade } from '../../../src/protocol/channel.ts';
import { sessionFrames, type SessionEnd, type TerminalSettings, writeBytes, writeFrame } from '../../../src/protocol/terminal.ts';
import { type ControlPeer, startControlPeer, temporaryFolder } from './control-peer.ts';

const terminal = new URL('../../../src/terminal/main.ts', import.meta.url).pathname;

/** What a daemon does once a session's connection is its own. */
type Play = (client: Duplex, params: TerminalSettings) => void;

export function endFrame(end: Partial<SessionEnd>): Buffer {
  return Buffer.from(JSON.stringify({ exitCode: 0, outOfMemory: false, ...end }));
}

/** A daemon that runs sessions without a sandbox; or that does what `play` says. */
export function startSessionPeer(play: Play = runTerminal): Promise<ControlPeer> {
  const open = (params: unknown): Upgrade => new Upgrade({ session: 'abc' }, (client) => play(client, params as TerminalSettings));
  return startControlPeer({ shell: open, exec: open });
}

function runTerminal(client: Duplex, { command, tty }: TerminalSettings): void {
  const home = temporaryFolder();
  const settings: TerminalSettings = {
    directory: home,
    prompt: 'acme',
    withSecrets: false,
    ...(command && { command }),
    ...(tty && { tty }),
  };
  const child = spawn(process.execPath, [terminal, JSON.stringify(settings)], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', HOME: home },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const program = child.stdio[3] as Duplex;
  program.on('error', () => {});
  client.pipe(program);
  client.on('close', () => program.destroy());
  void passOn();

  async function passOn(): Promise<void> {
    const exited = once(child, 'exit') as Promise<[number]>;
    try {
      for await (const chunk of program) await writeBytes(client, sessionFrames.output, chunk as Buffer);
      const [exitCode] = await exited;
      await writeFrame(client, sessionFrames.end, endFrame({ exitCode }));
    } catch {
      // The client has left.
    }
    client.end();
  }
}
