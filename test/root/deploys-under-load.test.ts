import { expect, test } from 'vitest';
import { deployUnderLoad } from '../bench/lifecycle/deploy-load.ts';

const deploys = 20;
const mostReleases = 5;
/** A daemon that keeps something of each deploy would have at least one more for each. */
const descriptorSlack = 10;

test('an app is deployed twenty times and rolled back under load: no request fails, nobody sees an older release again', async () => {
  const report = await deployUnderLoad({ deploys, rollbacks: 4, clients: 4, tell: () => {} });

  expect(report.failures).toEqual([]);
  expect(report.backwards).toEqual([]);
  expect(report.deployMs).toHaveLength(deploys);
  expect(report.rollbackMs).toHaveLength(4);
  expect(report.requests).toBeGreaterThan(deploys);
  expect(report.releasesKept).toBe(mostReleases);
  const [first, last] = [report.samples[1], report.samples.at(-1)];
  expect(Object.keys(last?.descriptors ?? {})).toEqual(expect.arrayContaining(['the daemon', 'an edge', 'host of acme']));
  for (const what of ['the daemon', 'host of acme'])
    expect(last?.descriptors[what]).toBeLessThan((first?.descriptors[what] ?? 0) + descriptorSlack);
}, 180_000);
