import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { type ClientTerminal, openClientTerminal } from '../support/client-terminal.ts';
import { repositoryPath, type TestDaemon } from '../support/test-daemon.ts';

interface Ctl {
  child: ChildProcessWithoutNullStreams;
  finished: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

const tenantctl = (daemon: TestDaemon): string[] => [repositoryPath('dist/tenantctl.js'), '--config', daemon.configFile];

/** `tenantctl` with pipes that the test holds. */
export function startCtl(daemon: TestDaemon, ...args: string[]): Ctl {
  const child = spawnCtl(daemon, ...args);
  const finished = Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
  return { child, finished: finished.then(([[code], stdout, stderr]) => ({ code: code as number | null, stdout, stderr })) };
}

/** The same; nobody reads what it prints. */
export function spawnCtl(daemon: TestDaemon, ...args: string[]): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [...tenantctl(daemon), ...args], { env: { NO_COLOR: '1' }, stdio: 'pipe' });
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stdin.on('error', () => {});
  return child;
}

/** `tenantctl` in a terminal. */
export function openCtl(daemon: TestDaemon, ...args: string[]): ClientTerminal {
  return openClientTerminal(process.execPath, [...tenantctl(daemon), ...args], { columns: 90, rows: 30 });
}

/** What the command printed, with an end that is well. */
export async function exec(daemon: TestDaemon, at: string, script: string): Promise<string> {
  const { code, stdout, stderr } = await daemon.ctl('exec', at, '--', 'sh', '-c', script);
  if (code !== 0) throw new Error(`${script}: ${code}: ${stdout}${stderr}`);
  return stdout;
}

/** Resolves when `words` were printed. */
export async function untilPrinted({ child, finished }: Ctl, words: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
    if (printed.includes(words)) resolve();
  });
  void finished.then((end) => reject(new Error(`it ended without ${words}: ${JSON.stringify(end)}`)));
  await promise;
}

/** Files that the daemon has of living sessions. */
export function sessionFiles(daemon: TestDaemon): string[] {
  return readdirSync(`${daemon.directory}/run/sandboxes`).filter((name) => name.startsWith('s.'));
}

export interface AuditRow {
  tenant: string;
  actor: string;
  action: string;
  before: unknown;
  after: Record<string, unknown>;
  outcome: string;
}

/** Of sessions, in their order. */
export function sessionAudit(daemon: TestDaemon, tenant: string): AuditRow[] {
  using database = new DatabaseSync(`${daemon.directory}/state/state.db`, { readOnly: true });
  const rows = database
    .prepare("SELECT * FROM audit WHERE tenant = ? AND (action LIKE 'shell-%' OR action LIKE 'exec-%') ORDER BY sequence")
    .all(tenant);
  return rows.map(({ actor, action, before, after, outcome }) => ({
    ...{ tenant, actor: String(actor), action: String(action), outcome: String(outcome) },
    before: JSON.parse(String(before)) as unknown,
    after: JSON.parse(String(after)) as Record<string, unknown>,
  }));
}
