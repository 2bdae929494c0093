import type { AppName } from '../base/ids.ts';
import { linkTextOf } from '../base/release-ids.ts';
import type { BackupArea } from '../protocol/backup-job.ts';
import type { BackupState } from './backup-state.ts';

/** Where a job finds a tenant's files in its sandbox, when it packs them and when it unpacks them. */
export const areaPaths = { apps: '/in/apps', releases: '/in/releases', data: '/in/data' } as const;

/** In an app's own folder, but not of it: a release is an area of its own. */
const releaseNames = ['releases', 'current', 'current.new'];
/** As `ensureDataDirectory` makes a folder of data: a mount point, which is always empty; a home, which is there. */
const dataFolder = { without: ['shared'], made: ['home'] };

/** Apps' own folders, and their releases. `releasesOf`: where those of an app are. */
export function codeAreas(
  { apps, owners }: Pick<BackupState, 'apps' | 'owners'>,
  releasesOf: (app: AppName) => string = (app) => `${areaPaths.apps}/${app}`,
): BackupArea[] {
  return apps.flatMap(({ app, releases }) => {
    const owner = owners.indexOf(app);
    const own = { name: `apps/${app}`, dir: `${areaPaths.apps}/${app}`, owner, without: releaseNames };
    return [own, ...releases.map(({ id }) => ({ name: `releases/${app}/${id}`, dir: `${releasesOf(app)}/${linkTextOf(id)}`, owner }))];
  });
}

/** What its apps, and its own user, wrote. */
export function dataAreas({ owners }: Pick<BackupState, 'owners'>): BackupArea[] {
  return [
    { name: 'user', dir: `${areaPaths.data}/user`, owner: 0, ...dataFolder },
    ...owners
      .slice(1)
      .map((app, index) => ({ name: `data/${app}`, dir: `${areaPaths.data}/apps/${app}`, owner: index + 1, ...dataFolder })),
    { name: 'shared', dir: `${areaPaths.data}/shared`, owner: 0 },
  ];
}
