import { type FSWatcher, lstatSync, watch } from 'node:fs';
import { dirname } from 'node:path';

export interface FolderHandlers {
  /** Something of this name changed, came or went. */
  onName(name: string): void;
  /** The folder itself came or went: whatever is in there may be another. */
  onFolder?(): void;
  /** Changes may be missed from now on. */
  onError(error: unknown): void;
}

export interface FolderWatch {
  /** False while it is not there, or no folder. */
  isThere(): boolean;
  close(): void;
}

/** Watches the names in one folder, not what is below them, also when it goes and comes again. Takes one inotify watch. */
export function watchFolder(dir: string, handlers: FolderHandlers): FolderWatch {
  let watcher: FSWatcher | undefined;
  let folderId = '';
  open();

  /** While it is not there, what is above it is watched for it to come. */
  function open(): void {
    watcher?.close();
    folderId = idOf(dir);
    try {
      watcher = folderId === '' ? watchAbove() : listen(dir, hear);
    } catch (error) {
      handlers.onError(error);
    }
  }

  function listen(place: string, onEvent: (name: string) => void): FSWatcher {
    const started = watch(place, (_, name) => started === watcher && onEvent(name ?? ''));
    return started.on('error', (error) => handlers.onError(error));
  }

  function watchAbove(): FSWatcher {
    let place = dirname(dir);
    while (idOf(place) === '' && place !== '/') place = dirname(place);
    const above = listen(place, tryAgain);
    // It may have come since it was looked for.
    if (idOf(dir) !== '') queueMicrotask(tryAgain);
    return above;
  }

  function tryAgain(): void {
    open();
    if (folderId !== '') handlers.onFolder?.();
  }

  function hear(name: string): void {
    if (idOf(dir) === folderId) return handlers.onName(name);
    open();
    handlers.onFolder?.();
  }

  return { isThere: () => folderId !== '', close: () => watcher?.close() };
}

/** '' when there is no folder: a link is none. Inodes are used again, and birth has no nanoseconds everywhere. */
export function idOf(dir: string): string {
  const stat = lstatSync(dir, { throwIfNoEntry: false });
  return stat?.isDirectory() === true ? `${stat.dev}:${stat.ino}:${stat.birthtimeMs}` : '';
}
