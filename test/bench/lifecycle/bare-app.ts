import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from '../../support/client.ts';
import { freePort } from '../edge/programs.ts';
import type { SampleApp } from './sample-apps.ts';

export interface BareApp {
  pid: number;
  /** From its start to its first answer. */
  firstAnswerMs: number;
  stop(): Promise<void>;
}

const askEveryMs = 1;
const startLimitMs = 30_000;

/** As somebody would start it by hand, asked again and again until it answers. */
export async function startBareApp({ command, name }: SampleApp, folder: string): Promise<BareApp> {
  const port = await freePort();
  const [program = '', ...args] = command;
  const startedMs = performance.now();
  const child = spawn(program === 'node' ? process.execPath : program, args, {
    ...{ cwd: folder, stdio: 'ignore' },
    env: { PATH: process.env['PATH'] ?? '', PORT: String(port), NODE_ENV: 'production', LANG: 'C.UTF-8' },
  });
  const exited = once(child, 'exit');
  while (!(await answers(port))) {
    if (child.exitCode !== null || performance.now() - startedMs > startLimitMs) throw new Error(`${name} does not answer`);
    await delay(askEveryMs);
  }
  const firstAnswerMs = performance.now() - startedMs;
  return {
    ...{ pid: child.pid ?? 0, firstAnswerMs },
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await request(port, { host: 'bare.test' })).text === 'hello';
  } catch {
    return false; // it does not listen yet
  }
}
