import { afterEach, describe, expect, test } from 'vitest';
import { encodeQuery, typeA } from '../../support/dns-query.ts';
import { encodeStubAnswer, fromTable, StubDns, type StubReply } from '../../support/stub-dns.ts';
import { ResolverUnderTest } from './resolver-under-test.ts';

const acme = '127.0.0.2';
const right = { answers: [{ type: 'A', value: '198.51.100.7' }] } as const;
const wrong = { answers: [{ type: 'A', value: '198.51.100.66' }] } as const;
/** Small in all its letters by chance: once in thirty million times. */
const longName = 'a-name-of-many-letters.test';
const formatError = 1;
const serverFailure = 2;

const stubs: StubDns[] = [];
let resolver: ResolverUnderTest;

async function start(...respond: StubDns['respond'][]): Promise<StubDns[]> {
  for (const each of respond) stubs.push(await StubDns.start(each));
  const names = ['api.test', longName, ...Array.from({ length: 40 }, (_, index) => `n${index}.test`)];
  resolver = await ResolverUnderTest.start(
    { acme: { addresses: [acme], names } },
    stubs.map(({ address }) => address),
  );
  return stubs;
}

afterEach(async () => {
  await resolver[Symbol.asyncDispose]();
  await Promise.all(stubs.splice(0).map((stub) => stub.close()));
});

const flipped = (bytes: Buffer, at: number, mask: number): Buffer => {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ mask;
  return changed;
};

describe('another server is asked', () => {
  test.each<[string, StubReply]>([
    ['when one does not answer', 'silent'],
    ['when one fails', { rcode: serverFailure }],
    ['when one refuses', { rcode: 5 }],
    ['when one answers with noise', Buffer.from('noise')],
  ])('%s', async (_what, reply) => {
    await start(
      () => reply,
      () => right,
    );
    expect((await resolver.ask(acme, 'api.test'))?.addresses).toEqual(['198.51.100.7']);
  });

  test('and the one that knew is asked first from then on', async () => {
    const [failing, knowing] = await start(
      () => ({ rcode: serverFailure }),
      () => right,
    );
    await resolver.ask(acme, 'api.test');
    await resolver.ask(acme, 'n1.test');
    expect([failing?.askedFor('n1.test'), knowing?.askedFor('n1.test')]).toEqual([0, 1]);
  });
});

test('nobody who knows: the client is told to ask again', async () => {
  await start(() => ({ rcode: serverFailure }));
  expect(await resolver.ask(acme, 'api.test')).toMatchObject({ rcode: serverFailure, addresses: [] });
});

test('no server at all: the client is told so at once', async () => {
  await start();
  expect((await resolver.ask(acme, 'api.test'))?.rcode).toBe(serverFailure);
});

test('a packet that got lost is asked for again', async () => {
  const [stub] = await start((question) => (stub?.askedFor(question.name) === 1 ? 'silent' : right));
  expect((await resolver.ask(acme, 'api.test'))?.addresses).toEqual(['198.51.100.7']);
});

describe('an answer counts only', () => {
  test.each<[string, (answer: Buffer) => Buffer]>([
    ['with the id of the question', (answer) => flipped(answer, 0, 0xff)],
    ['when it is an answer', (answer) => flipped(answer, 2, 0x80)],
    ['for the same name', (answer) => flipped(answer, 13, 0x01)],
    ['for the same type', (answer) => flipped(answer, 12 + 'api.test'.length + 3, 0x01)],
    ['when it is whole', (answer) => answer.subarray(0, -1)],
    ['when nothing follows it', (answer) => Buffer.concat([answer, Buffer.from('x')])],
    ['when its names do not point in circles', (answer) => flipped(answer, 12 + 'api.test'.length + 2 + 4 + 1, 12 ^ 26)],
  ])('%s: another one is not taken for it', async (_what, forge) => {
    await start((question) => [forge(encodeStubAnswer(question, wrong)), encodeStubAnswer(question, right)]);
    expect((await resolver.ask(acme, 'api.test'))?.addresses).toEqual(['198.51.100.7']);
  });

  test('by UDP, in the random case of letters that was sent; otherwise it is asked by TCP', async () => {
    const [stub] = await start((question) =>
      question.transport === 'tcp'
        ? right
        : Buffer.from(
            encodeStubAnswer(question, wrong)
              .toString('latin1')
              .replace(/a-name-of-many-letters/i, 'a-name-of-many-letters')
              .replace(/test/i, 'test'),
            'latin1',
          ),
    );
    const names = Array.from({ length: 8 }, (_, index) => `n${index}.test`);
    await Promise.all(names.map((name) => resolver.ask(acme, name)));
    expect((await resolver.ask(acme, longName))?.addresses).toEqual(['198.51.100.7']);
    const asked = stub?.questions.filter(({ transport }) => transport === 'udp').map(({ query }) => query.toString('latin1', 12, 22)) ?? [];
    expect(new Set(asked.map((name) => name.toLowerCase())).size).toBeLessThan(new Set(asked).size + 1);
    expect(asked.some((name) => name !== name.toLowerCase())).toBe(true);
  });
});

test('what does not fit a packet is asked for by TCP', async () => {
  const [stub] = await start(({ transport }) => (transport === 'tcp' ? right : { truncated: true }));
  expect((await resolver.ask(acme, 'api.test'))?.addresses).toEqual(['198.51.100.7']);
  expect(stub?.questions.map(({ transport }) => transport)).toEqual(['udp', 'tcp']);
});

test('a server that knows no EDNS is asked without it, from then on', async () => {
  const [stub] = await start(({ edns }) => (edns ? { rcode: formatError } : right));
  expect((await resolver.ask(acme, 'api.test'))?.addresses).toEqual(['198.51.100.7']);
  await resolver.ask(acme, 'n1.test');
  expect(stub?.questions.map(({ edns }) => edns)).toEqual([true, false, false]);
});

test('ids, and ports, are not to be guessed', async () => {
  const [stub] = await start(() => right);
  for (let index = 0; index < 40; index += 1) await resolver.ask(acme, `n${index}.test`);
  const ids = new Set(stub?.questions.map(({ query }) => query.readUInt16BE(0)));
  expect(ids.size).toBeGreaterThan(35);
});

describe('what is known', () => {
  test('is not asked for again until its time is up', async () => {
    const [stub] = await start(fromTable({ 'api.test': [{ type: 'A', value: '198.51.100.7', ttl: 30 }] }));
    expect((await resolver.ask(acme, 'api.test'))?.ttls).toEqual([30]);
    resolver.nowMs += 20_000;
    expect((await resolver.ask(acme, 'api.test'))?.ttls).toEqual([10]);
    expect(stub?.questions.length).toBe(1);
    expect(resolver.opened.length).toBe(1);
    resolver.nowMs += 10_000;
    expect((await resolver.ask(acme, 'api.test'))?.ttls).toEqual([30]);
    expect(stub?.questions.length).toBe(2);
    expect(resolver.opened.length).toBe(2);
  });

  test.each([
    [0, 5],
    [86_400, 300],
  ])('for %d seconds is kept for %d', async (ttl, kept) => {
    await start(fromTable({ 'api.test': [{ type: 'A', value: '198.51.100.7', ttl }] }));
    expect((await resolver.ask(acme, 'api.test'))?.ttls).toEqual([kept]);
  });

  test('not to exist, too', async () => {
    const [stub] = await start(fromTable({}));
    for (const _ of [1, 2]) expect((await resolver.ask(acme, 'api.test'))?.rcode).toBe(3);
    expect(stub?.questions.length).toBe(1);
    resolver.nowMs += 31_000;
    await resolver.ask(acme, 'api.test');
    expect(stub?.questions.length).toBe(2);
  });

  test('is asked for once when many ask at once', async () => {
    const { promise, resolve } = Promise.withResolvers<StubReply>();
    const [stub] = await start(() => promise);
    const answers = Array.from({ length: 30 }, () => resolver.ask(acme, 'api.test'));
    // Another name's question is answered to all: by then the first is on its way.
    await resolver.ask(acme, 'nobody.test');
    resolve(right);
    const addresses = (await Promise.all(answers)).map((answer) => answer?.addresses);
    expect(addresses).toEqual(answers.map(() => ['198.51.100.7']));
    expect(stub?.questions.length).toBe(1);
    expect(resolver.opened.length).toBe(1);
  });
});

describe('long answers', () => {
  const many = Array.from({ length: 32 }, (_, index) => ({ type: 'A', value: `198.51.100.${index}` }) as const);

  test('are cut for clients that take small packets only, and whole by TCP', async () => {
    await start(() => ({ answers: many }));
    expect(await resolver.ask(acme, 'api.test')).toMatchObject({ truncated: true, addresses: [] });
    const extended = await resolver.askRaw(acme, encodeQuery('api.test', typeA, 4_096));
    expect([extended?.readUInt16BE(6), (extended?.readUInt16BE(2) ?? 0) & 0x02_00]).toEqual([32, 0]);
    const [byTcp] = await resolver.askByTcp(acme, [encodeQuery('api.test', typeA)]);
    expect(byTcp).toMatchObject({ truncated: false, addresses: many.map(({ value }) => value) });
  });

  test('have no more than 32 addresses', async () => {
    await start(() => ({ answers: [...many, ...many] }));
    const [byTcp] = await resolver.askByTcp(acme, [encodeQuery('api.test', typeA)]);
    expect(byTcp?.addresses.length).toBe(32);
  });
});
