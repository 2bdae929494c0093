import type { TenantMark } from '../protocol/tenant-calls.ts';
import { printable } from './printable.ts';
import { formatWhen } from './quantities.ts';

/** `suspended 3 d ago (2026-03-01) by operator: not paid` */
export function describeMark({ state, since, by, reason, until }: TenantMark, nowMs: number): string {
  const what = state === 'removing' ? 'removed' : state;
  const why = reason === undefined ? '' : `: ${printable(reason)}`;
  return `${what} ${formatWhen(Date.parse(since), nowMs)} by ${printable(by)}${why}${state === 'removing' ? keptText(until, nowMs) : ''}`;
}

function keptText(until: string | undefined, nowMs: number): string {
  return until === undefined ? '; its data is being deleted' : `; its data is deleted ${formatWhen(Date.parse(until), nowMs)}`;
}
