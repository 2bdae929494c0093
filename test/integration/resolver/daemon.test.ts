import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeQuery, typeA } from '../../support/dns-query.ts';
import { fromTable, StubDns } from '../../support/stub-dns.ts';
import { until } from '../../support/until.ts';
import { ResolverUnderTest } from './resolver-under-test.ts';

const acme = '127.0.0.2';
const globex = '127.0.0.3';
const refused = 5;
const serverFailure = 2;

let stub: StubDns;
let resolver: ResolverUnderTest;

beforeEach(async () => {
  stub = await StubDns.start(
    fromTable({ 'api.test': [{ type: 'A', value: '198.51.100.7' }], 'new.test': [{ type: 'A', value: '198.51.100.8' }] }),
  );
  resolver = await ResolverUnderTest.start(
    { acme: { addresses: [acme], names: ['api.test', 'new.test'] }, globex: { addresses: [globex], names: ['api.test'] } },
    [stub.address],
  );
});

afterEach(async () => {
  await resolver[Symbol.asyncDispose]();
  await stub.close();
});

describe('a tenant', () => {
  test('has its own addresses opened, also for what another asked before', async () => {
    await resolver.ask(acme, 'api.test');
    await resolver.ask(globex, 'api.test');
    await resolver.ask(globex, 'api.test');
    expect(resolver.opened.map(({ tenant }) => tenant)).toEqual(['acme', 'globex']);
    expect(stub.questions.length).toBe(1);
  });

  test('whose list changes is answered by the new one at once, and has its addresses opened again', async () => {
    await resolver.ask(acme, 'api.test');
    resolver.setTenant('acme', { addresses: [acme], names: ['api.test'] });
    await until(async () => (await resolver.ask(acme, 'new.test'))?.rcode === refused, 'the name is refused');
    await resolver.ask(acme, 'api.test');
    expect(resolver.opened.filter(({ name }) => name === 'api.test').length).toBe(2);
  });

  test('that is removed gets no answer any more, and who has its address then gets only its own', async () => {
    delete resolver.tenants['acme'];
    resolver.tell('remove-tenant', { tenant: 'acme' as never });
    await resolver.ask(globex, 'api.test');
    expect(await resolver.ask(acme, 'api.test', 1, 200)).toBeUndefined();
    resolver.setTenant('initech', { addresses: [acme], names: ['new.test'] });
    await until(async () => (await resolver.ask(acme, 'api.test', 1, 200))?.rcode === refused, 'the address is of another tenant');
  });

  test('is told nothing when the daemon opens nothing', async () => {
    resolver.onOpen = () => {
      throw new Error('its list has no such name');
    };
    expect(await resolver.ask(acme, 'api.test')).toMatchObject({ rcode: serverFailure, addresses: [] });
  });

  test('is counted: what it asked, and what it was refused', async () => {
    await resolver.ask(acme, 'api.test');
    await resolver.ask(acme, 'evil.test');
    await until(() => (resolver.counters.get('acme')?.refusedNames ?? 0) > 0, 'the counters are told');
    expect(resolver.counters.get('acme')).toMatchObject({ lastRefusedName: 'evil.test', refusedAnswers: 0, dropped: 0 });
  });
});

test('the strangest name is told in a way that the daemon reads', async () => {
  const label = Buffer.concat([Buffer.from([60]), Buffer.alloc(60, 0x1b)]);
  const name = Buffer.concat([label, label, label, label, Buffer.from([0])]);
  const plain = encodeQuery('x', typeA);
  const answer = await resolver.askRaw(acme, Buffer.concat([plain.subarray(0, 12), name, plain.subarray(-4)]));
  expect((answer?.readUInt16BE(2) ?? 0) & 15).toBe(refused);
  await until(() => resolver.counters.get('acme')?.lastRefusedName?.startsWith('\\027') === true, 'the name is told');
});

describe('while the daemon is away', () => {
  test('what is open is answered, and what is not waits until it is back', async () => {
    await resolver.ask(acme, 'api.test');
    await resolver.daemonVanishes();
    expect((await resolver.ask(acme, 'api.test'))?.addresses).toEqual(['198.51.100.7']);
    const waiting = resolver.ask(acme, 'new.test');
    await until(() => stub.askedFor('new.test') === 1, 'the upstream was asked');
    await resolver.daemonReturns();
    expect((await waiting)?.addresses).toEqual(['198.51.100.8']);
    expect(resolver.opened.map(({ name }) => name)).toEqual(['api.test', 'new.test']);
  });

  test('and stays away, a client is told to ask again', async () => {
    await resolver.daemonVanishes();
    expect((await resolver.ask(acme, 'api.test'))?.rcode).toBe(serverFailure);
  });

  test('a snapshot that breaks off changes nothing', async () => {
    resolver.tell('snapshot-begin', {});
    await resolver.daemonVanishes();
    expect((await resolver.ask(acme, 'other.test'))?.rcode).toBe(refused);
  });

  test('and then knows some tenants, it is asked for those alone, and the others are answered as before', async () => {
    await resolver.ask(globex, 'api.test');
    await resolver.daemonVanishes();
    resolver.knowsAll = false;
    resolver.tenants = { acme: { addresses: [acme], names: ['new.test'] } };
    await resolver.daemonReturns();
    await until(async () => (await resolver.ask(acme, 'new.test'))?.rcode === 0, 'the daemon opens');
    expect((await resolver.ask(globex, 'api.test'))?.addresses).toEqual(['198.51.100.7']);
    resolver.setTenant('globex', { addresses: [globex], names: ['new.test'] });
    await until(async () => (await resolver.ask(globex, 'new.test'))?.rcode === 0, 'the daemon opens for the other, too');
  });

  test('it may forget a tenant: then it gets no answer', async () => {
    delete resolver.tenants['acme'];
    await resolver.daemonVanishes();
    await resolver.daemonReturns();
    await until(async () => (await resolver.ask(acme, 'api.test', 1, 100)) === undefined, 'the tenant is forgotten');
    expect((await resolver.ask(globex, 'api.test'))?.addresses).toEqual(['198.51.100.7']);
  });
});
