// Writes to a state store without end, and tells on stdout what was acknowledged. Started by store-survives.test.ts.
import { writeSync } from 'node:fs';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { openState } from '../../../src/daemon/state.ts';
import { createPaths } from '../../../src/daemon/paths.ts';

const [, , folder = '', run = ''] = process.argv;
const site = 'site' as AppName;
const log = { debug() {}, info() {}, warn: console.error, error: console.error };
const { state: files } = createPaths({ tenantsDir: folder, stateDir: folder, runDir: folder, logDir: folder });
const { store } = openState({ files, uids: { first: 200_000, count: 60_000, isTaken: () => false }, log });
const release = { createdAt: '2026-01-02T03:04:05.678Z', createdBy: 'operator', bytes: 1, files: 1, manifest: { kind: 'static' } };

for (let number = 0; ; number++) {
  const tenant = `t${run}-${number}` as TenantName;
  tell({ uid: store.uidOf(tenant, ''), tenant });
  store.setConfigTexts([[tenant, `domains: [${tenant}.example]`]]);
  tell({ configOf: tenant });
  store.replaceDomainOwners(new Map([...store.domainOwners(), [`${tenant}.example`, tenant]]));
  tell({ domain: `${tenant}.example` });
  store.lifecycle.setStopped(tenant, site, true);
  tell({ stopped: tenant });
  store.lifecycle.setAsleep(tenant, site, number);
  tell({ asleep: tenant, sinceMs: number });
  store.lifecycle.setScale(tenant, site, number);
  tell({ scaled: tenant, workers: number });
  store.releases.put(tenant, site, { id: `r${number}`, ...release });
  tell({ releaseOf: tenant, id: `r${number}` });
  store.together(() => {
    store.setApp(tenant, site, { manifest: { number }, generationKey: 'key', generation: number, release: 'local' });
    store.setApp(tenant, 'shop' as AppName, { manifest: { number }, generationKey: 'key', generation: number, release: 'local' });
  });
  tell({ appsOf: tenant, generation: number });
  const schedule = { tenant, app: site, name: 'digest' };
  store.schedules.note([{ ...schedule, timing: 'daily', handledMs: number }], [schedule]);
  tell({ scheduleOf: tenant, handledMs: number });
  const { sequence, hash } = store.appendAudit({
    ...{ tenant, time: new Date().toISOString(), actor: 'operator', action: 'create', before: 'null', after: '{}', outcome: 'done' },
  });
  tell({ sequence, hash });
}

function tell(acknowledged: object): void {
  writeSync(1, `${JSON.stringify(acknowledged)}\n`);
}
