export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type FaultLog = (level: LogLevel, message: string) => void;

const windowMs = 10_000;
const messagesPerWindow = 20;

/** Passes messages on, so many in ten seconds: an app that fails every request must not drown the daemon's log. */
export function createFaultLog(send: FaultLog, nowMs: () => number): FaultLog {
  let windowStartMs = -Infinity;
  let count = 0;
  return (level, message) => {
    const now = nowMs();
    if (now - windowStartMs >= windowMs) {
      if (count > messagesPerWindow) send('warn', `${count - messagesPerWindow} more messages of the edge were left out`);
      windowStartMs = now;
      count = 0;
    }
    if (++count <= messagesPerWindow) send(level, message);
  };
}
