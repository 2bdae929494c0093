import type { Log } from '../base/log.ts';

const maxMessageLength = 4_000;

/** A service's log: sent to the daemon (fields stay behind), and while that is away, printed. */
export function logThrough(send: (level: keyof Log, message: string) => boolean): Log {
  const write =
    (level: keyof Log) =>
    (_fields: object, message: string): void => {
      const text = message.slice(0, maxMessageLength);
      if (!send(level, text)) process.stderr.write(`${level}: ${text}\n`);
    };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
