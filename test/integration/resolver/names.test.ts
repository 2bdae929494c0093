import { Resolver } from 'node:dns/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeQuery, typeA, typeAaaa } from '../../support/dns-query.ts';
import { fromTable, StubDns } from '../../support/stub-dns.ts';
import { ResolverUnderTest } from './resolver-under-test.ts';

const acme = '127.0.0.2';
const globex = '127.0.0.3';
const refused = 5;

let stub: StubDns;
let resolver: ResolverUnderTest;

beforeEach(async () => {
  stub = await StubDns.start(
    fromTable({
      'api.test': [
        { type: 'A', value: '198.51.100.7' },
        { type: 'AAAA', value: '2600:9000::7' },
      ],
      'alias.test': [
        { type: 'CNAME', value: 'middle.test', ttl: 20 },
        { name: 'middle.test', type: 'CNAME', value: 'end.test' },
        { name: 'end.test', type: 'A', value: '198.51.100.8' },
      ],
      'open-alias.test': [{ type: 'CNAME', value: 'api.test', ttl: 15 }],
      'circle.test': [{ type: 'CNAME', value: 'circle.test' }],
      'empty.test': [],
      'poison.test': [
        { name: 'api.test', type: 'A', value: '198.51.100.66' },
        { type: 'A', value: '198.51.100.9' },
      ],
      'inside.test': [{ type: 'A', value: '10.0.0.5' }],
      'half-inside.test': [
        { type: 'A', value: '169.254.169.254' },
        { type: 'A', value: '198.51.100.10' },
      ],
      'six.test': [
        { type: 'AAAA', value: 'fd00:ec2::254' },
        { type: 'AAAA', value: '::ffff:10.0.0.5'.replace('10.0.0.5', 'a00:5') },
        { type: 'AAAA', value: '64:ff9b::a00:5' },
      ],
      'own.test': [{ type: 'A', value: '127.0.0.1' }],
      'srv.test': [
        { type: 'SRV', value: 'api.test' },
        { type: 'TXT', value: 'replicaSet=main' },
        { type: 'MX', value: 'mail.test' },
      ],
      'www.wild.test': [{ type: 'A', value: '198.51.100.11' }],
    }),
  );
  resolver = await ResolverUnderTest.start(
    {
      acme: {
        addresses: [acme, 'fd00::2'],
        names: [
          ...['api', 'alias', 'open-alias', 'circle', 'empty', 'poison', 'inside', 'half-inside', 'six', 'own', 'srv', 'missing'].map(
            (name) => `${name}.test`,
          ),
          '*.wild.test',
        ],
      },
      globex: { addresses: [globex], names: 'any' },
    },
    [stub.address],
  );
});

afterEach(async () => {
  await resolver[Symbol.asyncDispose]();
  await stub.close();
});

describe('a name on the list', () => {
  test('is answered when its addresses are open, and not before', async () => {
    const { promise: mayAnswer, resolve: letThrough } = Promise.withResolvers<void>();
    const { promise: asked, resolve: noteAsked } = Promise.withResolvers<void>();
    resolver.onOpen = () => {
      noteAsked();
      return mayAnswer;
    };
    let isAnswered = false;
    const answer = resolver.ask(acme, 'api.test').then((answered) => {
      isAnswered = true;
      return answered;
    });
    await asked;
    // Another question is answered meanwhile, the first is not.
    expect((await resolver.ask(acme, 'nobody.test'))?.rcode).toBe(refused);
    expect(isAnswered).toBe(false);
    letThrough();
    expect(await answer).toMatchObject({ rcode: 0, addresses: ['198.51.100.7'], ttls: [60] });
    expect(resolver.opened).toEqual([{ tenant: 'acme', name: 'api.test', addresses: [{ address: '198.51.100.7', ttlSeconds: 60 }] }]);
  });

  test('has addresses of both kinds', async () => {
    expect(await resolver.ask(acme, 'api.test', typeAaaa)).toMatchObject({ rcode: 0, addresses: ['26009000000000000000000000000007'] });
    expect(resolver.opened[0]?.addresses).toEqual([{ address: '2600:9000::7', ttlSeconds: 60 }]);
  });

  test("can be asked for by Node's own resolver, in any case of letters", async () => {
    const client = new Resolver();
    client.setServers([`127.0.0.1:${resolver.port}`]);
    client.setLocalAddress(acme);
    expect(await client.resolve4('API.test', { ttl: true })).toEqual([{ address: '198.51.100.7', ttl: 60 }]);
    expect(await client.resolve4('www.wild.test')).toEqual(['198.51.100.11']);
    await expect(client.resolve4('other.test')).rejects.toMatchObject({ code: 'EREFUSED' });
    await expect(client.resolve4('missing.test')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await expect(client.resolveMx('api.test')).rejects.toMatchObject({ code: 'ENODATA' });
  });

  test('is followed through aliases, with the least of their times', async () => {
    expect(await resolver.ask(acme, 'alias.test')).toMatchObject({ addresses: ['198.51.100.8'], ttls: [20] });
  });

  test('is followed by us where the upstream does not', async () => {
    expect(await resolver.ask(acme, 'open-alias.test')).toMatchObject({ addresses: ['198.51.100.7'], ttls: [15] });
    expect(resolver.opened[0]?.name).toBe('open-alias.test');
  });

  test('that leads in a circle has no addresses', async () => {
    expect((await resolver.ask(acme, 'circle.test'))?.addresses).toEqual([]);
    expect(stub.askedFor('circle.test')).toBeLessThan(10);
  });

  test('has none of the addresses that an answer has for other names', async () => {
    expect((await resolver.ask(acme, 'poison.test'))?.addresses).toEqual(['198.51.100.9']);
    expect((await resolver.ask(acme, 'api.test'))?.addresses).toEqual(['198.51.100.7']);
  });

  test('that does not exist, or has no such record, is told so', async () => {
    expect(await resolver.ask(acme, 'missing.test')).toMatchObject({ rcode: 3, addresses: [] });
    expect(await resolver.ask(acme, 'empty.test')).toMatchObject({ rcode: 0, addresses: [] });
    expect(resolver.opened).toEqual([]);
  });

  test('has records that say where to connect to, and nothing is opened for them', async () => {
    const client = new Resolver();
    client.setServers([`127.0.0.1:${resolver.port}`]);
    client.setLocalAddress(acme);
    expect(await client.resolveSrv('srv.test')).toMatchObject([{ name: 'api.test', port: 0, priority: 0, weight: 0 }]);
    expect(await client.resolveTxt('srv.test')).toEqual([['replicaSet=main']]);
    expect(await client.resolveMx('srv.test')).toMatchObject([{ exchange: 'mail.test', priority: 0 }]);
    await expect(client.resolveSrv('mail.test')).rejects.toMatchObject({ code: 'EREFUSED' });
    expect(resolver.opened).toEqual([]);
  });

  test.each([
    ['HTTPS', 65],
    ['NS', 2],
    ['CNAME', 5],
  ])('has no %s records, and nobody is asked for them', async (_what, type) => {
    expect(await resolver.ask(acme, 'api.test', type)).toMatchObject({ rcode: 0, addresses: [] });
    expect(stub.questions).toEqual([]);
  });

  test('is not transferred, nor told all of', async () => {
    for (const type of [251, 252, 255]) expect((await resolver.ask(acme, 'api.test', type))?.rcode).toBe(4);
  });
});

describe('addresses that no name may open', () => {
  test('private ones are withheld, counted and told to the operator', async () => {
    expect(await resolver.ask(acme, 'inside.test')).toMatchObject({ rcode: 0, addresses: [] });
    expect(resolver.opened).toEqual([]);
    expect(resolver.log.filter((line) => line.includes('inside.test'))).toEqual([expect.stringContaining('10.0.0.5')]);
  });

  test('those beside a public one are left out', async () => {
    expect((await resolver.ask(acme, 'half-inside.test'))?.addresses).toEqual(['198.51.100.10']);
    expect(resolver.opened[0]?.addresses.length).toBe(1);
  });

  test('also in IPv6: unique local, mapped and translated ones', async () => {
    expect(await resolver.ask(acme, 'six.test', typeAaaa)).toMatchObject({ rcode: 0, addresses: [] });
  });

  test("the machine's own are withheld", async () => {
    expect((await resolver.ask(acme, 'own.test'))?.addresses).toEqual([]);
  });

  test('also for a tenant that may reach anything', async () => {
    expect(await resolver.ask(globex, 'inside.test')).toMatchObject({ rcode: 0, addresses: [] });
  });
});

describe('a name that is not on the list', () => {
  test.each(['other.test', 'data-to-carry-out.api.test', 'wild.test', 'test', 'api.test.evil.test'])(
    '%s is refused, and nobody is asked for it',
    async (name) => {
      expect(await resolver.ask(acme, name)).toMatchObject({ rcode: refused, addresses: [] });
      expect(stub.questions).toEqual([]);
    },
  );

  test('is not made to look like one by a dot in a label', async () => {
    const query = Buffer.concat([encodeQuery('x', typeA).subarray(0, 12), Buffer.from('\u0008api.test\0\0\u0001\0\u0001', 'latin1')]);
    expect((await resolver.askRaw(acme, query))?.readUInt16BE(2)).toBe(0x81_85);
  });
});

describe('a tenant that may reach anything', () => {
  test('is answered for every public name, and nothing is opened', async () => {
    expect((await resolver.ask(globex, 'api.test'))?.addresses).toEqual(['198.51.100.7']);
    expect(resolver.opened).toEqual([]);
  });

  test.each(['intranet', 'db.internal', 'printer.local', 'app.localhost'])('but not for %s', async (name) => {
    expect((await resolver.ask(globex, name))?.rcode).toBe(refused);
    expect(stub.questions).toEqual([]);
  });
});

test('who is no tenant gets no answer', async () => {
  expect(await resolver.ask('127.0.0.9', 'api.test', typeA, 200)).toBeUndefined();
  expect(await resolver.askByTcp('127.0.0.9', [encodeQuery('api.test', typeA)])).toEqual([]);
  expect(stub.questions).toEqual([]);
});
