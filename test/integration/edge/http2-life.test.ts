import v8 from 'node:v8';
import { beforeAll, describe, expect, test } from 'vitest';
import { makeCertificate, type TestCertificate } from '../../support/certificate.ts';
import { generousLimits } from '../../support/generous-limits.ts';
import { type EdgeUnderTest, host, startEdge, startEdgeWith } from './edge-under-test.ts';
import { connectRawHttp2, head, literal } from './http2-raw-client.ts';
import { until } from '../../support/until.ts';

let certificate: TestCertificate;
beforeAll(() => (certificate = makeCertificate([host])));
const startSecureEdge = (...options: Parameters<typeof startEdge>): Promise<EdgeUnderTest> => startEdgeWith(certificate, ...options);

describe('a connection of HTTP/2 that nobody uses is closed', () => {
  test.each([
    ['that says nothing at all', false],
    ['that answers no PING', true],
  ])('when its client is one %s', async (_, hello) => {
    const edge = await startSecureEdge({ idleMs: 50, lingerMs: 50 });
    const client = await connectRawHttp2(edge.securePort, host, certificate.chain, Buffer.alloc(0), hello);
    await until(client.closed, 'the edge closes it');
    expect(client.frames.some(({ type, id }) => type === 7 && id === 0)).toBe(true);
  });
});

test('an early answer ends the stream of a request that still comes', async () => {
  const edge = await startSecureEdge();
  edge.route({ limits: { ...generousLimits, bodySizeBytes: 10 } });
  await edge.http('one', (request, response) => void request.pipe(response));
  const client = await connectRawHttp2(edge.securePort, host, certificate.chain);
  client.send(1, 4, 1, Buffer.concat([head('POST', '/', host), literal('content-length', '1000000')]));
  await until(() => client.frames.some(({ type, id, flags }) => type === 0 && id === 1 && (flags & 1) !== 0), 'the answer is whole', 2_000);
  await until(() => client.frames.some(({ type, id }) => type === 3 && id === 1), 'RST_STREAM');
  expect(client.closed()).toBe(false);
});

test('a request whose response went out late leaves nothing behind', async () => {
  const edge = await startSecureEdge();
  const settings = Buffer.from([0, 4, 0, 0, 0, 0]); // SETTINGS_INITIAL_WINDOW_SIZE 0
  const client = await connectRawHttp2(edge.securePort, host, certificate.chain, settings);
  const big = 'y'.repeat(3_900);
  const { Http2Request } = await import('../../../src/edge/http2-request.ts');
  let id = 1;
  for (let round = 0; round < 20; round++) {
    const first = id;
    for (let n = 0; n < 90; n++, id += 2) {
      const insert = id === 1 ? literal('x-big', big, 0x40) : Buffer.from([0xbe]);
      client.send(
        1,
        5,
        id,
        Buffer.concat([head('GET', '/a-path-that-is-longer-than-13', 'nobody.example'), insert, Buffer.alloc(14, 0xbe)]),
      );
    }
    const last = id - 2;
    await until(() => client.frames.some((f) => f.type === 1 && f.id === last), 'answers');
    for (let s = first; s <= last; s += 2) client.send(8, 0, s, Buffer.from([0, 0, 0x10, 0]));
    client.send(8, 0, 0, Buffer.from([0, 1, 0, 0]));
    await until(() => client.frames.some((f) => f.type === 0 && f.id === last && (f.flags & 1) === 1), 'bodies');
    client.frames.length = 0;
  }
  const count = (v8 as unknown as { queryObjects: (c: unknown, o: object) => number }).queryObjects(Http2Request, { format: 'count' });
  expect(count).toBeLessThan(200);
});
