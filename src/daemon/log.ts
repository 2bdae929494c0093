import { fstatSync } from 'node:fs';
import { Writable } from 'node:stream';
import { styleText } from 'node:util';
import { pino } from 'pino';
import type { Log } from '../base/log.ts';

export const logFormats = ['text', 'json', 'journal'] as const;
export type LogFormat = (typeof logFormats)[number];

/** `stream`: as systemd says in JOURNAL_STREAM which file leads to its journal (systemd.exec(5)); another stdout may have been put in place since. */
export function isJournal(stream: string | undefined): boolean {
  const { dev, ino } = fstatSync(1);
  return stream === `${dev}:${ino}`;
}

/** `json`: one pino object a line; `text`: for a person at a terminal; `journal`: as the system's journal takes it from stdout. */
export function createLog(format: LogFormat): Log {
  const destination = destinations[format]();
  return pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, destination);
}

const destinations = {
  json: () => pino.destination({ dest: 1, sync: true }),
  text: () => textDestination(process.stdout, toText),
  journal: () => textDestination(process.stdout, toJournal),
};

/** Levels as sd-daemon(3) has them, before the line. */
const journalLevels = { debug: 7, info: 6, warn: 4, error: 3 } as const;

const colours = { debug: 'gray', info: 'green', warn: 'yellow', error: 'red' } as const;

function textDestination(output: NodeJS.WriteStream, format: (line: string, output: NodeJS.WriteStream) => string): Writable {
  return new Writable({
    decodeStrings: false,
    write(line: string, _encoding, done) {
      output.write(format(line, output));
      done();
    },
  });
}

/** The journal knows the time. Whatever a value holds, it is one line. */
function toJournal(line: string): string {
  const { time: _, level, msg, ...fields } = JSON.parse(line) as { time: string; level: keyof typeof journalLevels; msg: string };
  const details = Object.entries(fields).map(([name, value]) => ` ${name}=${toPrintable(value)}`);
  return `<${journalLevels[level] ?? journalLevels.info}>${toPrintable(msg)}${details.join('')}\n`;
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
