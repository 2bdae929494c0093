import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';

export interface ManifestWatch {
  /** Watches the folders of these apps and of no others; `root` is an entry that matters to that app too. */
  set(apps: readonly { app: string; root?: string }[]): void;
  close(): void;
}

export interface ManifestWatchOptions {
  appsDir: string;
  onChanged: (app: string) => void;
  /** A folder can not be watched: it is not there, or the machine's inotify instances are used up. */
  onFault: (app: string, error: Error) => void;
}

const debounceMs = 100;
/** What decides how an app runs, or what its kind is guessed from. */
const decisive = new Set(['app.yaml', 'package.json', 'index.html', 'public']);

export function watchManifests({ appsDir, onChanged, onFault }: ManifestWatchOptions): ManifestWatch {
  const watchers = new Map<string, FSWatcher>();
  const timers = new Map<string, NodeJS.Timeout>();
  let roots = new Map<string, string | undefined>();

  function add(app: string): void {
    try {
      const watcher = watch(join(appsDir, app), (_, file) => {
        if (file === null || decisive.has(file) || file === roots.get(app)) later(app);
      });
      watcher.on('error', (error: Error) => {
        remove(app);
        onFault(app, error);
      });
      watchers.set(app, watcher);
    } catch (error) {
      onFault(app, error as Error); // Tried again at the next `set`.
    }
  }

  function later(app: string): void {
    clearTimeout(timers.get(app));
    timers.set(
      app,
      setTimeout(() => onChanged(app), debounceMs),
    );
  }

  function remove(app: string): void {
    watchers.get(app)?.close();
    watchers.delete(app);
    clearTimeout(timers.get(app));
    timers.delete(app);
  }

  return {
    set(apps) {
      roots = new Map(apps.map(({ app, root }) => [app, root?.split('/')[0]]));
      for (const app of watchers.keys()) if (!roots.has(app)) remove(app);
      for (const app of roots.keys()) if (!watchers.has(app)) add(app);
    },
    close() {
      for (const app of watchers.keys()) remove(app);
    },
  };
}
