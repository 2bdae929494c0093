import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { onTestFinished } from 'vitest';
import {
  clientFrames,
  createFrameReader,
  decodeCount,
  programFrames,
  type TerminalSettings,
  writeFrame,
} from '../../../src/protocol/terminal.ts';
import { until } from '../../support/until.ts';

const main = new URL('../../../src/terminal/main.ts', import.meta.url).pathname;

/** The terminal program with its connection, and no sandbox around it. */
export interface TerminalUnderTest {
  child: ChildProcess;
  connection: Duplex;
  home: string;
  /** What the program told so far. */
  told: { stdout: string; stdoutBytes: number; stderr: string; creditBytes: number; exit: number[] | undefined };
  send: (type: number, payload?: Buffer | string) => void;
  type: (text: string) => void;
  untilPrinted: (pattern: RegExp) => Promise<void>;
  /** Its own exit code. */
  exited: Promise<number | null>;
}

type Settings = Omit<TerminalSettings, 'directory' | 'prompt' | 'withSecrets'> & Partial<TerminalSettings>;

export function startTerminal(settings: Settings, { keep = true } = {}): TerminalUnderTest {
  const home = mkdtempSync(join(tmpdir(), 'terminal-'));
  const all: TerminalSettings = { directory: home, prompt: 'acme', withSecrets: false, ...settings };
  const child = spawn(process.execPath, [main, JSON.stringify(all)], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', HOME: join(home, 'home') },
    cwd: '/',
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
    rmSync(home, { recursive: true, force: true });
  });
  const connection = child.stdio[3] as Duplex;
  connection.on('error', () => {});
  const told: TerminalUnderTest['told'] = { stdout: '', stdoutBytes: 0, stderr: '', creditBytes: 0, exit: undefined };
  const read = createFrameReader((type, payload) => {
    if (type === programFrames.stdout) {
      told.stdoutBytes += payload.length;
      if (keep) told.stdout += payload.toString('latin1');
    } else if (type === programFrames.stderr) told.stderr += payload.toString();
    else if (type === programFrames.credit) told.creditBytes += decodeCount(payload);
    else if (type === programFrames.exit) told.exit = [...payload];
    else throw new Error(`a frame of type ${type}`);
  });
  connection.on('data', (chunk: Buffer) => {
    if (!read(chunk)) throw new Error('no frame');
  });
  const send = (type: number, payload: Buffer | string = ''): void =>
    void writeFrame(connection, type, Buffer.from(payload)).catch(() => {});
  return {
    ...{ child, connection, home, told, send },
    type: (text) => send(clientFrames.stdin, text),
    untilPrinted: (pattern) =>
      until(
        () => pattern.test(told.stdout),
        `${pattern} is printed`,
        10_000,
        async () => JSON.stringify(told),
      ),
    exited: once(child, 'exit').then(([code]) => code as number | null),
  };
}
