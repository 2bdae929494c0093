import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { TenantdError } from '../../src/base/errors.ts';
import { authenticate } from '../../src/protocol/token-calls.ts';
import { startSteadyLoad } from '../support/steady-load.ts';
import { type AttackWorld, openAttackWorld } from './attack-world.ts';
import { connectStranger, connectWith, ctlAs } from './token-support.ts';

const frame = (method: string, params: object, id?: number): string =>
  `${JSON.stringify({ jsonrpc: '2.0', ...(id !== undefined && { id }), method, params })}\n`;

describe('the admin of a tenant, who asks for all that there is', () => {
  let world: AttackWorld;
  beforeAll(async () => {
    world = await openAttackWorld();
  }, 120_000);
  afterAll(() => world?.[Symbol.asyncDispose]());

  test('takes none of the places that are there for all', async () => {
    const channels = await Promise.all(Array.from({ length: 12 }, () => connectWith(world.daemon, world.token)));
    onTestFinished(() => channels.forEach((channel) => channel.close()));
    const taken = channels.flatMap((channel) => [
      channel.request('access-logs', { tenant: 'alpha', lines: 0, follow: true }, 60_000),
      channel.request('logs', { tenant: 'alpha', lines: 0, follow: true }, 60_000),
      channel.request('verify', { tenant: 'alpha', passive: true }, 60_000),
      channel.upgrade('exec', { tenant: 'alpha', command: ['sleep', '1000'] }, 60_000),
    ]);
    const settled = Promise.allSettled(taken);
    const neighbour = await connectWith(world.daemon, world.beta.admin);
    onTestFinished(() => neighbour.close());
    expect(await neighbour.request('access-logs', { tenant: 'beta', lines: 0, follow: true })).toMatchObject({ lines: [] });
    expect(await neighbour.request('verify', { tenant: 'beta', passive: true })).toMatchObject({ ok: true });
    const codes = (await settled).map((one) => (one.status === 'rejected' ? (one.reason as TenantdError).code : 'taken'));
    expect(codes).toEqual(expect.arrayContaining(['taken', 'TENANTD_E_TOO_MANY', 'TENANTD_E_BUSY']));
    expect(await world.footprint()).toEqual(world.before);
  });

  /** A connection that has shown alpha's token and says `payload` again and again, as fast as it is taken. */
  async function flood(payload: string, reads: boolean): Promise<{ saidBytes: () => number; stop: () => void }> {
    const socket = await connectStranger(world.daemon);
    socket.write(frame(authenticate, { token: world.token }, 1));
    await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    if (reads) socket.resume();
    else socket.pause();
    let stopped = false;
    const say = (): void => {
      if (!stopped && !socket.destroyed && socket.write(payload)) setImmediate(say);
    };
    socket.on('drain', say);
    say();
    const stop = (): void => {
      stopped = true;
      socket.destroy();
    };
    onTestFinished(stop);
    return { saidBytes: () => socket.bytesWritten - socket.writableLength, stop };
  }

  const floods = [
    { of: 'of calls that nobody waits for', payload: frame('status', {}).repeat(500), reads: true },
    { of: 'of calls that are not there', payload: frame('nothing', {}, 7).repeat(500), reads: true },
    { of: 'of answers that it does not read', payload: frame('audit-list', { order: 'newest', limit: 500 }, 7).repeat(8), reads: false },
    {
      of: 'of large calls',
      payload: frame('secret-set', { tenant: 'alpha', name: 'A', value: 'x'.repeat(900_000), wait: false }, 7),
      reads: true,
    },
    { of: 'of nonsense', payload: `${'['.repeat(100_000)}\n`, reads: true },
  ];

  test.each(floods)('a flood $of fails no request of the neighbour, and nobody waits behind it', async ({ payload, reads }) => {
    const load = startSteadyLoad({ port: world.daemon.port, hosts: [{ host: 'beta.test', expected: 'beta' }], workers: 2 });
    const flooding = await Promise.all(Array.from({ length: 12 }, () => flood(payload, reads)));
    const operator = world.connectOperator();
    for (let call = 0; call < 50; call += 1)
      expect(await operator.request('tenant-list', {})).toMatchObject({ tenants: expect.anything() });
    operator.close();
    expect(await ctlAs(world.daemon, world.beta.viewer, 'status')).toMatchObject({ code: 0 });
    const heardBytes = flooding.reduce((sum, { saidBytes }) => sum + saidBytes(), 0);
    for (const { stop } of flooding) stop();
    const { failures, requests } = await load.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(20);
    // The rest of it is still with who sent it.
    expect(heardBytes).toBeLessThan(24 << 20);
    expect(await world.footprint()).toEqual(world.before);
  });

  test('has left its name in its own trail, and in no other', async () => {
    const trailOf = async (tenant: string): Promise<string> => (await world.daemon.ctl('audit', '--tenant', tenant, '--json')).stdout;
    expect(await trailOf('alpha')).toContain(world.tokenId);
    for (const other of ['beta', 'gamma']) expect(await trailOf(other)).not.toContain(world.tokenId);
    expect(await world.footprint()).toEqual(world.before);
  });
});
