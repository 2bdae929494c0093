// What a bad tenant does to the answers of a good one: each mischief for some seconds, with the good one's clients before and during it.
// Root. Usage: npm run build && npm run bench:neighbours [-- --json] [--seconds N] [--rounds N] [--only PART-OF-A-NAME] [--raised]
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { ask, pidOf } from '../root/probe.ts';
import type { TestDaemon } from '../support/test-daemon.ts';
import { until } from '../support/until.ts';
import { type Mischief, mischiefs, type Outcomes } from './isolation/mischiefs.ts';
import { formatRounds, type Round } from './isolation/neighbours-report.ts';
import { goodHosts, startNeighbourhood } from './isolation/neighbourhood.ts';
import { runProcess } from './isolation/run-process.ts';
import { raiseAgainstTheMachine } from './isolation/weights.ts';
import type { LoadFigures, SteadyLoad } from './isolation/steady-load-process.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    // On a machine that does other things too.
    raised: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const chosen = mischiefs.filter(({ name }) => name.includes(values.only));

await using daemon = await startNeighbourhood(availableParallelism());
if (values.raised) await raiseAgainstTheMachine(daemon);
const rounds: Round[] = [];
for (let count = 0; count < Number(values.rounds); count++) {
  for (const mischief of chosen) {
    rounds.push(await measure(daemon, mischief));
    if (!values.json) process.stderr.write('.');
  }
}
process.stdout.write(values.json ? `${JSON.stringify(rounds, null, 1)}\n` : `\n${formatRounds(rounds)}`);

async function measure(daemon: TestDaemon, mischief: Mischief): Promise<Round> {
  const processes = await processesOfGood(daemon);
  const before = await load(daemon, seconds);
  // A little longer than the load, which takes a moment to begin.
  const [outcomes, during] = await Promise.all([mischief.run(daemon, seconds + 1).catch(toOutcome), load(daemon, seconds)]);
  await untilCalm(daemon, mischief);
  const restarts = (await processesOfGood(daemon)) === processes ? 0 : 1;
  const problems = (await daemon.tenant(mischief.tenant)).problems.map(({ code }) => code);
  return { mischief: mischief.name, before, during, outcomes, restarts, problems };
}

function load({ port }: TestDaemon, seconds: number): Promise<LoadFigures[]> {
  const targets = [
    { host: goodHosts.page, perSecond: 180 },
    { host: goodHosts.notes, perSecond: 20 },
  ];
  return runProcess<LoadFigures[]>('./steady-load-process.ts', { port, seconds, targets } satisfies SteadyLoad);
}

/** The app was ended together with what it did. */
function toOutcome(error: unknown): Outcomes {
  return { [`no answer: ${error instanceof Error ? error.message : String(error)}`]: 1 };
}

async function untilCalm(daemon: TestDaemon, { tenant }: Mischief): Promise<void> {
  const answers = (): Promise<boolean> =>
    ask(daemon, `${tenant}/site`, 'alive', { timeoutMs: 1_000 }).then(
      () => true,
      () => false,
    );
  await until(answers, `${tenant} answers again`, 20_000);
  await daemon.untilApps([`${tenant}/site`]);
}

async function processesOfGood(daemon: TestDaemon): Promise<string> {
  const pids = [await pidOf(daemon, 'good/page'), await pidOf(daemon, 'good/notes'), (await daemon.tenant('good')).hostPid];
  return pids.join();
}
