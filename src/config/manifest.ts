import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, messageOf } from '../base/errors.ts';
import type { Problem } from '../base/problem.ts';
import { type AppFolder, openAppFolder } from './app-folder.ts';
import { type AppManifest, maxManifestCharacters, startKeyOf } from './app-manifest.ts';
import { type AppFile, appSchema } from './app-schema.ts';
import { findStart, type Start, type StartFault } from './guess-start.ts';
import { placed, placeOfKey } from './placed.ts';
import { readPlainFile } from './plain-file.ts';
import { checkSchema } from './schema-problems.ts';
import { parseYaml, type Position, type YamlSource } from './yaml-source.ts';

export { type AppManifest, appManifestSchema } from './app-manifest.ts';

export interface ManifestResult {
  /** Absent when the app can't be started from what is there; what is only not carried out yet leaves it here. */
  manifest?: AppManifest;
  /** Where each of `manifest.routes` is written. */
  routePositions?: Position[];
  problems: Problem[];
}

const maxFileBytes = 64 << 10;

/**
 * Reads `app.yaml` below `appDir`, where there is one, and looks at the files to fill in what it does not say.
 * Run this inside a job's sandbox: everything in there is written by the tenant. `shownAs` is the file name in problems.
 */
export async function readManifest(appDir: string, app: string, shownAs: string = join(appDir, 'app.yaml')): Promise<ManifestResult> {
  try {
    const folder = await openAppFolder(appDir);
    const result = await ((await isThere(join(appDir, 'app.yaml'))) ? readFile : guessAll)(folder, appDir, shownAs);
    return { ...result, problems: result.problems.map((problem) => placed(problem, { app })) };
  } catch (error) {
    const message = errnoOf(error) === 'ENOENT' ? "the app's folder is not there" : `the app's folder can not be read: ${messageOf(error)}`;
    return { problems: [{ code: 'TENANTD_E_FILE_UNREADABLE', message, fix: 'put the app there', file: shownAs, app }] };
  }
}

async function isThere(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    (error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    },
  );
}

async function guessAll(folder: AppFolder, _appDir: string, shownAs: string): Promise<ManifestResult> {
  return complete(appSchema.parse({}), folder, (fault) => ({ ...withoutKey(fault), file: shownAs }));
}

async function readFile(folder: AppFolder, appDir: string, shownAs: string): Promise<ManifestResult> {
  const { text, problem } = await readPlainFile(join(appDir, 'app.yaml'), { maxBytes: maxFileBytes, shownAs });
  return problem ? { problems: [problem] } : parseManifest(text, shownAs, folder);
}

async function parseManifest(text: string, shownAs: string, folder: AppFolder): Promise<ManifestResult> {
  const { source, problems: yamlProblems } = parseYaml(text, shownAs);
  if (!source) return { problems: yamlProblems };
  const { value, problems } = checkSchema(appSchema, source);
  if (!value) return { problems };
  const locate = (fault: StartFault): Problem => ({
    ...withoutKey(fault),
    file: shownAs,
    ...source.positionOf(fault.key === undefined ? [] : [fault.key]),
  });
  const result = await complete(value, folder, locate);
  if (!result.manifest) return result;
  const strayed = findStrayKeys(result.manifest.kind, value, source);
  if (strayed.length > 0) return { problems: strayed };
  const routePositions = (value.routes ?? []).map((_, index) => source.positionOf(['routes', index]));
  return { ...result, routePositions, problems: result.problems };
}

function withoutKey({ code, message, fix }: StartFault): Problem {
  return { code, message, fix };
}

async function complete(file: AppFile, folder: AppFolder, locate: (fault: StartFault) => Problem): Promise<ManifestResult> {
  const found = await findStart(file, folder);
  if ('fault' in found) return { problems: [locate(found.fault)] };
  const manifest = resolve(file, found.start);
  if (JSON.stringify(manifest).length > maxManifestCharacters) return { problems: [locate(tooLarge)] };
  return { manifest, problems: found.notes.map(locate) };
}

const tooLarge: StartFault = {
  code: 'TENANTD_E_FILE_TOO_LARGE',
  message: `the settings are over ${maxManifestCharacters} characters in all`,
  fix: 'shorten `env`, `routes` or `schedule`',
};

function resolve(file: AppFile, start: Start): AppManifest {
  const { routes, workers, health, idle, noWake, env, build, drain, startTimeout, compress, sandbox, schedule } = file;
  return {
    ...start,
    ...(routes && { routes }),
    workers,
    ...(health && { health }),
    ...(idle === undefined ? {} : { idleMs: idle }),
    ...(noWake && { noWake }),
    env,
    ...(build && { build }),
    drainMs: drain,
    startTimeoutMs: startTimeout,
    compress,
    sandbox,
    schedule: schedule.map(({ timeout, ...spec }) => ({ ...spec, timeoutMs: timeout })),
  };
}

/** A `root` in a Node app, or a promise that only Node can keep, is a misunderstanding that nothing else would ever tell. */
function findStrayKeys(kind: AppManifest['kind'], file: AppFile, source: YamlSource): Problem[] {
  if (file.sandbox === 'strict' && kind !== 'node') {
    const message = `\`sandbox: strict\` is Node's permission model, and this app is of kind ${kind}`;
    return [placed({ code: 'TENANTD_E_INVALID_VALUE', message, fix: 'remove it' }, placeOfKey(source, ['sandbox']))];
  }
  if (file.schedule.length > 0 && kind === 'static') {
    const fix = 'remove it, or give the schedule to another app';
    const message = '`schedule` asks an app for something, and this one is of kind static';
    return [placed({ code: 'TENANTD_E_INVALID_VALUE', message, fix }, placeOfKey(source, ['schedule']))];
  }
  return Object.entries(startKeyOf)
    .filter(([otherKind, key]) => otherKind !== kind && file[key] !== undefined)
    .map(([otherKind, key]) => {
      const message = `\`${key}\` is for apps of kind ${otherKind}, and this one is of kind ${kind}`;
      const fix = `remove it, or set \`kind: ${otherKind}\``;
      return placed({ code: 'TENANTD_E_INVALID_VALUE', message, fix }, placeOfKey(source, [key]));
    });
}
