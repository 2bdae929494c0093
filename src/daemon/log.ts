import { Writable } from 'node:stream';
import { styleText } from 'node:util';
import { pino } from 'pino';
import type { Log } from '../base/log.ts';

/** `json`: one pino object a line; `text`: for a person at a terminal. */
export function createLog(format: 'text' | 'json'): Log {
  const destination = format === 'json' ? pino.destination({ dest: 1, sync: true }) : textDestination(process.stdout);
  return pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, destination);
}

const colours = { debug: 'gray', info: 'green', warn: 'yellow', error: 'red' } as const;

function textDestination(output: NodeJS.WriteStream): Writable {
  return new Writable({
    decodeStrings: false,
    write(line: string, _encoding, done) {
      output.write(toText(line, output));
      done();
    },
  });
}

function toText(line: string, output: NodeJS.WriteStream): string {
  const { time, level, msg, ...fields } = JSON.parse(line) as { time: string; level: keyof typeof colours; msg: string };
  const details = Object.entries(fields).map(([name, value]) => `${name}=${toPrintable(value)}`);
  const colour = colours[level] ?? 'white';
  const shownLevel = styleText(colour, level.padEnd(5), { stream: output });
  return `${time.slice(11, 19)} ${shownLevel} ${toPrintable(msg)} ${styleText('gray', details.join(' '), { stream: output })}`
    .trimEnd()
    .concat('\n');
}

/** What came from tenants must not speak to a terminal. */
function toPrintable(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  // oxlint-disable-next-line no-control-regex -- control characters are what is to be taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, escaped);
}

/** JSON leaves those from U+007F on as they are; U+009B begins a command to a terminal as ESC [ does. */
function escaped(character: string): string {
  if (character < '\u007f') return JSON.stringify(character).slice(1, -1);
  return `\\u00${character.charCodeAt(0).toString(16)}`;
}
