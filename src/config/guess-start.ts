import type { ErrorCode } from '../base/error-codes.ts';
import type { AppFolder } from './app-folder.ts';
import type { AppManifest } from './app-manifest.ts';
import type { AppFile } from './app-schema.ts';
import { parseInsidePath } from './path-values.ts';
import { quote } from './quote.ts';

/** What to start: the kind, and the one key that goes with it. */
export type Start = { kind: 'node'; entry: string } | { kind: 'command'; command: string[] } | { kind: 'static'; root: string };

export interface StartFault {
  code: ErrorCode;
  message: string;
  fix: string;
  /** Where in app.yaml, when it is said there. */
  key?: 'kind' | 'entry' | 'root';
}

export type StartResult = { start: Start; notes: StartFault[] } | { fault: StartFault };

/** From app.yaml where it says it, else from the files (INTERFACE 3, `kind`). */
export async function findStart(file: AppFile, folder: AppFolder): Promise<StartResult> {
  const kind = file.kind ?? kindByKeys(file);
  if (kind === 'command') return commandStart(file);
  if (kind === 'static') return staticStart(file, folder);
  if (kind === 'node') return nodeStart(file, folder);
  return guess(file, folder);
}

function kindByKeys({ command, entry, root }: AppFile): AppManifest['kind'] | undefined {
  if (command) return 'command';
  if (entry !== undefined) return 'node';
  return root === undefined ? undefined : 'static';
}

async function guess(file: AppFile, folder: AppFolder): Promise<StartResult> {
  const node = await nodeStart(file, folder);
  const packageJson = await folder.packageJson();
  // A start script that we can't run does not make a static site of a framework's public/.
  if ('start' in node || packageJson?.start !== undefined) return node;
  const staticSite = await staticStart(file, folder);
  if ('start' in staticSite) return staticSite;
  if (packageJson) return node;
  return {
    fault: {
      code: 'TENANTD_E_UNKNOWN_KIND',
      message: 'nothing here says what to start',
      fix: 'add an app.yaml with `kind`, a package.json with "main", an index.html or a folder public/',
    },
  };
}

function commandStart({ command }: AppFile): StartResult {
  if (command) return { start: { kind: 'command', command }, notes: [] };
  const fix = 'write it like `command: ["python3", "app.py"]`';
  return { fault: { code: 'TENANTD_E_NO_ENTRY', message: 'kind command needs `command`', fix, key: 'kind' } };
}

async function staticStart({ root }: AppFile, folder: AppFolder): Promise<StartResult> {
  if (root !== undefined) {
    const found = await folder.look(root);
    if (found === 'folder') return { start: { kind: 'static', root }, notes: [] };
    return { fault: notThere(root, found, 'folder', 'root') };
  }
  if ((await folder.look('index.html')) === 'file') return { start: { kind: 'static', root: '.' }, notes: [] };
  if ((await folder.look('public')) === 'folder') return { start: { kind: 'static', root: 'public' }, notes: [] };
  const message = 'there is neither an index.html nor a folder public/';
  return { fault: { code: 'TENANTD_E_NO_ENTRY', message, fix: 'name the folder to serve with `root`', key: 'kind' } };
}

async function nodeStart({ entry }: AppFile, folder: AppFolder): Promise<StartResult> {
  if (entry === undefined) return guessEntry(folder);
  const found = await folder.look(entry);
  if (found === 'file') return { start: { kind: 'node', entry }, notes: [] };
  return { fault: notThere(entry, found, 'file', 'entry') };
}

function notThere(path: string, found: string, wanted: 'file' | 'folder', key: 'entry' | 'root'): StartFault {
  const subject = `\`${key}\` is ${quote(path)}`;
  if (found === 'outside')
    return { code: 'TENANTD_E_BAD_PATH', message: `${subject}, a link that leaves the app's folder`, fix: 'copy what it points to', key };
  const what = found === 'missing' ? 'which is not there' : `which is no ${wanted}`;
  return { code: 'TENANTD_E_NO_ENTRY', message: `${subject}, ${what}`, fix: `name a ${wanted} inside the app's folder`, key };
}

/** package.json's `main` if it is there (`npm init` writes one in any case), its start script, then the usual names. */
async function guessEntry(folder: AppFolder): Promise<StartResult> {
  const { main, start } = (await folder.packageJson()) ?? {};
  const script = /^node ([^\s&|;<>$`'"*?-][^\s&|;<>$`'"*?]*)( .*)?$/.exec(start?.trim() ?? '');
  const candidates = [...(main === undefined ? [] : moduleFiles(main)), ...(script?.[1] === undefined ? [] : moduleFiles(script[1]))];
  const entry = await firstFile(folder, [...candidates, 'index.js', 'server.js']);
  const dropsArguments = script?.[2] !== undefined && entry !== undefined && moduleFiles(script[1] ?? '').includes(entry);
  if (entry !== undefined) return { start: { kind: 'node', entry }, notes: dropsArguments ? [argumentsNote] : [] };
  const message = start === undefined ? 'there is no module to start' : `the start script ${quote(start)} is not of the form "node FILE"`;
  const fix = 'name the module with `entry`, or the program with `command`, in app.yaml';
  return { fault: { code: 'TENANTD_E_NO_ENTRY', message, fix, key: 'kind' } };
}

const argumentsNote: StartFault = {
  code: 'TENANTD_E_NOT_SUPPORTED',
  message: 'the arguments in the start script of package.json are left out',
  fix: 'use `kind: command` with the whole command in app.yaml, or `env`',
};

/** What Node tries for a `main` (https://nodejs.org/api/modules.html, LOAD_AS_FILE, LOAD_AS_DIRECTORY). */
function moduleFiles(name: string): string[] {
  const path = parseInsidePath(name);
  if (!('value' in path)) return [];
  return [path.value, `${path.value}.js`, `${path.value}.mjs`, `${path.value}.cjs`, `${path.value}/index.js`];
}

async function firstFile(folder: AppFolder, paths: string[]): Promise<string | undefined> {
  for (const path of paths) if ((await folder.look(path)) === 'file') return path;
  return undefined;
}
