import { chmodSync, closeSync, constants, fstatSync, lstatSync, openSync, opendirSync, readlinkSync, readSync, type Stats } from 'node:fs';
import { partsOf, type ReleaseCaps, ReleaseFault, show } from './release-rules.ts';
import { createReleaseWriter, type ReleaseSize, type ReleaseWriter } from './release-writer.ts';

const chunkBytes = 1 << 20;

/**
 * Copies what a build left in a folder of this user's to one that is empty, by the rules of an archive. What built it is dead, so nothing
 * changes meanwhile. Folders and files that the build closed are opened again: they are all of this user.
 */
export async function copyBuilt(from: string, to: string, caps: ReleaseCaps): Promise<ReleaseSize> {
  const writer = createReleaseWriter(to, caps);
  const waiting = [''];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for (const name of namesIn(`${from}/${folder}`, caps)) {
      const path = folder === '' ? name : `${folder}/${name}`;
      // Before it is looked up.
      partsOf(path);
      if (await copyOne(writer, from, path)) waiting.push(path);
    }
  }
  return writer.finish();
}

/** True: it is a folder. */
async function copyOne(writer: ReleaseWriter, from: string, path: string): Promise<boolean> {
  const source = `${from}/${path}`;
  const stats = lstatSync(source);
  if (stats.isDirectory()) writer.directory(path);
  else if (stats.isSymbolicLink()) writer.symbolicLink(path, readlinkSync(source));
  else if (stats.isFile()) await copyFile(writer, source, path, stats);
  else throw new ReleaseFault(`the build left ${show(path)}, which is no file, folder or link`, 'have it removed at the end of the build');
  return stats.isDirectory();
}

async function copyFile(writer: ReleaseWriter, source: string, path: string, { mode }: Stats): Promise<void> {
  if ((mode & 0o400) === 0) chmodSync(source, 0o600);
  const file = openSync(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size, mtime } = fstatSync(file);
    await writer.file(path, { sizeBytes: size, executable: (mode & 0o111) !== 0, modifiedAt: mtime }, chunksOf(file));
  } finally {
    closeSync(file);
  }
}

function* chunksOf(file: number): Generator<Buffer> {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer)) yield buffer.subarray(0, read);
}

function namesIn(folder: string, { entries }: ReleaseCaps): string[] {
  if ((lstatSync(folder).mode & 0o500) !== 0o500) chmodSync(folder, 0o700);
  const directory = opendirSync(folder);
  const names: string[] = [];
  try {
    for (let entry = directory.readSync(); entry; entry = directory.readSync()) {
      names.push(entry.name);
      if (names.length > entries) throw new ReleaseFault(`the build left over ${entries} files in one folder`, 'have it remove some');
    }
    return names;
  } finally {
    directory.closeSync();
  }
}
