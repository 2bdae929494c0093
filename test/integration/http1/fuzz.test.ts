import { expect, test } from 'vitest';
import { Campaign } from '../../fuzz/http1/campaign.ts';
import { explained } from '../../fuzz/http1/explained.ts';

const cases = 40_000;

// For longer: node test/fuzz/http1.ts --seconds 600 --seed 2
test("Node's own parser reads the same as we do, or differs for a reason that is written down", () => {
  const campaign = new Campaign(1);
  campaign.runSeeds();
  campaign.run(cases);
  expect([...campaign.failures.values()]).toEqual([]);
  for (const kind of ['request', 'response']) {
    expect(campaign.counts.get(`${kind}: read the same by both`)).toBeGreaterThan(cases / 100);
  }
});

test('the corpus has an example of every reason', () => {
  const campaign = new Campaign(1);
  campaign.runSeeds();
  const seen = new Set([...campaign.counts.keys()].map((name) => name.slice(name.indexOf(': ') + 2)));
  expect(explained.map(({ name }) => name).filter((name) => !seen.has(name))).toEqual([]);
});
