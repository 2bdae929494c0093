import { expect, test } from 'vitest';
import { generousLimits } from '../../support/generous-limits.ts';
import { until } from '../../support/until.ts';
import { startEdge } from './edge-under-test.ts';
import { connectRaw, get, type RawClient, statusesOf } from './raw-client.ts';

test('a client that stops in the middle of its request is cut off, also when its response has begun', async () => {
  const edge = await startEdge();
  edge.route({ limits: { ...generousLimits, tunnelIdleTimeoutMs: 50 } });
  await edge.http('one', (request, response) => void request.pipe(response));
  const client = await connectRaw(edge.port);
  client.send('POST / HTTP/1.1\r\nHost: acme.example\r\nContent-Length: 10\r\n\r\nx');
  await client.seen(/x/);
  await until(() => edge.tenantState().admission.active === 0, 'its place is free again');
  expect(await client.closed()).toMatch(/^HTTP\/1\.1 200 /);
});

test('no more tunnels are open than the plan allows, however they are asked for', async () => {
  const edge = await startEdge();
  edge.route({ limits: { ...generousLimits, webSockets: 2 } });
  const answers: (() => void)[] = [];
  await edge.raw(
    'one',
    (socket) =>
      void socket.on('data', () =>
        answers.push(() => void socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')),
      ),
  );
  const clients: RawClient[] = [];
  for (let n = 0; n < 10; n++) {
    const client = await connectRaw(edge.port);
    client.send(get('/', 'Connection: Upgrade', 'Upgrade: websocket'));
    clients.push(client);
  }
  await until(() => answers.length === 10, 'all are at the app');
  for (const answer of answers) answer();
  await until(() => clients.every((client) => statusesOf(client.text()).length > 0), 'all are answered');
  expect(edge.tenantState().webSockets).toBeLessThanOrEqual(2);
});
