import { maxConnectionOptions } from './limits.ts';
import { splitList } from './lists.ts';

/** What a message's Connection fields say (RFC 9110 7.6.1). */
export interface ConnectionOptions {
  close: boolean;
  keepAlive: boolean;
  upgrade: boolean;
  /** Lower-case names of other fields that concern this connection only; undefined when there are none. */
  listed: Set<string> | undefined;
}

/** Adds one field's value. False when there are more options than any honest sender has. */
export function readConnectionOptions(value: string, into: ConnectionOptions): boolean {
  const lower = value.toLowerCase();
  if (applyOption(lower, into)) return true;
  const options = splitList(lower, maxConnectionOptions);
  if (options === undefined) return false;
  for (const option of options) if (!applyOption(option, into)) (into.listed ??= new Set()).add(option);
  return (into.listed?.size ?? 0) <= maxConnectionOptions;
}

function applyOption(option: string, into: ConnectionOptions): boolean {
  if (option === 'keep-alive') into.keepAlive = true;
  else if (option === 'close') into.close = true;
  else if (option === 'upgrade') into.upgrade = true;
  else return false;
  return true;
}
