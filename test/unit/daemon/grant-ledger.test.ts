import { expect, test } from 'vitest';
import type { AppName, TenantName } from '../../../src/base/ids.ts';
import type { TenantConfig } from '../../../src/config/tenant-config.ts';
import type { DesiredTenant } from '../../../src/daemon/desired.ts';
import { createGrantLedger } from '../../../src/daemon/grant-ledger.ts';

function tenantWith(name: string, apps: string[], grants: TenantConfig['grants']): DesiredTenant {
  const folders = apps.map((app) => ({ app: app as AppName, folderId: '', release: 'local' }));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the ledger reads no more of it
  return { tenant: name as TenantName, apps: folders, config: { grants } } as unknown as DesiredTenant;
}

test('a grant of an app that is not there, or to a tenant that is not there, says so', () => {
  const grants: TenantConfig['grants'] = [
    { to: 'globex', app: 'site', access: 'http' },
    { to: 'globex', app: 'sit', access: 'http' },
    { to: 'nobody', path: '/data/shared', access: 'read' },
  ];
  const ledger = createGrantLedger(() => true, Date.now);
  const list = ledger.list([tenantWith('acme', ['site'], grants), tenantWith('globex', [], [])]);
  expect(list.map(({ app, isThere, appIsMissing }) => [app, isThere, appIsMissing ?? false])).toEqual([
    ['site', true, false],
    ['sit', true, true],
    [undefined, false, false],
  ]);
});
