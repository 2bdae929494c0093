import { watchTenants } from '../src/config/watch.ts';
import { scanTenants } from '../src/config/scan.ts';
import { mkdtempSync, mkdirSync, writeFileSync, rmSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
const dir = mkdtempSync('/tmp/watch-') + '/tenants';
const n = 20;
const mk = (i: number) => { mkdirSync(`${dir}/t${i}/apps/site/deep/deeper`, { recursive: true }); mkdirSync(`${dir}/t${i}/pages`);writeFileSync(`${dir}/t${i}/tenant.yaml`, 'domains: [a.b]'); writeFileSync(`${dir}/t${i}/apps/site/a.js`, ''); };
for (let i = 0; i < n; i++) mk(i);
function watches() { let c = 0; for (const fd of readdirSync('/proc/self/fd')) { try { if (readlinkSync('/proc/self/fd/' + fd).includes('inotify')) c += readFileSync('/proc/self/fdinfo/' + fd, 'utf8').split('\n').filter((l) => l.startsWith('inotify wd')).length; } catch {} } return c; }
let t = performance.now();
const r = await scanTenants(dir); console.log('scan', r.tenants.length, r.ok, performance.now() - t);
t = performance.now();
const w = watchTenants(dir, { onTenant: (x) => console.log('tenant', x, (performance.now() - t).toFixed()), onAll: () => console.log('all', (performance.now() - t).toFixed()), onProblem: console.log });
await w.ready; console.log('ready', performance.now() - t, 'watches', watches(), 'rss', process.memoryUsage().rss >> 20);
const act = async (name: string, f: () => void, ms = 700) => { console.log('--', name); t = performance.now(); f(); await new Promise((r) => setTimeout(r, ms)); };

await act('rm all', () => rmSync(dir, { recursive: true }), 1500);
await act('mk all', () => { for (let i = 0; i < 3; i++) mk(i); }, 1500);
console.log('watches', watches());
for (const i of [0,1,2]) { await act('write t' + i, () => writeFileSync(`${dir}/t${i}/tenant.yaml`, 'domains: [c.b]'));
await act('new app', () => mkdirSync(`${dir}/t${i}/apps/two`)); }
await act('mk', () => { for (let i = 30; i < 40; i++) mk(i); }, 1500);
console.log('watches', watches());
for (const i of [31,32,35]) { await act('write t' + i, () => writeFileSync(`${dir}/t${i}/tenant.yaml`, 'domains: [c.b]'));
await act('new app', () => mkdirSync(`${dir}/t${i}/apps/two`)); }
await w.close(); rmSync(dir, { recursive: true });
