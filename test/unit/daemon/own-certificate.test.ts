import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { starterPlan } from '../../../src/config/plans.ts';
import { parseTenantConfig } from '../../../src/config/tenant-config.ts';
import { EdgeCertificates, ownCertificateId } from '../../../src/daemon/edge-certificates.ts';
import { createOwnCertificate, type OwnCertificate } from '../../../src/daemon/own-certificate.ts';
import { createPaths } from '../../../src/daemon/paths.ts';
import { openStore } from '../../../src/daemon/store.ts';
import { createTenantPicture, type TenantPicture } from '../../../src/daemon/tenant-picture.ts';
import { createRecordingLog, type LogEntry } from './recording-log.ts';
import { temporaryFolder } from './temporary-folder.ts';

const acme = 'acme' as TenantName;
const secret = 'c2VjcmV0';

let dir: string;
let told: string[];
let entries: LogEntry[];
let picture: TenantPicture;
let certificates: EdgeCertificates;
let certificate: OwnCertificate;

beforeEach(() => {
  const folder = temporaryFolder();
  dir = join(folder, 'tenants', 'acme');
  mkdirSync(dir, { recursive: true });
  const store = openStore(join(folder, 'state.db'), { first: 200_000, count: 10, isTaken: () => false });
  onTestFinished(() => store.close());
  told = [];
  const recording = createRecordingLog();
  entries = recording.entries;
  picture = createTenantPicture(store, acme);
  certificates = new EdgeCertificates((method, params) => told.push(`${method} ${JSON.stringify(params)}`));
  const paths = createPaths({ tenantsDir: join(folder, 'tenants'), stateDir: folder, runDir: folder, logDir: folder });
  certificate = createOwnCertificate({ edge: { certificates }, picture, paths, tenant: acme, log: recording.log });
});

const withFiles = 'domains: [acme.example]\ntls:\n  certificate: a.pem\n  key: a.key\n';

function want(text: string): void {
  const { config } = parseTenantConfig(text, `${dir}/tenant.yaml`, {
    tenant: acme,
    plans: new Map([['starter', starterPlan]]),
    defaultPlan: 'starter',
  });
  if (!config) throw new Error(`broken: ${text}`);
  const rest = {
    apps: [],
    appsDirId: '',
    appsDir: `${dir}/apps`,
    owners: new Map<string, TenantName>(),
    sharedBy: [],
    problems: [],
    suspended: false,
  };
  picture.setDesired({ tenant: acme, config, domains: config.domains, ...rest });
}

function put(chain: string, key = `${secret} ${chain}`): void {
  writeFileSync(join(dir, 'a.pem'), chain);
  writeFileSync(join(dir, 'a.key'), key);
}

const message = (chain: string): string =>
  `set-certificate ${JSON.stringify({ tenant: acme, id: ownCertificateId, chain, key: `${secret} ${chain}` })}`;
const judge = (problem?: string): void => certificates.judge({ tenant: acme, id: ownCertificateId, problem });

describe('a look at the files', () => {
  test('tells the edge of what is new in them, once', async () => {
    want(withFiles);
    put('one');
    await certificate.look();
    await certificate.look();
    put('two');
    await certificate.look();
    expect(told).toEqual([message('one'), message('two')]);
    expect(certificate.problems()).toEqual([]);
  });

  test('that can not be read is a problem, logged once, and tells the edge nothing', async () => {
    want(withFiles);
    put('one');
    await certificate.look();
    rmSync(join(dir, 'a.key'));
    await certificate.look();
    await certificate.look();
    expect(told).toEqual([message('one')]);
    expect(certificate.problems()).toMatchObject([{ code: 'TENANTD_E_FILE_MISSING', file: `${dir}/tenant.yaml`, line: 3, column: 16 }]);
    expect(entries.map(({ level }) => level)).toEqual(['warn']);
    put('one');
    await certificate.look();
    expect(certificate.problems()).toEqual([]);
  });

  test('tells the edge that there is none when tenant.yaml names none', async () => {
    want(withFiles);
    put('one');
    await certificate.look();
    want('domains: [acme.example]');
    await certificate.look();
    await certificate.look();
    expect(told).toEqual([message('one'), `remove-certificate {"tenant":"acme","id":"${ownCertificateId}"}`]);
  });

  test('and that there is none of a tenant that nobody wants any more', async () => {
    want(withFiles);
    put('one');
    await certificate.look();
    picture.setDesired(undefined);
    await certificate.look();
    expect(told).toHaveLength(2);
    expect(certificate.problems()).toEqual([]);
  });
});

describe('what the edge refuses', () => {
  test('is a problem of the line that names it, which says what is served', async () => {
    want(withFiles);
    put('one');
    await certificate.look();
    judge('the key is another one');
    const problem = { code: 'TENANTD_E_CERTIFICATE', file: `${dir}/tenant.yaml`, line: 3, column: 16 };
    expect(certificate.problems()).toMatchObject([{ ...problem, message: '`tls.certificate`, a.pem: the key is another one' }]);
    put('two');
    await certificate.look();
    judge();
    put('three');
    await certificate.look();
    judge('no');
    expect(certificate.problems()).toMatchObject([{ ...problem, message: '`tls.certificate`, a.pem: no; the one before it is served' }]);
  });
});

describe('the domains that need another certificate', () => {
  const domains = 'domains: [acme.example, a.acme.example, b.a.acme.example]\n';

  test('are all of them where the tenant has none of its own, and none of a tenant that is gone', () => {
    want(domains);
    expect(certificate.uncovered()).toEqual(['acme.example', 'a.acme.example', 'b.a.acme.example']);
    picture.setDesired(undefined);
    expect(certificate.uncovered()).toEqual([]);
  });

  test('are those that it does not cover, as soon as the edge has told', async () => {
    want(withFiles.replace('domains: [acme.example]\n', domains));
    put('one');
    await certificate.look();
    expect(certificate.uncovered()).toBeUndefined();
    certificates.judge({ tenant: acme, id: ownCertificateId, names: ['*.acme.example', 'acme.example'] });
    expect(certificate.uncovered()).toEqual(['b.a.acme.example']);
    put('two');
    await certificate.look();
    judge('no');
    expect(certificate.uncovered()).toEqual(['b.a.acme.example']);
  });

  test('are all of them when its files can not be used', async () => {
    want(withFiles.replace('domains: [acme.example]\n', domains));
    await certificate.look();
    expect(certificate.uncovered()).toHaveLength(3);
    put('one');
    await certificate.look();
    expect(certificate.uncovered()).toBeUndefined();
    judge('no');
    expect(certificate.uncovered()).toHaveLength(3);
  });
});

test('no byte of a key is in a problem or the log', async () => {
  want(withFiles);
  for (const key of [`${secret}\u0001`, `${secret}${'x'.repeat(1 << 17)}`, secret]) {
    put('one', key);
    await certificate.look();
    judge('no');
    expect(JSON.stringify([certificate.problems(), entries])).not.toContain(secret);
    expect(certificate.problems()).toHaveLength(1);
  }
});
