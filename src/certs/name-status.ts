import type { NameState, NameStatus } from '../protocol/certs.ts';
import { expiryStage } from './expiry.ts';
import type { NameEntry } from './names.ts';
import type { BudgetScope } from './order-budgets.ts';

export interface StatusFacts {
  nowMs: number;
  /** From `dueAtMs`. */
  dueMs: number;
  /** What keeps a name that is due from being started, if anything. */
  waitsFor: { scope: BudgetScope | 'ca'; atMs: number } | undefined;
}

/** A name as `cert list`, `domain check` and the tenant's problems show it. */
export function statusOf(entry: NameEntry, facts: StatusFacts): NameStatus {
  const { name, tenant, certificate, record } = entry;
  const state = stateOf(entry, facts);
  const nextTryMs = nextTryOf(state, facts);
  return {
    ...{ tenant, name, state, failures: record.failures, message: clip(messageOf(state, entry, facts)) },
    ...(certificate && {
      issuer: certificate.issuer.slice(0, 512),
      notBeforeMs: certificate.notBeforeMs,
      notAfterMs: certificate.notAfterMs,
    }),
    ...(nextTryMs !== undefined && { nextTryMs }),
    ...(record.lastError !== undefined && { lastError: clip(record.lastError) }),
    ...problemOf(entry, state, facts),
  };
}

function stateOf({ phase, certificate, record, loaded, forced }: NameEntry, { nowMs, dueMs }: StatusFacts): NameState {
  if (phase === 'checking') return 'checking';
  if (phase === 'ordering') return certificate ? 'renewing' : 'ordering';
  if (!loaded || forced) return 'waiting';
  if (record.setAsideAt !== undefined) return 'set-aside';
  if (record.failures > 0) return 'failed';
  return certificate && dueMs > nowMs ? 'issued' : 'waiting';
}

function nextTryOf(state: NameState, { nowMs, dueMs, waitsFor }: StatusFacts): number | undefined {
  const isAtWork = state === 'checking' || state === 'ordering' || state === 'renewing';
  if (isAtWork || !Number.isFinite(dueMs)) return undefined;
  const atMs = Math.max(dueMs, waitsFor?.atMs ?? 0);
  return atMs > nowMs ? Math.round(atMs) : undefined;
}

function messageOf(state: NameState, entry: NameEntry, facts: StatusFacts): string {
  const { name, record, certificate } = entry;
  const why = record.lastError === undefined ? '' : `: ${record.lastError}`;
  switch (state) {
    case 'checking':
      return `The DNS is asked whether ${name} points here.`;
    case 'ordering':
      return 'The certificate is ordered; the CA checks that the name points here.';
    case 'renewing':
      return 'A new certificate is ordered; the one before is served meanwhile.';
    case 'issued':
      return `The certificate of ${certificate?.issuer ?? 'the CA'} is in use.`;
    case 'failed':
      return `The last try failed${why}`;
    case 'set-aside':
      return `Set aside after ${record.failures} failures; tried again when its DNS records change, or on request${why}`;
    case 'waiting':
      break;
  }
  return waitingMessage(facts, why);
}

function waitingMessage({ waitsFor, dueMs, nowMs }: StatusFacts, why: string): string {
  const until = waitsFor ? new Date(waitsFor.atMs).toISOString() : '';
  switch (waitsFor?.scope) {
    case 'tenant':
      return `Waiting until ${until}: the tenant used up its budget of new orders.`;
    case 'domain':
      return `Waiting until ${until}: the budget of new orders below this domain is used up.`;
    case 'total':
      return `Waiting until ${until}: the budget of new orders of this machine is used up.`;
    case 'ca':
      return `Waiting until ${until}: no CA answers as it should${why}`;
    case undefined:
      break;
  }
  return dueMs > nowMs ? `Waiting for the next try${why}` : 'Waiting for its turn.';
}

function problemOf(entry: NameEntry, state: NameState, { nowMs }: StatusFacts): Pick<NameStatus, 'problem'> {
  const { name, certificate, record } = entry;
  const fix = `run \`tenantctl domain check ${name}\`, set the records it shows, then \`tenantctl cert renew ${entry.tenant} ${name}\``;
  const why = clip(record.lastError === undefined ? '' : `: ${record.lastError}`, 1_500);
  const stage = certificate ? expiryStage(certificate, nowMs) : 'fine';
  if (stage === 'fine') {
    if (certificate || (state !== 'failed' && state !== 'set-aside')) return {};
    return { problem: { kind: 'no-certificate', message: `There is no certificate for ${name} yet${why}`, fix } };
  }
  const end = new Date(certificate?.notAfterMs ?? 0).toISOString();
  if (stage === 'expired') return { problem: { kind: 'expired', message: `The certificate of ${name} expired at ${end}${why}`, fix } };
  const soon = stage === 'soon' ? 'soon' : 'very soon';
  return { problem: { kind: 'expires', message: `The certificate of ${name} expires ${soon}, at ${end}${why}`, fix } };
}

function clip(text: string, length = 2_000): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
