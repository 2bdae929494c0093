import { closeSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { messageOf } from '../base/errors.ts';
import { clientFrames, createFrameReader, decodeSize, programFrames, type TerminalSize } from '../protocol/terminal.ts';

/**
 * What a session showed, as an asciicast v2 (https://docs.asciinema.org/manual/asciicast/v2/): what was printed, and when the
 * window changed. What was typed is not in it: passwords are. Nothing of it is interpreted: bytes become text in a JSON string.
 */
export interface Recording {
  /** Its name, in the tenant's folder. */
  file: string;
  hearClient(chunk: Buffer): void;
  hearProgram(chunk: Buffer): void;
  close(): RecordingEnd;
}

export interface RecordingEnd {
  bytes: number;
  /** Why the rest of the session is not in it. */
  cutOff?: string;
}

export interface RecordingOptions {
  /** Root's own. */
  directory: string;
  session: string;
  title: string;
  command: readonly string[] | undefined;
  size: TerminalSize | undefined;
  maxBytes: number;
  /** Recordings in the folder, with this one. */
  keep: number;
  now: () => Date;
}

const defaultSize: TerminalSize = { columns: 80, rows: 24 };

/** Throws when the file can't be made: then nothing is to be done unseen. */
export function startRecording(options: RecordingOptions): Recording {
  const { directory, size = defaultSize, maxBytes, now } = options;
  const startedAtMs = now().getTime();
  // By time, so that the oldest come first.
  const file = `${now().toISOString().replaceAll(/[-:]/g, '')}-${options.session}.cast`;
  removeOldest(directory, options.keep - 1);
  const fd = openSync(`${directory}/${file}`, 'wx', 0o600);
  const decoders = { [programFrames.stdout]: new StringDecoder(), [programFrames.stderr]: new StringDecoder() };
  let bytes = 0;
  let cutOff: string | undefined;

  const readProgram = createFrameReader((type, payload) => {
    if (type === programFrames.stdout || type === programFrames.stderr) add('o', decoders[type]?.write(payload) ?? '');
  });
  const readClient = createFrameReader((type, payload) => {
    const changed = type === clientFrames.resize ? decodeSize(payload) : undefined;
    if (changed) add('r', `${changed.columns}x${changed.rows}`);
  });

  function add(kind: 'o' | 'r', text: string): void {
    if (text !== '') writeLine([(now().getTime() - startedAtMs) / 1_000, kind, text]);
  }

  function writeLine(line: unknown): void {
    if (cutOff !== undefined) return;
    const encoded = Buffer.from(`${JSON.stringify(line)}\n`);
    if (bytes + encoded.length > maxBytes) return void (cutOff = `it is over ${maxBytes} bytes`);
    try {
      for (let written = 0; written < encoded.length;) written += writeSync(fd, encoded, written);
      bytes += encoded.length;
    } catch (error) {
      cutOff = messageOf(error);
    }
  }

  const { command, title } = options;
  const shown = command && { command: command.map((word) => JSON.stringify(word)).join(' ') };
  writeLine({ version: 2, width: size.columns, height: size.rows, timestamp: Math.floor(startedAtMs / 1_000), title, ...shown });
  return {
    file,
    hearClient: (chunk) => void readClient(chunk),
    hearProgram(chunk) {
      if (!readProgram(chunk)) cutOff ??= 'the sandbox said something that no terminal says';
    },
    close() {
      closeSync(fd);
      return { bytes, ...(cutOff !== undefined && { cutOff }) };
    },
  };
}

function removeOldest(directory: string, keep: number): void {
  const files = readdirSync(directory)
    .filter((name) => name.endsWith('.cast'))
    .sort();
  for (const file of files.slice(0, Math.max(0, files.length - keep))) rmSync(`${directory}/${file}`, { force: true });
}
