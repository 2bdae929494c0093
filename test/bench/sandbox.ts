// What the whole sandbox costs: a small Node app as it is, and the same through the daemon's own launcher with every layer: control group,
// system call filter, mounts, network, memory for /tmp, shim. Root. Usage: npm run build && npm run bench:sandbox [-- --json] [--rounds N]
import { parseArgs } from 'node:util';
import { type Measurement, measureEverything } from './isolation/measure-sandbox.ts';

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '20' } } });
const measurements = await measureEverything(Number(values.rounds));
process.stdout.write(values.json ? `${JSON.stringify(measurements, null, 1)}\n` : format(measurements));

function format(rows: readonly Measurement[]): string {
  const cells = rows.map(({ bare, sandboxed }) => [bare, sandboxed].map((figure) => figure.toFixed(figure < 100 ? 1 : 0)));
  const line = (name: string, columns: readonly string[]): string =>
    name.padEnd(54) + columns.map((column) => column.padStart(11)).join('');
  return [
    line('', ['bare', 'sandboxed', 'ratio']),
    ...rows.map(({ name, bare, sandboxed }, index) => line(name, [...(cells[index] ?? []), (sandboxed / bare).toFixed(2)])),
    '',
  ].join('\n');
}
