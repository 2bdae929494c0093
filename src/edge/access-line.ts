import type { AccessEntry } from './access-entry.ts';

/** Longer ones are cut: a line stays below 18 KiB, whatever a client sends. */
const maxPathLength = 2_048;
const maxTextLength = 256;

/** What a JSON string holds as it is, in ASCII (RFC 8259 7). */
const needsEscape = /[^ !#-[\]-~]/;
const eachToEscape = /[^ !#-[\]-~]/g;

/** One entry as one line of JSON: ASCII only, so that a character is a byte. What is not the client's to choose is taken as it is. */
export type AccessLine = (entry: AccessEntry, nowMs: number) => string;

export function createAccessLine(): AccessLine {
  const timeOf = createTimeText();
  return (entry, nowMs) =>
    `{"time":"${timeOf(nowMs)}","client":"${plain(entry.client)}","method":"${plain(entry.method)}","host":"${plain(entry.host)}",` +
    `"path":"${pathOf(entry.target)}","status":${entry.status},"bytesIn":${entry.bytesIn},"bytesOut":${entry.bytesOut},` +
    `"ms":${tenths(entry.durationMs)}${entry.appMs < 0 ? '' : `,"appMs":${tenths(entry.appMs)}`},"requestId":"${entry.requestId}",` +
    `${entry.app === '' ? '' : `"app":"${entry.app}","release":"${plain(entry.release)}",`}"protocol":"${entry.protocol}",` +
    `${entry.tls === '' ? '' : `"tls":"${entry.tls}",`}"outcome":"${entry.outcome}"}\n`;
}

/** Stands where entries are missing: they could not be written, or came faster than that. */
export function droppedLine(nowMs: number, count: number): string {
  return `{"time":"${new Date(nowMs).toISOString()}","dropped":${count}}\n`;
}

/** Most requests share their second with the one before: its text is kept. */
function createTimeText(): (nowMs: number) => string {
  let secondStartMs = NaN;
  let secondText = '';
  return (nowMs) => {
    const passedMs = nowMs - secondStartMs;
    if (!(passedMs >= 0 && passedMs < 1_000)) {
      secondStartMs = Math.floor(nowMs / 1_000) * 1_000;
      secondText = new Date(secondStartMs).toISOString().slice(0, 20);
    }
    const ms = Math.floor(nowMs - secondStartMs);
    return `${secondText}${ms < 100 ? '0' : ''}${ms < 10 ? '0' : ''}${ms}Z`;
  };
}

function pathOf(target: string): string {
  const query = target.indexOf('?');
  return plain(query === -1 ? target : target.slice(0, query), maxPathLength);
}

function plain(text: string, maxLength = maxTextLength): string {
  const kept = text.length > maxLength ? `${text.slice(0, maxLength)}...` : text;
  return needsEscape.test(kept) ? kept.replace(eachToEscape, escapeUnit) : kept;
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** `12.3`, from whole numbers: text of a fraction costs several times as much. */
function tenths(ms: number): string {
  const count = Math.round(ms * 10);
  return `${Math.floor(count / 10)}.${count % 10}`;
}
