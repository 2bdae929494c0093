import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const exec = promisify(execFile);
const limitMs = 400_000;

export interface Ran {
  code: number;
  output: string;
}

/** Exit code, and what it printed to stdout and stderr. */
export async function attempt(program: string, ...args: string[]): Promise<Ran> {
  try {
    const { stdout, stderr } = await exec(program, args, { timeout: limitMs, maxBuffer: 64 << 20, env: { ...process.env, NO_COLOR: '1' } });
    return { code: 0, output: `${stdout}${stderr}` };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
    return { code: typeof code === 'number' ? code : -1, output: `${stdout}${stderr}` || messageOf(error) };
  }
}

export async function run(program: string, ...args: string[]): Promise<string> {
  const { code, output } = await attempt(program, ...args);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${output.slice(-3_000)}`);
  return output;
}

export function assert(holds: boolean, otherwise: () => string): void {
  if (!holds) throw new Error(otherwise());
}

export function assertEqual(found: unknown, expected: unknown, what: string): void {
  const [left, right] = [JSON.stringify(found), JSON.stringify(expected)];
  assert(left === right, () => `${what}: ${left}, not ${right}`);
}

/** Of tenantd.service, unless another is named. */
export async function property(name: string, unit = 'tenantd.service'): Promise<string> {
  return (await run('systemctl', 'show', `--property=${name}`, '--value', unit)).trim();
}

export function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
