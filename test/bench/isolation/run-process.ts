import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

/** Runs one of the process files beside this one, in a session of its own, and reads the JSON that it prints. */
export async function runProcess<Result>(file: string, settings: object): Promise<Result> {
  const path = new URL(file, import.meta.url).pathname;
  const child = spawn(process.execPath, [path, JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const [printed, [code]] = await Promise.all([text(child.stdout), once(child, 'exit') as Promise<[number | null]>]);
  if (code !== 0) throw new Error(`${file} ended with ${code}`);
  return JSON.parse(printed) as Result;
}
