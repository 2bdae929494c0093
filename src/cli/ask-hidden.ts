import type { ReadStream } from 'node:tty';
import { TenantdError } from '../base/errors.ts';

type Questions = readonly [string, string];

/** Asks on a terminal, and shows nothing of what is typed. */
export async function askTwice(stdin: ReadStream, write: (text: string) => void, questions: Questions): Promise<[string, string]> {
  const [first = '', second = ''] = await askHidden(stdin, write, questions);
  return [first, second];
}

/** One answer a question. */
export async function askHidden(
  stdin: ReadStream,
  write: (text: string) => void,
  [first, ...others]: readonly [string, ...string[]],
): Promise<string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<string[]>();
  const lines = createHiddenLines();
  let shown = 0;
  const hear = (text: string): void => {
    const event = lines.type(text);
    if (event !== 'more') return reject(event === 'interrupt' ? interrupted : ended);
    const typed = lines.typed();
    for (; shown < Math.min(typed.length, others.length); shown++) write(`\n${others[shown]}`);
    if (typed.length > others.length) resolve(typed.slice(0, others.length + 1));
  };
  // Before it asks: what is typed at once must not be shown either.
  stdin.setRawMode(true);
  stdin.setEncoding('utf8').on('data', hear);
  try {
    write(first);
    return await promise;
  } catch (error) {
    // As it would have ended the process if the terminal were not in raw mode; that is over by then.
    if (error === interrupted) setImmediate(() => process.kill(process.pid, 'SIGINT'));
    throw error;
  } finally {
    stdin.off('data', hear).pause();
    stdin.setRawMode(false);
    write('\n');
  }
}

const interrupted = new TenantdError('TENANTD_E_USAGE', 'interrupted', 'nothing was set');
const ended = new TenantdError('TENANTD_E_USAGE', 'no value was given', 'type it, or give it on standard input; nothing was set');

interface HiddenLines {
  type(text: string): 'more' | 'interrupt' | 'end';
  /** Lines that were ended with Enter. */
  typed(): string[];
}

/** What a terminal sends in raw mode, as lines: backspace, Ctrl-U, Ctrl-C and Ctrl-D do what they always do. */
export function createHiddenLines(): HiddenLines {
  const lines: string[] = [];
  let line = '';

  function typeOne(character: string): 'more' | 'interrupt' | 'end' {
    if (character === '\u0003') return 'interrupt';
    if (character === '\u0004' && line === '') return 'end';
    if (character === '\r' || character === '\n') {
      lines.push(line);
      line = '';
    } else line = edited(line, character);
    return 'more';
  }

  return {
    type(text) {
      for (const character of text.replaceAll(keySequence, '')) {
        const event = typeOne(character);
        if (event !== 'more') return event;
      }
      return 'more';
    },
    typed: () => lines,
  };
}

/** Arrow keys, and the brackets that a terminal puts around what is pasted (ECMA-48, 5.4). */
// oxlint-disable-next-line no-control-regex -- terminals send them
const keySequence = /\u001b\[[0-?]*[ -/]*[@-~]/g;

function edited(line: string, character: string): string {
  if (character === '\u007f' || character === '\b') return Array.from(line).slice(0, -1).join('');
  if (character === '\u0015') return '';
  return character < ' ' && character !== '\t' ? line : line + character;
}
