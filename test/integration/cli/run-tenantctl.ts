import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

const main = new URL('../../../src/cli/main.ts', import.meta.url).pathname;

export interface Finished {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  finished: Promise<Finished>;
  /** Resolves when stdout holds `text`; rejects when the process ends without. */
  untilPrinted: (text: string) => Promise<void>;
}

type Environment = Record<string, string>;

export function startTenantctl(args: readonly string[], env: Environment = {}): Running {
  return startProgram(process.execPath, [main, ...args], env);
}

export function runTenantctl(args: readonly string[], env: Environment = {}): Promise<Finished> {
  return startTenantctl(args, env).finished;
}

/** With pipes that are the test's. */
export function startWithInput(args: readonly string[]): { child: ChildProcessWithoutNullStreams; finished: Promise<number | null> } {
  const child = spawn(process.execPath, [main, ...args], { env: { PATH: process.env['PATH'] ?? '' }, stdio: 'pipe' });
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stdin.on('error', () => {});
  return { child, finished: once(child, 'exit').then(([code]) => code as number | null) };
}

/** In a terminal of 80 columns. */
export async function runInTerminal(args: readonly string[], env: Environment = {}): Promise<string> {
  const command = ['stty cols 80;', process.execPath, main, ...args].join(' ');
  const { stdout } = await startProgram('script', ['-qec', command, '/dev/null'], { TERM: 'xterm', ...env }).finished;
  return stdout;
}

export function startProgram(program: string, args: readonly string[], env: Environment = {}): Running {
  const child = spawn(program, args, { env: { PATH: process.env['PATH'] ?? '', ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const finished = once(child, 'close').then(([exitCode]) => ({ exitCode: exitCode as number | null, ...output }));
  return {
    child,
    finished,
    async untilPrinted(text) {
      while (!output.stdout.includes(text)) {
        const ended = await Promise.race([once(child.stdout, 'data').then(() => undefined), finished]);
        if (ended && !output.stdout.includes(text)) throw new Error(`it ended without printing ${text}: ${JSON.stringify(ended)}`);
      }
    },
  };
}
