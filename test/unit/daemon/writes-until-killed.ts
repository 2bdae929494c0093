// Writes to a state store without end, and tells on stdout what was acknowledged. Started by store-survives.test.ts.
import { writeSync } from 'node:fs';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import { openStore } from '../../../src/daemon/store.ts';

const [, , file = '', run = ''] = process.argv;
const store = openStore(file, { first: 200_000, count: 60_000, isTaken: () => false });

for (let number = 0; ; number++) {
  const tenant = `t${run}-${number}` as TenantName;
  tell({ uid: store.uidOf(tenant, ''), tenant });
  store.setConfigText(tenant, `domains: [${tenant}.example]`);
  tell({ configOf: tenant });
  store.replaceDomainOwners(new Map([...store.domainOwners(), [`${tenant}.example`, tenant]]));
  tell({ domain: `${tenant}.example` });
  store.setStopped(tenant, 'site' as AppName, true);
  tell({ stopped: tenant });
  const { sequence, hash } = store.appendAudit({
    ...{ tenant, time: new Date().toISOString(), actor: 'operator', action: 'create', before: 'null', after: '{}', outcome: 'done' },
  });
  tell({ sequence, hash });
}

function tell(acknowledged: object): void {
  writeSync(1, `${JSON.stringify(acknowledged)}\n`);
}
