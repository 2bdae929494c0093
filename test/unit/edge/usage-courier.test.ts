import { describe, expect, test } from 'vitest';
import { UsageCourier } from '../../../src/edge/usage-courier.ts';
import type { EdgeUsage } from '../../../src/protocol/edge-usage.ts';

interface Delivery {
  number: number;
  usage: EdgeUsage[];
  answer: () => void;
  refuse: () => void;
}

const row = (app: string, requests: number): EdgeUsage => ({
  ...{ tenant: 'acme', app, bytesIn: requests * 10, bytesOut: requests * 100 },
  requests: [0, 0, requests, 0, 0, 0],
});

function courierWith() {
  const world = { isConnected: true, deliveries: [] as Delivery[] };
  const courier = new UsageCourier({
    isConnected: () => world.isConnected,
    deliver: ({ number, usage }) =>
      new Promise((resolve, reject) => {
        world.deliveries.push({ number, usage, answer: () => resolve(null), refuse: () => reject(new Error('gone')) });
      }),
  });
  return { world, courier };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('what edges counted', () => {
  test('is joined by app, and sent once while the answer is on its way', async () => {
    const { world, courier } = courierWith();
    courier.add([row('site', 1), row('shop', 2)]);
    courier.add([row('site', 3)]);
    courier.tell();
    courier.tell();
    expect(world.deliveries).toHaveLength(1);
    expect(world.deliveries[0]?.usage).toEqual([row('site', 4), row('shop', 2)]);
    world.deliveries[0]?.answer();
    await settle();
    courier.tell();
    expect(world.deliveries).toHaveLength(1);
  });

  test('is sent again as it was, with its number, when nobody answered', async () => {
    const { world, courier } = courierWith();
    courier.add([row('site', 1)]);
    courier.tell();
    world.deliveries[0]?.refuse();
    await settle();
    courier.add([row('site', 5)]);
    courier.tell();
    expect(world.deliveries.slice(1).map(({ number, usage }) => [number, usage])).toEqual([
      [1, [row('site', 1)]],
      [2, [row('site', 5)]],
    ]);
  });

  test('waits while nobody is there, in no more rows than there are apps', () => {
    const { world, courier } = courierWith();
    world.isConnected = false;
    for (let second = 0; second < 1_000; second++) {
      courier.add([row('site', 1)]);
      courier.tell();
    }
    world.isConnected = true;
    courier.tell();
    expect(world.deliveries.map(({ usage }) => usage)).toEqual([[row('site', 1_000)]]);
  });

  test('is joined when what was sent is not answered for long', () => {
    const { world, courier } = courierWith();
    for (let second = 0; second < 100; second++) {
      courier.add([row('site', 1)]);
      courier.tell();
    }
    expect(world.deliveries).toHaveLength(20);
  });

  test('comes in parts that fit into a frame', () => {
    const { world, courier } = courierWith();
    courier.add(Array.from({ length: 4_500 }, (_, index) => row(`app${index}`, 1)));
    courier.tell();
    expect(world.deliveries.map(({ usage }) => usage.length)).toEqual([2_000, 2_000, 500]);
  });

  test('is settled when all was answered, or when the time is over', async () => {
    const { world, courier } = courierWith();
    await courier.settled(60_000);
    courier.add([row('site', 1)]);
    courier.tell();
    await courier.settled(1);
    const settled = courier.settled(60_000);
    world.deliveries[0]?.answer();
    await expect(settled).resolves.toBeUndefined();
  });
});
