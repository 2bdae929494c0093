import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const heartbeat = join(import.meta.dirname, '../../../src/worker/heartbeat.ts');
let dir: string;
let fifo: number;
let child: ChildProcess | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantd-beat-'));
  execFileSync('mkfifo', [join(dir, 'report')]);
  fifo = openSync(join(dir, 'report'), constants.O_RDWR | constants.O_NONBLOCK);
});

afterEach(async () => {
  if (child && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  closeSync(fifo);
  rmSync(dir, { recursive: true });
});

/** A process of its own, with the FIFO as descriptor 4, that beats and runs `script`. */
function run(script: string, options = '{ fd: 4, withLoad: false, everyMs: 5 }'): ChildProcess {
  const code = `import { startHeartbeat } from ${JSON.stringify(heartbeat)}; import fs from 'node:fs'; startHeartbeat(${options}); ${script}`;
  const writer = openSync(join(dir, 'report'), constants.O_RDWR);
  child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'inherit', 'ignore', writer] });
  closeSync(writer);
  return child;
}

async function printed(from: ChildProcess, text: string): Promise<void> {
  let all = '';
  for await (const chunk of from.stdout ?? []) {
    all += String(chunk);
    if (all.includes(text)) return;
  }
  throw new Error(`it printed only ${all}`);
}

function read(): string {
  const buffer = Buffer.alloc(1 << 20);
  return buffer.toString('utf8', 0, readSync(fifo, buffer));
}

describe('the heartbeat of a worker', () => {
  test('is a line for each beat', async () => {
    const beating = run(`setTimeout(() => console.log('beaten'), 100)`);
    await printed(beating, 'beaten');
    const lines = read().trim().split('\n');
    expect(lines.length).toBeGreaterThan(1);
    expect(new Set(lines)).toEqual(new Set(['{"event":"beat"}']));
  });

  test('says how busy the loop was, and how late it is', async () => {
    const busyFor = (ms: number): string => `{ const end = performance.now() + ${ms}; while (performance.now() < end); }`;
    const beating = run(
      `const timer = setInterval(() => ${busyFor(90)}, 0); setTimeout(() => { clearInterval(timer); console.log('beaten'); }, 600)`,
      '{ fd: 4, withLoad: true, everyMs: 100 }',
    );
    await printed(beating, 'beaten');
    const beats = read()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { busy: number; lateMs: number });
    expect(Math.max(...beats.map(({ busy }) => busy))).toBeGreaterThan(0.5);
    expect(beats.every(({ busy, lateMs }) => busy >= 0 && busy <= 1 && lateMs >= 0)).toBe(true);
  });

  test('keeps no process alive', async () => {
    expect(await once(run(''), 'exit')).toEqual([0, null]);
  });

  test('does not wait when nobody reads: the process goes on, and ends by itself', async () => {
    // 17 bytes a beat, 64 KiB in a FIFO: filled at once, then some beats more.
    const filled = `import { writeSync } from 'node:fs';
      setTimeout(() => { try { for (;;) writeSync(4, 'x'.repeat(4096)); } catch {} setTimeout(() => console.log('goes on'), 50); }, 50);`;
    const beating = run(filled);
    const exited = once(beating, 'exit');
    await printed(beating, 'goes on');
    expect(await exited).toEqual([0, null]);
  });

  test('does not write into what the app opened under the number of its FIFO', async () => {
    const own = join(dir, 'own');
    const beating = run(
      `setTimeout(() => { fs.closeSync(4); fs.openSync(${JSON.stringify(own)}, 'w'); setTimeout(() => console.log('done'), 100); }, 50);`,
    );
    await printed(beating, 'done');
    expect(statSync(own).isFile()).toBe(true);
    expect(readFileSync(own, 'utf8')).toBe('');
  });
});
