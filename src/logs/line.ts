/** One line that an app printed, as it stands in the log files: one JSON object a line. */
export interface LogLine {
  /** ISO 8601, UTC. */
  time: string;
  /** In its app's log: from 1 on, without gaps, over rotations and restarts. By it a reader goes on where it was, and knows what it missed. */
  position: number;
  app: string;
  worker: string;
  line: string;
}

/** Of each app: the last line that was read. Of an app that is not in it, nothing was. */
export type LogPositions = Record<string, number>;

const maxLineLength = 16_384;

export function logPath(dir: string, app: string, rotation = 0): string {
  return rotation === 0 ? `${dir}/${app}.log` : `${dir}/${app}.log.${rotation}`;
}

/** Undefined for what is not a whole line: the last one of a process that was killed while it wrote. */
export function parseLogLine(text: string): LogLine | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isLogLine(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isLogLine(value: unknown): value is LogLine {
  if (typeof value !== 'object' || value === null) return false;
  const { time, position, app, worker, line } = value as Record<string, unknown>;
  const isWhole = [time, app, worker, line].every((field) => typeof field === 'string' && field.length <= maxLineLength);
  return isWhole && Number.isSafeInteger(position) && Number(position) > 0;
}
