import { messageOf } from '../base/errors.ts';
import type { LogLine } from './line.ts';
import { createLogFile, type LogFileOptions } from './log-file.ts';

/**
 * Keeps what an app prints. At most `flushBytes` wait in memory: then, or after `flushMs`, they are written at once,
 * so a flood is slowed down by the disk itself. What can not be written (a full disk) is dropped and counted; the
 * count stands in the file as a line of its own as soon as there is room. No method throws.
 */
export interface LogWriter {
  write(line: LogLine): void;
  flush(): void;
  close(): void;
}

const flushBytes = 65_536;
const flushMs = 50;
const retryMs = 1_000;

export function createLogWriter(options: LogFileOptions): LogWriter {
  const file = createLogFile(options);
  const limitBytes = Math.min(flushBytes, options.maxBytes);
  let waiting: string[] = [];
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
      file.append(Buffer.from(lines.join('')));
      droppedLines = 0;
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

  function droppedNote(): string {
    const line = `${droppedLines} lines could not be kept: ${fault}`;
    return format({ time: new Date().toISOString(), app: options.app, worker: 'tenantd', line });
  }

  return {
    write(line) {
      const text = format(line);
      waiting.push(text);
      waitingBytes += Buffer.byteLength(text);
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

function format(line: LogLine): string {
  return `${JSON.stringify(line)}\n`;
}
