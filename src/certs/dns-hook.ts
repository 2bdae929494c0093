import { spawn } from 'node:child_process';
import { TryFault } from './try-fault.ts';

const defaultTimeoutMs = 120_000;
const maxOutputBytes = 4_096;
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export type HookAction = 'present' | 'cleanup';

/**
 * Runs the operator's program: `present|cleanup _acme-challenge.NAME VALUE`. No shell, nothing of our environment, a process group of
 * its own that is killed at the time limit, and of its output no more than is shown.
 */
export async function runHook(
  command: readonly string[],
  action: HookAction,
  recordName: string,
  value: string,
  timeoutMs: number = defaultTimeoutMs,
): Promise<void> {
  const [program = '', ...first] = command;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (what: string): void => reject(new TryFault('outside', `the DNS hook ${program} ${what}`));
  const child = spawn(program, [...first, action, recordName, value], {
    ...{ cwd: '/', env: { PATH: path, LANG: 'C.UTF-8' }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  });
  const output = collect([child.stdout, child.stderr]);
  const timer = setTimeout(() => {
    killGroup(child.pid);
    fail(`did not end within ${timeoutMs / 1_000} s${output()}`);
  }, timeoutMs);
  child.once('error', (error) => fail(`can not be started: ${error.message}`));
  // Not `close`: a process that it left behind may keep the pipes open.
  child.once('exit', (code, signal) => {
    if (code === 0) resolve();
    // What it printed last may come after its end.
    else setImmediate(() => fail(`ended with ${code ?? signal}${output()}`));
  });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    killGroup(child.pid);
    child.stdout?.destroy();
    child.stderr?.destroy();
  }
}

/** The last of what is printed, as the end of a sentence. */
function collect(streams: readonly (NodeJS.ReadableStream | null)[]): () => string {
  let kept = '';
  for (const stream of streams)
    stream?.on('data', (chunk: Buffer) => {
      kept = `${kept}${chunk.toString('utf8')}`.slice(-maxOutputBytes);
    });
  return () => {
    const lines = kept
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    return lines.length === 0 ? '' : `: ${lines.slice(-3).join(' / ').slice(-500)}`;
  };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended with all that it started.
  }
}
