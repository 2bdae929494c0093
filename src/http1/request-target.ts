import { parseAuthority } from './authority.ts';
import type { RequestHead } from './request-head.ts';
import { type Refusal, refusals } from './refusals.ts';

const slash = 0x2f;

/** Brings the target to origin form (RFC 9112 3.2); in absolute form the target's host replaces the field's. */
export function resolveTarget(bytes: Uint8Array, head: RequestHead): Refusal | undefined {
  if (bytes[head.targetStart] === slash) return undefined;
  if (head.target === '*') return head.method === 'OPTIONS' ? undefined : refusals.target;
  return resolveAbsolute(bytes, head);
}

function resolveAbsolute(bytes: Uint8Array, head: RequestHead): Refusal | undefined {
  const scheme = /^https?:\/\//i.exec(head.target)?.[0];
  if (scheme === undefined) return refusals.target;
  const start = head.targetStart + scheme.length;
  const length = head.text.slice(start, head.targetEnd).search(/[/?]/);
  const end = length === -1 ? head.targetEnd : start + length;
  if (!parseAuthority(bytes, head.text, start, end, head)) return refusals.target;
  head.authority = head.text.slice(start, end);
  head.absoluteForm = true;
  head.target = originForm(head.text.slice(end, head.targetEnd), head.method);
  return undefined;
}

/** RFC 9112 3.2.4: OPTIONS for a host without a path becomes `*`. */
function originForm(rest: string, method: string): string {
  if (rest === '') return method === 'OPTIONS' ? '*' : '/';
  return rest.startsWith('/') ? rest : `/${rest}`;
}
