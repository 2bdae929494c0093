import { hash as digest } from 'node:crypto';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { DaemonConfig } from '../config/daemon-config.ts';
import type { AuditEntry } from '../protocol/audit-chain.ts';
import type { Store } from './store.ts';

/** Changes that came by the operator's files, for the audit trail: which keys, never what stands there. */

const actor = 'files';
const daemonAction = 'daemon-file';

/** `before`: the last good file; undefined for a tenant that is new. */
export function tenantFileEntry(tenant: string, before: string | undefined, after: string): AuditEntry {
  const [was, is] = [sectionsOf(before ?? ''), sectionsOf(after)];
  const changed = [...new Set([...was.keys(), ...is.keys()])].filter((key) => was.get(key) !== is.get(key));
  const texts = {
    before: JSON.stringify(before === undefined ? null : { sha256: digest('sha256', before) }),
    after: JSON.stringify({ sha256: digest('sha256', after), changed }),
  };
  return { tenant, time: new Date().toISOString(), actor, action: 'tenant-file', ...texts, outcome: 'done' };
}

/** By keys of the first level, as they stand at the beginning of a line. */
function sectionsOf(text: string): Map<string, string> {
  const sections = new Map<string, string>();
  for (const section of text.split(/^(?=[A-Za-z]\w*:)/m)) {
    const key = /^([A-Za-z]\w*):/.exec(section)?.[1];
    if (key !== undefined) sections.set(key, section.trimEnd());
  }
  return sections;
}

/** Its folder is not there any more. */
export function noteTenantGone({ store, log }: { store: Pick<Store, 'appendAudit'>; log: Log }, tenant: string): void {
  const texts = { before: JSON.stringify({ inService: true }), after: JSON.stringify({ inService: false }) };
  write({ store, log }, { tenant, action: 'tenant-gone', ...texts });
}

/** tenantd.yaml as it counts now, when it is another one than the trail knows. */
export function noteDaemonFile(parts: { store: Pick<Store, 'appendAudit' | 'audit'>; log: Log }, config: DaemonConfig): void {
  const keys = Object.fromEntries(Object.entries(config).map(([key, value]) => [key, digestOf(value)]));
  const known = lastKeys(parts.store);
  const changed = [...new Set([...Object.keys(known ?? {}), ...Object.keys(keys)])].filter((key) => known?.[key] !== keys[key]);
  if (changed.length === 0) return;
  write(parts, {
    tenant: '',
    action: daemonAction,
    before: JSON.stringify(known ? { keys: known } : null),
    after: JSON.stringify({ changed, keys }),
  });
}

/** Undefined where no record of late has them. */
function lastKeys(store: Pick<Store, 'audit'>): Record<string, string> | undefined {
  const [last] = store.audit.list({ order: 'newest', action: daemonAction, limit: 1 }).records;
  return last && (JSON.parse(last.after) as { keys?: Record<string, string> }).keys;
}

function digestOf(value: unknown): string {
  return digest(
    'sha256',
    JSON.stringify(value, (_, part: unknown) => (part instanceof Map ? [...part] : part)),
  ).slice(0, 12);
}

/** It is so already, and can't be refused for want of a record. */
function write(
  { store, log }: { store: Pick<Store, 'appendAudit'>; log: Log },
  entry: Omit<AuditEntry, 'time' | 'actor' | 'outcome'>,
): void {
  try {
    store.appendAudit({ ...entry, actor, time: new Date().toISOString(), outcome: 'done' });
  } catch (error) {
    log.error(
      { tenant: entry.tenant, action: entry.action, error: messageOf(error) },
      'a changed file could not be written to the audit trail',
    );
  }
}
