// Bundles each process's main file into dist/: a sandbox then needs one folder, and a process starts from one file.
import { copyFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { rolldown } from 'rolldown';
import packageJson from '../package.json' with { type: 'json' };

const root = new URL('..', import.meta.url).pathname;
const output = `${root}dist`;

const mains = {
  tenantd: 'src/daemon/main.ts',
  tenantctl: 'src/cli/main.ts',
  doctor: 'src/doctor/main.ts',
  edge: 'src/edge/main.ts',
  certs: 'src/certs/main.ts',
  resolver: 'src/resolver/main.ts',
  metrics: 'src/metrics/main.ts',
  host: 'src/tenant/main.ts',
  worker: 'src/worker/main.ts',
  job: 'src/job/main.ts',
  terminal: 'src/terminal/main.ts',
};

/**
 * Started with every worker and every tenant that wakes: Node's loader of ES modules takes 5 ms and a megabyte, and `import`
 * of node:http reads all of its names, among them those for which Node loads undici (27 ms, 6 MB).
 */
const commonJs = new Set(['host', 'worker']);

/** node-pty's compiled part, in its package for this machine; in a sandbox there are no packages. */
const nodePtyBinary = 'pty.node';
const nodePtyLoader = {
  name: 'node-pty-binary',
  load: {
    filter: { id: /\/node-pty\/requireBinary\.js$/ },
    handler: () => `import { createRequire } from 'node:module';
      export const requireBinary = (file) => createRequire(import.meta.url)('./' + file);`,
  },
};

const built = await Promise.all(Object.entries(mains).map(([name, input]) => bundleProcess(name, input)));
// Not emptied before: what runs from here may still want to load a part.
const probes = readdirSync(`${root}src/probes`).filter((name) => name.endsWith('.pl'));
const current = new Set([...built.flat(), 'package.json', nodePtyBinary, ...probes]);
for (const file of readdirSync(output)) if (!current.has(file.replace(/\.map$/, ''))) rmSync(`${output}/${file}`);
copyFileSync(`${root}node_modules/@lydell/node-pty-linux-${process.arch}/${nodePtyBinary}`, `${output}/${nodePtyBinary}.new`);
// Another file under its name: the one before may be in use.
renameSync(`${output}/${nodePtyBinary}.new`, `${output}/${nodePtyBinary}`);
for (const name of probes) copyFileSync(`${root}src/probes/${name}`, `${output}/${name}`);
writeFileSync(`${output}/package.json`, '{ "type": "module" }\n');

async function bundleProcess(name: string, input: string): Promise<string[]> {
  const bundle = await rolldown({
    cwd: root,
    input: { [name]: input },
    platform: 'node',
    plugins: [nodePtyLoader],
    transform: { define: { TENANTD_VERSION: JSON.stringify(packageJson.version) } },
  });
  const [format, extension] = commonJs.has(name) ? (['cjs', 'cjs'] as const) : (['esm', 'js'] as const);
  const { output: files } = await bundle.write({
    dir: output,
    format,
    entryFileNames: `[name].${extension}`,
    chunkFileNames: `${name}-[name].${extension}`,
    sourcemap: true,
  });
  await bundle.close();
  return files.map(({ fileName }) => fileName);
}
