import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeQuery, typeA } from '../../support/dns-query.ts';
import { encodeStubAnswer, StubDns, type StubReply } from '../../support/stub-dns.ts';
import { until } from '../../support/until.ts';
import { ResolverUnderTest } from './resolver-under-test.ts';

const flooder = '127.0.0.2';
const good = '127.0.0.3';

let stub: StubDns;
let resolver: ResolverUnderTest;
let respond: StubDns['respond'];

beforeEach(async () => {
  respond = () => ({ answers: [{ type: 'A', value: '198.51.100.7', ttl: 300 }] });
  stub = await StubDns.start((question) => respond(question));
  resolver = await ResolverUnderTest.start({ flooder: { addresses: [flooder], names: 'any' }, good: { addresses: [good], names: 'any' } }, [
    stub.address,
  ]);
});

afterEach(async () => {
  await resolver[Symbol.asyncDispose]();
  await stub.close();
});

async function flood(queries: readonly Buffer[]): Promise<void> {
  const socket = createSocket('udp4').bind({ address: flooder, port: 0 });
  await once(socket, 'listening');
  for (const [index, query] of queries.entries()) {
    socket.send(query, resolver.port, '127.0.0.1');
    // The kernel's buffer is not what is tested.
    if (index % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
  }
  await until(async () => (resolver.counters.get('flooder')?.dropped ?? 0) > 0, 'some of the flood are dropped');
  socket.close();
}

const names = (count: number): Buffer[] => Array.from({ length: count }, (_, index) => encodeQuery(`n${index}.example`, typeA));

test('a tenant that asks too often is left without answers, and others are answered', async () => {
  await flood(names(2_000));
  const { queries = 0, dropped = 0 } = resolver.counters.get('flooder') ?? {};
  expect(queries).toBeLessThanOrEqual(1_001);
  expect(dropped).toBeGreaterThan(0);
  expect((await resolver.ask(good, 'www.example'))?.addresses).toEqual(['198.51.100.7']);
});

test('a tenant whose questions nobody answers has few of them open', async () => {
  respond = ({ name }): StubReply => (name.startsWith('n') ? 'silent' : { answers: [{ type: 'A', value: '198.51.100.7' }] });
  await flood(names(400));
  expect(new Set(stub.questions.map(({ name }) => name)).size).toBeLessThanOrEqual(129);
  expect((await resolver.ask(good, 'www.example'))?.addresses).toEqual(['198.51.100.7']);
});

test("a tenant's many names push out none of another's", async () => {
  await resolver.ask(good, 'www.example');
  for (let index = 0; index < 1_200; index += 1) {
    resolver.nowMs += 10;
    await resolver.ask(flooder, `n${index}.example`);
  }
  await resolver.ask(good, 'www.example');
  expect(stub.askedFor('www.example')).toBe(1);
  await resolver.ask(flooder, 'n0.example');
  expect(stub.askedFor('n0.example')).toBe(2);
});

test('connections of one client are few, and those that say nothing whole are closed', async () => {
  const sockets = Array.from({ length: 40 }, () => connect({ host: '127.0.0.1', port: resolver.port, localAddress: flooder }));
  const closed = new Set<object>();
  for (const socket of sockets) {
    socket.on('error', () => undefined);
    socket.on('close', () => closed.add(socket));
  }
  await until(() => closed.size >= 24, 'connections beyond the limit are closed');
  expect(closed.size).toBe(24);
  expect((await resolver.askByTcp(good, [encodeQuery('www.example', typeA)]))[0]?.addresses).toEqual(['198.51.100.7']);
  const open = sockets.find((socket) => !closed.has(socket));
  open?.write(Buffer.from('ffff00', 'hex'));
  await until(() => closed.has(open ?? {}), 'a question that is too long ends its connection');
  for (const socket of sockets) socket.destroy();
});

test('many questions on one connection are each answered, in any pieces', async () => {
  const queries = Array.from({ length: 60 }, (_, index) => encodeQuery(`m${index}.example`, typeA));
  const answers = await resolver.askByTcp(good, queries);
  expect(answers.map(({ addresses }) => addresses[0])).toEqual(queries.map(() => '198.51.100.7'));
});

/** The same numbers in every run. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state >>> 8;
  }
}

function mutate(bytes: Buffer, random: Generator<number, never>): Buffer {
  const changed = Buffer.from(bytes);
  for (let count = 1 + (random.next().value % 6); count > 0; count -= 1)
    changed[random.next().value % changed.length] = random.next().value & 255;
  const cut = random.next().value % 8;
  return cut === 0 ? changed.subarray(0, random.next().value % changed.length) : changed;
}

test('mutated questions end nothing, and lead to no name that nobody asked for', async () => {
  const random = numbers(1);
  resolver.setTenant('flooder', { addresses: [flooder], names: ['api.example'] });
  const query = encodeQuery('api.example', typeA, 1_232);
  const socket = createSocket('udp4').bind({ address: flooder, port: 0 });
  await once(socket, 'listening');
  for (let index = 0; index < 20_000; index += 1) {
    resolver.nowMs += 3;
    socket.send(mutate(query, random), resolver.port, '127.0.0.1');
    if (index % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await resolver.ask(good, 'www.example'))?.addresses).toEqual(['198.51.100.7']);
  socket.close();
  expect(new Set(stub.questions.map(({ name }) => name))).toEqual(new Set(['api.example', 'www.example']));
  expect(new Set(resolver.opened.map(({ name }) => name))).toEqual(new Set(['api.example']));
});

test('mutated answers end nothing, and no address is told that was not opened before', async () => {
  const random = numbers(2);
  const list = Array.from({ length: 400 }, (_, index) => `n${index}.example`);
  resolver.setTenant('good', { addresses: [good], names: list });
  respond = (question) => {
    const answer = encodeStubAnswer(question, {
      answers: [
        { type: 'CNAME', value: `alias.${question.name}` },
        { name: `alias.${question.name}`, type: 'A', value: '198.51.100.7' },
        { name: `alias.${question.name}`, type: 'A', value: '10.0.0.1' },
      ],
    });
    // Past the question, so that it counts; whole in the end, so that nobody waits.
    const head = question.query.length - (question.edns ? 11 : 0);
    const forged = Array.from({ length: 20 }, () => Buffer.concat([answer.subarray(0, head), mutate(answer.subarray(head), random)]));
    return [...forged, answer];
  };
  await until(async () => (await resolver.ask(good, 'www.example'))?.rcode === 5, 'the new list counts');
  for (const name of list) {
    resolver.nowMs += 100;
    const answered = await resolver.ask(good, name);
    const opened = resolver.opened.filter((each) => each.name === name).flatMap(({ addresses }) => addresses.map(({ address }) => address));
    expect(opened).toEqual(expect.arrayContaining(answered?.addresses ?? ['no answer']));
    expect(answered?.addresses).not.toContain('10.0.0.1');
  }
  expect(resolver.opened.length).toBeGreaterThan(50);
});
