import type { AppName } from '../base/ids.ts';
import type { Problem } from '../base/problem.ts';
import { localRelease } from '../base/release-ids.ts';
import type { AppFolder } from './desired.ts';

/** Which manifests of a tenant have to be read, and what was wrong with those that were. */
export interface ManifestReads {
  /** Other folders are there than before. */
  setFolders(before: readonly AppFolder[], next: readonly AppFolder[]): void;
  markStale(app: AppName): void;
  /** Before a job reads them: what changes while it runs is read again. */
  readonly takeStale: (apps: readonly AppName[]) => void;
  stale(): AppName[];
  /** Without it, nothing is known of the app that may be used. */
  isMissing(app: AppName, isKnown: boolean): boolean;
  noteRead(app: AppName, problems: Problem[], isGood: boolean): void;
  forgetProblems(app: AppName): void;
  problems(isDesired: (app: AppName) => boolean): Problem[];
}

export function createManifestReads(): ManifestReads {
  const stale = new Set<AppName>();
  /** Their stored manifest is of another folder: not to be used before it was read again. */
  const outdated = new Set<AppName>();
  const problems = new Map<AppName, Problem[]>();

  return {
    setFolders(before, next) {
      const known = new Map(before.map(({ app, folderId }) => [app, folderId]));
      // What is in a release never changes; its manifest was stored with it.
      for (const { app, folderId } of next.filter(({ release }) => release === localRelease)) {
        if (known.get(app) !== folderId) stale.add(app);
        if (known.has(app) && known.get(app) !== folderId) outdated.add(app);
      }
    },
    markStale: (app) => void stale.add(app),
    takeStale(apps) {
      for (const app of apps) stale.delete(app);
    },
    stale: () => [...stale],
    isMissing: (app, isKnown) => outdated.has(app) || (!isKnown && (stale.has(app) || !problems.has(app))),
    noteRead(app, found, isGood) {
      outdated.delete(app);
      problems.delete(app);
      if (found.length > 0 || !isGood) problems.set(app, found);
    },
    forgetProblems: (app) => void problems.delete(app),
    problems: (isDesired) => [...problems].flatMap(([app, ofApp]) => (isDesired(app) ? ofApp : [])),
  };
}
