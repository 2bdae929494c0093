import { once } from 'node:events';
import { type Duplex, duplexPair } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { TenantdError } from '../../../src/base/errors.ts';
import { createChannel, Upgrade } from '../../../src/protocol/channel.ts';

/** Answers `talk` by an upgrade, and says these bytes at once. */
function serve(stream: Duplex, words: Buffer) {
  const taken = Promise.withResolvers<Duplex>();
  const channel = createChannel({
    stream,
    handlers: {
      talk: (params) =>
        new Upgrade({ heard: params }, (raw) => {
          raw.write(words);
          taken.resolve(raw);
        }),
      refuse() {
        throw new TenantdError('TENANTD_E_DENIED', 'no', 'ask somebody else');
      },
      plain: () => 'answer',
    },
  });
  return { channel, taken: taken.promise };
}

/** Binary, with newlines, braces and the start of something that could be a message. */
const words = Buffer.from([0x7b, 0x0a, 0x00, 0xff, 0x0a, 0x0a, 0x22, 0x7d, 0x0a, 0x80]);

test('a connection is upgraded: what was said right after the answer comes as it went, and both ends may talk', async () => {
  const [left, right] = duplexPair();
  const client = createChannel({ stream: left, handlers: {} });
  const server = serve(right, words);
  const { result, stream } = await client.upgrade('talk', { to: 'acme' });
  expect(result).toEqual({ heard: { to: 'acme' } });
  stream.end('bye\n{}');
  const raw = await server.taken;
  raw.end();
  expect(await buffer(stream)).toEqual(words);
  expect(String(await buffer(raw))).toBe('bye\n{}');
  await Promise.all([client.closed, server.channel.closed]);
});

test('the answer and the bytes after it may come in one piece, or byte by byte', async () => {
  for (const pieceBytes of [1, 1_000]) {
    const [left, right] = duplexPair();
    const client = createChannel({ stream: left, handlers: {} });
    const upgraded = client.upgrade('talk', {});
    await once(right, 'data');
    const all = Buffer.concat([Buffer.from('{"jsonrpc":"2.0","id":1,"result":null}\n'), words]);
    for (let start = 0; start < all.length; start += pieceBytes) right.write(all.subarray(start, start + pieceBytes));
    right.end();
    expect(await buffer((await upgraded).stream)).toEqual(words);
  }
});

test('a refusal leaves the channel as it is', async () => {
  const [left, right] = duplexPair();
  const client = createChannel({ stream: left, handlers: {} });
  serve(right, words);
  await expect(client.upgrade('refuse', {})).rejects.toThrow('no');
  expect(await client.request('plain', {})).toBe('answer');
  client.close();
});

test('what else was asked over the connection ends with an error', async () => {
  const [left, right] = duplexPair();
  const client = createChannel({ stream: left, handlers: {} });
  createChannel({ stream: right, handlers: { never: () => new Promise(() => {}), talk: () => new Upgrade(null, () => {}) } });
  const other = client.request('never', {});
  const [outcome] = await Promise.all([other.catch((error: unknown) => error), client.upgrade('talk', {})]);
  expect(outcome).toMatchObject({ code: 'TENANTD_E_UNREACHABLE' });
  await expect(client.request('plain', {})).rejects.toThrow('closed');
});

test('whoever is to take the connection is told of it also when the client left meanwhile', async () => {
  const [left, right] = duplexPair();
  const started = Promise.withResolvers<void>();
  const ready = Promise.withResolvers<void>();
  const taken = Promise.withResolvers<Duplex>();
  createChannel({
    stream: right,
    handlers: {
      async talk() {
        started.resolve();
        await ready.promise;
        return new Upgrade(null, taken.resolve);
      },
    },
  });
  left.write('{"jsonrpc":"2.0","id":1,"method":"talk"}\n');
  await started.promise;
  left.destroy();
  right.destroy();
  ready.resolve();
  expect((await taken.promise).destroyed).toBe(true);
});

test('one that nobody waits for ends the connection, and what it holds is given a stream that has ended', async () => {
  const [left, right] = duplexPair();
  const client = createChannel({ stream: left, handlers: {} });
  const server = serve(right, words);
  client.notify('talk', {});
  await server.channel.closed;
  expect((await server.taken).destroyed).toBe(true);
});
