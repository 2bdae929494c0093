// Bundles each process's main file into dist/: a sandbox then needs one folder, and a process starts from one file.
import { rmSync, writeFileSync } from 'node:fs';
import { rolldown } from 'rolldown';
import packageJson from '../package.json' with { type: 'json' };

const root = new URL('..', import.meta.url).pathname;
const output = `${root}dist`;

const mains = {
  tenantd: 'src/daemon/main.ts',
  tenantctl: 'src/cli/main.ts',
  edge: 'src/edge/main.ts',
  host: 'src/tenant/main.ts',
  worker: 'src/worker/main.ts',
  job: 'src/job/main.ts',
};

rmSync(output, { recursive: true, force: true });
await Promise.all(Object.entries(mains).map(([name, input]) => bundleProcess(name, input)));
writeFileSync(`${output}/package.json`, '{ "type": "module" }\n');

async function bundleProcess(name: string, input: string): Promise<void> {
  const bundle = await rolldown({
    cwd: root,
    input: { [name]: input },
    platform: 'node',
    transform: { define: { TENANTD_VERSION: JSON.stringify(packageJson.version) } },
  });
  await bundle.write({
    dir: output,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: `${name}-[name].js`,
    sourcemap: true,
  });
  await bundle.close();
}
