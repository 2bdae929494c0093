// The first answer of an app whose tenant sleeps, step by step, beside the same app started bare by turns. Without the daemon and the edge: what
// those add is in bench:lifecycle. Root. Usage: npm run build && npm run bench:wake [-- --json] [--rounds N] [--app FILE]
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureWake, type WakeFigures } from './wake/measure-wake.ts';

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '25' }, app: { type: 'string' } },
});
const smallApp = `require('node:http').createServer((request, response) => response.end('hello')).listen(process.env.PORT);\n`;
const folder = mkdtempSync(join(tmpdir(), 'tenantd-wake-'));
try {
  const figures = await measureWake(folder, values.app === undefined ? smallApp : readFileSync(values.app, 'utf8'), Number(values.rounds));
  process.stdout.write(values.json ? `${JSON.stringify(figures, null, 1)}\n` : format(figures));
} finally {
  rmSync(folder, { recursive: true });
}

function format(figures: readonly WakeFigures[]): string {
  const columns = ['least', 'p50', 'mean', 'p90', 'p99'] as const;
  const line = (name: string, cells: readonly string[]): string => name.padEnd(40) + cells.map((cell) => cell.padStart(9)).join('');
  return [
    line('milliseconds', columns),
    ...figures.map((row) =>
      line(
        row.name,
        columns.map((column) => row[column].toFixed(1)),
      ),
    ),
    '',
  ].join('\n');
}
