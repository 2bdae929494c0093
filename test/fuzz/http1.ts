import { parseArgs } from 'node:util';
import { Campaign } from './http1/campaign.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } } });
const seconds = Number(values.seconds);
const campaign = new Campaign(Number(values.seed));
const casesAtOnce = 1_000;
const startedAtMs = performance.now();
const elapsedSeconds = (): number => (performance.now() - startedAtMs) / 1_000;

campaign.runSeeds();
for (let told = 1; elapsedSeconds() < seconds;) {
  campaign.run(casesAtOnce);
  if (elapsedSeconds() < told) continue;
  told = Math.floor(elapsedSeconds()) + 1;
  console.log(
    `${campaign.cases} cases, ${Math.round(campaign.cases / elapsedSeconds())} a second, ${campaign.failures.size} unexplained differences`,
  );
}

console.log('');
for (const [name, count] of [...campaign.counts].sort(([, a], [, b]) => b - a)) console.log(`${String(count).padStart(10)}  ${name}`);
for (const { difference, kind, toHead, text } of campaign.failures.values()) {
  console.log(`\n${kind}${toHead ? ' (to HEAD)' : ''}: ${difference}\n  ${JSON.stringify(text)}`);
}
process.exitCode = campaign.failures.size === 0 ? 0 : 1;
