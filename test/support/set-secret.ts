import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { repositoryPath, type TestDaemon } from './test-daemon.ts';

/** `tenantctl secret set`, with the value on its standard input. */
export async function setSecret(
  daemon: TestDaemon,
  at: string,
  name: string,
  value: string,
  flags: readonly string[] = [],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const args = [repositoryPath('dist/tenantctl.js'), '--config', daemon.configFile, 'secret', 'set', at, name, ...flags];
  const child = spawn(process.execPath, args, { env: { NO_COLOR: '1' }, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(value);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: code as number, stdout, stderr };
}
