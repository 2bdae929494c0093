import { beforeEach, describe, expect, test } from 'vitest';
import type { TenantName } from '../../../src/base/ids.ts';
import { EdgeCertificates, ownCertificateId } from '../../../src/daemon/edge-certificates.ts';
import type { TenantCertificate } from '../../../src/protocol/edge.ts';

const [acme, globex] = ['acme', 'globex'] as [TenantName, TenantName];
const id = ownCertificateId;

let told: string[];
let certificates: EdgeCertificates;

beforeEach(() => {
  told = [];
  certificates = new EdgeCertificates((method, params) => {
    const { tenant, chain } = params as TenantCertificate;
    told.push(method === 'set-certificate' ? `${tenant}: ${chain}` : `${tenant}: gone`);
  });
});

const set = (chain: string, tenant = acme): void => certificates.set({ tenant, id, chain, key: `key of ${chain}` });
const accept = (tenant = acme): void => certificates.judge({ tenant, id, names: ['acme.example', '*.shops.acme.example'] });
const refuse = (problem: string, tenant = acme): void => certificates.judge({ tenant, id, problem });
const state = (tenant = acme): unknown[] => {
  const { isServed, problem } = certificates.stateOf(tenant, id);
  return [isServed, problem];
};

describe('a certificate', () => {
  test('is told once, and again when its key or its chain changed', () => {
    set('one');
    set('one');
    certificates.set({ tenant: acme, id, chain: 'one', key: 'another key' });
    expect(told).toEqual(['acme: one', 'acme: one']);
  });

  test('counts as served when the edge says so, not before, and for the hosts that it says', () => {
    const hosts = [
      'acme.example',
      'a.shops.acme.example',
      '*.shops.acme.example',
      'a.b.shops.acme.example',
      'shops.acme.example',
      'example',
    ];
    const served = (tenant = acme): string[] => hosts.filter((host) => certificates.serves(tenant, host));
    set('one');
    expect([state(), served()]).toEqual([[false, undefined], []]);
    accept();
    expect([state(), served()]).toEqual([[true, undefined], hosts.slice(0, 3)]);
    expect(served(globex)).toEqual([]);
  });

  test('for one host is found by its host', () => {
    certificates.set({ tenant: acme, id: '*.shops.acme.example', chain: 'wild', key: 'key' });
    certificates.judge({ tenant: acme, id: '*.shops.acme.example', names: ['*.shops.acme.example'] });
    expect(['a.shops.acme.example', 'acme.example'].map((host) => certificates.serves(acme, host))).toEqual([true, false]);
  });

  test('goes with its tenant', () => {
    set('one');
    set('two', globex);
    certificates.removeAll(acme);
    certificates.removeAll(acme);
    certificates.remove(acme, id);
    expect(told).toEqual(['acme: one', 'globex: two', 'acme: gone']);
    expect(state()).toEqual([false, undefined]);
  });

  test('is told again with all others, to edges that know none', () => {
    set('one');
    set('two', globex);
    certificates.sendAll();
    expect(told).toEqual(['acme: one', 'globex: two', 'acme: one', 'globex: two']);
  });
});

describe('a certificate that the edge refuses', () => {
  beforeEach(() => {
    set('good');
    accept();
    set('bad');
  });

  test('is a problem, and the one before is told in its place', () => {
    refuse('the key is another one');
    expect(state()).toEqual([true, 'the key is another one']);
    certificates.sendAll();
    expect(told).toEqual(['acme: good', 'acme: bad', 'acme: good', 'acme: good']);
  });

  test('is one problem, however many edges say it, and stays one when they take the one before', () => {
    refuse('the key is another one');
    refuse('the key is another one');
    accept();
    accept();
    expect(told).toEqual(['acme: good', 'acme: bad', 'acme: good']);
    expect(state()).toEqual([true, 'the key is another one']);
  });

  test('is not told again while its files are the same', () => {
    refuse('the key is another one');
    set('bad');
    expect(told).toHaveLength(3);
  });

  test('is forgotten when a better one is there', () => {
    refuse('the key is another one');
    set('better');
    expect(state()).toEqual([true, undefined]);
    accept();
    expect(state()).toEqual([true, undefined]);
  });

  test('and the one before too, which has expired: both stay, without end to the telling', () => {
    refuse('the key is another one');
    for (let i = 0; i < 5; i++) refuse('the certificate expired');
    expect(told).toHaveLength(3);
    expect(state()[1]).toBe('the key is another one');
  });

  test('may be the first one: then none is served', () => {
    set('bad', globex);
    refuse('no certificate', globex);
    expect(state(globex)).toEqual([false, 'no certificate']);
    expect(told.filter((line) => line.startsWith('globex'))).toEqual(['globex: bad']);
  });
});

test('what was in service and is refused now is a problem, until an edge takes it again', () => {
  set('one');
  accept();
  refuse('the certificate expired');
  expect(state()).toEqual([true, 'the certificate expired']);
  accept();
  expect(state()).toEqual([true, undefined]);
});

test('words on certificates that nobody set are no trouble', () => {
  refuse('?');
  certificates.judge({ tenant: 'constructor', id: '__proto__' });
  expect([told, state()]).toEqual([[], [false, undefined]]);
});
