import { createInterface } from 'node:readline/promises';
import type { SessionStreams } from './session-streams.ts';

/** Undefined: there is nobody to ask. */
export async function askYes({ isTerminal, input, output }: SessionStreams, question: string): Promise<boolean | undefined> {
  if (!isTerminal) return undefined;
  const lines = createInterface({ input, output });
  // Ctrl-D is no answer, and none is no.
  const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  const answer = await Promise.race([lines.question(`${question} [y/N] `), ended]);
  lines.close();
  return /^y(es)?$/i.test(answer.trim());
}
