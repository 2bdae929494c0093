import { messageOf } from '../base/errors.ts';
import type { LogLine } from './line.ts';
import { createLogFile, type LogFileOptions } from './log-file.ts';
import { lastPosition } from './read.ts';

/**
 * Keeps what an app prints. At most `flushBytes` wait in memory: then, or after `flushMs`, they are written at once,
 * so a flood is slowed down by the disk itself. What can not be written (a full disk) is dropped and counted; the
 * count stands in the file as a line of its own as soon as there is room. No method throws.
 */
export interface LogWriter {
  write(line: PrintedLine): void;
  flush(): void;
  close(): void;
}

export type PrintedLine = Omit<LogLine, 'position'>;

export interface LogWriterOptions extends LogFileOptions {
  /** Lines are in the file now. */
  onKept?: () => void;
}

const flushBytes = 65_536;
const flushMs = 50;
/** About what a line takes beside its text. */
const frameBytes = 130;
const retryMs = 1_000;

export function createLogWriter(options: LogWriterOptions): LogWriter {
  const file = createLogFile(options);
  const limitBytes = Math.min(flushBytes, options.maxBytes);
  let position: number | undefined;
  let waiting: PrintedLine[] = [];
  let waitingBytes = 0;
  let droppedLines = 0;
  let fault = '';
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    const lines = droppedLines > 0 ? [droppedNote(), ...waiting] : waiting;
    if (lines.length === 0) return;
    try {
      const last = position ?? lastPosition(options.dir, options.app);
      file.append(Buffer.from(lines.map((line, at) => format(line, last + at + 1)).join('')));
      position = last + lines.length;
      droppedLines = 0;
      options.onKept?.();
    } catch (error) {
      droppedLines += waiting.length;
      fault = messageOf(error);
      file.close(); // The next try opens it anew: it may have been removed, or the disk mounted again.
      schedule(retryMs);
    }
    waiting = [];
    waitingBytes = 0;
  }

  function schedule(delayMs: number): void {
    timer ??= setTimeout(flush, delayMs);
  }

  function droppedNote(): PrintedLine {
    const line = `${droppedLines} lines could not be kept: ${fault}`;
    return { time: new Date().toISOString(), app: options.app, worker: 'tenantd', line };
  }

  return {
    write(line) {
      waiting.push(line);
      waitingBytes += Buffer.byteLength(line.line) + frameBytes;
      if (waitingBytes >= limitBytes) flush();
      else schedule(flushMs);
    },
    flush,
    close() {
      flush();
      clearTimeout(timer);
      file.close();
    },
  };
}

function format({ time, app, worker, line }: PrintedLine, position: number): string {
  return `${JSON.stringify({ time, position, app, worker, line })}\n`;
}
