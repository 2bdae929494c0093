// Bundles each process's main file into dist/: a sandbox then needs one folder, and a process starts from one file.
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { rolldown } from 'rolldown';
import packageJson from '../package.json' with { type: 'json' };

const root = new URL('..', import.meta.url).pathname;
const output = `${root}dist`;

const mains = {
  tenantd: 'src/daemon/main.ts',
  tenantctl: 'src/cli/main.ts',
  edge: 'src/edge/main.ts',
  certs: 'src/certs/main.ts',
  host: 'src/tenant/main.ts',
  worker: 'src/worker/main.ts',
  job: 'src/job/main.ts',
};

const built = await Promise.all(Object.entries(mains).map(([name, input]) => bundleProcess(name, input)));
// Not emptied before: what runs from here may still want to load a part.
const current = new Set([...built.flat(), 'package.json']);
for (const file of readdirSync(output)) if (!current.has(file.replace(/\.map$/, ''))) rmSync(`${output}/${file}`);
writeFileSync(`${output}/package.json`, '{ "type": "module" }\n');

async function bundleProcess(name: string, input: string): Promise<string[]> {
  const bundle = await rolldown({
    cwd: root,
    input: { [name]: input },
    platform: 'node',
    transform: { define: { TENANTD_VERSION: JSON.stringify(packageJson.version) } },
  });
  const { output: files } = await bundle.write({
    dir: output,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: `${name}-[name].js`,
    sourcemap: true,
  });
  await bundle.close();
  return files.map(({ fileName }) => fileName);
}
