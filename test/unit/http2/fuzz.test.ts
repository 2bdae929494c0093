import { describe, expect, test } from 'vitest';
import { DecoderTable } from '../../../src/http2/decoder-table.ts';
import { HpackDecoder } from '../../../src/http2/hpack-decoder.ts';
import { block, data, flags, frame, get, headers, Peer, post, settings, text, type, uint32 } from './peer.ts';

/** The same numbers each time for the same seed. */
class Dice {
  private state: number;

  constructor(seed: number) {
    this.state = (seed * 2_654_435_761) >>> 0 || 1;
  }

  below(limit: number): number {
    // xorshift32
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % limit;
  }

  of<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.below(items.length)] ?? items[0];
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

const streamWindowBytes = 65_535;
const connectionWindowBytes = 100_000;
const concurrentStreams = 5;

/** Writes what an honest client could send, and now and then what none would. */
class Client {
  private readonly dice: Dice;
  private readonly peer: Peer;
  private lastId = -1;

  constructor(dice: Dice, peer: Peer) {
    this.dice = dice;
    this.peer = peer;
  }

  next(): Buffer {
    return this.dice.below(100) === 0 ? this.rude() : this.honest();
  }

  private honest(): Buffer {
    const { dice } = this;
    const sending = this.peer.streams.filter(({ requestEnded, closed }) => !requestEnded && !closed);
    const stream = sending.at(dice.below(sending.length || 1));
    const ended = dice.below(4) === 0;
    return dice.of([
      () => headers(this.nextId(), get, true),
      () => headers(this.nextId(), post, false),
      () =>
        frame(
          type.headers,
          flags.endHeaders | dice.below(2),
          this.nextId(),
          Buffer.concat([block(get), this.literal(), Buffer.from([0xbe])]),
        ),
      () => this.continued(this.nextId()),
      () => (stream ? data(stream.id, Buffer.alloc(dice.below(16_384)), ended) : this.ping()),
      () => (stream ? data(stream.id, Buffer.alloc(dice.below(100)), ended) : this.ping()),
      () => (stream ? headers(stream.id, [['x', 'y']], true) : this.ping()),
      () => (stream ? this.padded(stream.id) : this.ping()),
      () => frame(type.windowUpdate, 0, stream?.id ?? 0, uint32(dice.of([1, 1_000, 100_000]))),
      () => (stream && ended ? frame(type.rstStream, 0, stream.id, uint32(8)) : this.ping()),
      () => settings([dice.of([1, 4]), dice.of([0, 10, 16_384, 70_000])]),
    ])();
  }

  private rude(): Buffer {
    const { dice } = this;
    const id = Math.max(0, this.lastId - dice.below(12));
    return dice.of([
      () => headers(id, get, true),
      () => frame(type.headers, 0, this.nextId(), block(get)),
      () => frame(type.continuation, flags.endHeaders, id),
      () => data(id, 'x'),
      () => data(id, Buffer.alloc(16_384)),
      () => frame(type.windowUpdate, 0, dice.of([0, id]), uint32(dice.of([2 ** 31 - 1, 0]))),
      () => settings([dice.of([4, 5, 9]), dice.of([0, 2 ** 31 - 1, 2 ** 31])]),
      () => frame(type.priority, 0, id, Buffer.concat([uint32(dice.below(9)), Buffer.from([1])])),
      () => frame(dice.below(16), dice.below(256), dice.below(9), dice.bytes(dice.below(30))),
    ])();
  }

  private nextId(): number {
    this.lastId += 2;
    return this.lastId;
  }

  private ping(): Buffer {
    return frame(type.ping, this.dice.below(2), 0, Buffer.from('shutdown'));
  }

  private literal(): Buffer {
    return Buffer.concat([Buffer.from([0x40]), text(`n${this.dice.below(9)}`), text('v'.repeat(this.dice.below(200)))]);
  }

  private padded(id: number): Buffer {
    const { dice } = this;
    const padding = dice.below(20);
    const payload = Buffer.concat([Buffer.from([padding]), Buffer.alloc(dice.below(40) + padding)]);
    return frame(type.data, flags.padded | dice.below(2), id, payload);
  }

  private continued(id: number): Buffer {
    const bytes = Buffer.concat([block(get), this.literal()]);
    const cut = this.dice.below(bytes.length);
    return Buffer.concat([
      frame(type.headers, this.dice.below(2), id, bytes.subarray(0, cut)),
      frame(type.continuation, flags.endHeaders, id, bytes.subarray(cut)),
    ]);
  }
}

function mutate(dice: Dice, bytes: Buffer): Buffer {
  if (dice.below(150) > 0) return bytes;
  const mutant = Buffer.from(bytes);
  mutant[dice.below(mutant.length)] = dice.below(256);
  return dice.below(3) === 0 ? mutant.subarray(0, dice.below(mutant.length + 1)) : mutant;
}

/** What an owner may do at any time. */
function act(dice: Dice, peer: Peer): void {
  const stream = peer.streams.at(-1 - dice.below(6));
  if (!stream) return;
  const actions: [() => unknown, ...(() => unknown)[]] = [
    () => stream.respond(dice.of([100, 200, 204, 503]), ['a', 'b', 'x-n', String(dice.below(3))], dice.below(3) === 0),
    () => stream.sendData(Buffer.alloc(dice.below(50_000)), dice.below(3) === 0),
    () => stream.sendTrailers(dice.of(['', 'a: b\r\n'])),
    () => stream.consumed(dice.below(20_000)),
    () => stream.reset(dice.of([0, 8])),
    () => peer.connection.setWritable(dice.below(2) === 0),
    () => (peer.flowing = dice.below(3) > 0),
    () => (stream.requestUnwanted = true),
    () => (dice.below(40) === 0 ? peer.connection.shutdown() : undefined),
  ];
  dice.of(actions)();
}

function run(seed: number): Peer {
  const dice = new Dice(seed);
  const peer = new Peer({ streamWindowBytes, connectionWindowBytes, concurrentStreams });
  peer.consumes = dice.below(2) === 0;
  const client = new Client(dice, peer);
  const actions = dice.below(4);
  peer.onStream = () => act(dice, peer);
  for (let turn = 1; turn < 300 && peer.closed === undefined; turn++) {
    const bytes = mutate(dice, client.next());
    const cut = dice.below(bytes.length + 1);
    peer.send(bytes.subarray(0, cut), bytes.subarray(cut));
    for (let acted = 0; acted < actions; acted++) act(dice, peer);
    if (dice.below(3) === 0) peer.hearText();
    check(peer);
  }
  peer.hearText();
  return peer;
}

function check(peer: Peer): void {
  const open = peer.streams.filter(({ closed }) => !closed);
  if (open.length !== peer.connection.openStreams || open.length > concurrentStreams) throw new Error('streams are lost or too many');
  const unconsumed = open.reduce((sum, stream) => sum + stream.unconsumed, 0);
  if (unconsumed > connectionWindowBytes || open.some((stream) => stream.unconsumed > streamWindowBytes))
    throw new Error('windows overrun');
  if (open.some(({ queue = [], queuedBytes }) => queue.reduce((sum, { length }) => sum + length, 0) !== queuedBytes))
    throw new Error('queue');
}

describe('whatever a client sends', () => {
  test('nothing throws, windows and stream limits hold, every frame and field block of ours can be read', () => {
    const ends = new Map<string, number>();
    let requests = 0;
    for (let seed = 1; seed <= 400; seed++) {
      const peer = run(seed);
      requests += peer.streams.length;
      const end = peer.closed?.split(':')[0] ?? 'still open';
      ends.set(end, (ends.get(end) ?? 0) + 1);
      const resets = peer.told.filter((line) => line.startsWith('reset'));
      expect(new Set(resets.map((line) => line.split(' ')[1])).size).toBe(resets.length);
      expect(peer.closed === undefined || peer.connection.openStreams === 0).toBe(true);
    }
    // The fuzzer gets somewhere: many requests, and every kind of end.
    expect(requests).toBeGreaterThan(3_000);
    const codes = ['protocolError', 'frameSizeError', 'compressionError', 'flowControlError', 'streamClosed', 'noError', 'still open'];
    expect([...ends.keys()]).toEqual(expect.arrayContaining(codes));
  }, 30_000);

  test('field blocks of any bytes leave the table within its limit', () => {
    const decoder = new HpackDecoder(1_000);
    let whole = 0;
    for (let seed = 1; seed <= 5_000; seed++) {
      const dice = new Dice(seed);
      const table = new DecoderTable();
      for (let blocks = 0; blocks < 5; blocks++) {
        const bytes = dice.bytes(dice.below(60));
        if (decoder.decode(bytes, 0, bytes.length, table, { add: () => {} })) whole++;
        let size = 0;
        for (let index = 62; table.lookup(index); index++) size += table.lookup(index)?.size ?? 0;
        if (size > 4_096) throw new Error(`a table of ${size} bytes`);
      }
    }
    expect(whole).toBeGreaterThan(100);
  });
});
