import { probeTenant } from '../../root/probe.ts';
import { startTestDaemon, type TenantFiles, type TestDaemon } from '../../support/test-daemon.ts';

const plans = `plans:
  starter: { memory: 128M, cpu: 0.5, processes: 64, disk: 64M, files: 30000 }
  good: { memory: 128M, cpu: 1, processes: 64, disk: 64M, requestsPerSecond: 0 }
`;

const pageSource = `
const page = '<!doctype html><title>page</title>' + '<p>paragraph</p>'.repeat(60);
require('node:http').createServer((request, response) => response.setHeader('content-type', 'text/html').end(page)).listen(3000);
`;

// Each request is on the disk before it is answered.
const notesSource = `
const fs = require('node:fs/promises');
require('node:http').createServer(async (request, response) => {
  const file = await fs.open('/data/note', 'w');
  await file.writeFile('note '.repeat(100));
  await file.datasync();
  await file.close();
  response.end('kept');
}).listen(3000);
`;

const app = (name: string, source: string): TenantFiles => ({
  [`apps/${name}/package.json`]: '{"main":"app.js"}',
  [`apps/${name}/app.js`]: source,
  [`apps/${name}/app.yaml`]: `routes: ["${name}.good.test/"]\n`,
});

export const goodHosts = { page: 'page.good.test', notes: 'notes.good.test' } as const;

/**
 * `good`, whose clients are measured; `bad`, with a small plan; `greedy`, who was promised every processor of the machine.
 * All of them are there from the start: a tenant that does nothing takes nothing.
 */
export async function startNeighbourhood(processors: number): Promise<TestDaemon> {
  const daemon = await startTestDaemon({
    plans,
    tenants: {
      good: {
        'tenant.yaml': `domains: [${goodHosts.page}, ${goodHosts.notes}]\nplan: good\n`,
        ...app('page', pageSource),
        ...app('notes', notesSource),
      },
      bad: probeTenant('bad', ['site'], ''),
      greedy: probeTenant('greedy', ['site'], `limits: { cpu: ${processors}, processes: 96, requestsPerSecond: 0 }\n`),
    },
  });
  await daemon.untilApps(['good/page', 'good/notes', 'bad/site', 'greedy/site']);
  return daemon;
}
