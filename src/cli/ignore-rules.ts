import { matchesGlob } from 'node:path';

/** Whether a path is left out of what is deployed; `isFolder`, and all below a folder that is left out is left out. */
export type IsIgnored = (path: string, isFolder: boolean) => boolean;

interface Rule {
  glob: string;
  /** By its path from the top; else a name at any depth. */
  anchored: boolean;
  folderOnly: boolean;
  negated: boolean;
}

/** Of every folder; nothing that runs needs it. */
const always = '.git';

/** The lines of a .tenantdignore, in the manner of a .gitignore: of those that fit, the last counts. */
export function parseIgnoreRules(text: string): IsIgnored {
  const rules = text.split(/\r?\n/).flatMap((line) => toRule(line.trim()));
  return (path, isFolder) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (name === always) return true;
    const last = rules.findLast(({ glob, anchored, folderOnly }) => (isFolder || !folderOnly) && matchesGlob(anchored ? path : name, glob));
    return last !== undefined && !last.negated;
  };
}

function toRule(line: string): Rule[] {
  if (line === '' || line.startsWith('#')) return [];
  const negated = line.startsWith('!');
  const pattern = negated ? line.slice(1) : line;
  const glob = pattern.replace(/\/$/, '');
  return [{ glob: glob.replace(/^\//, ''), anchored: glob.includes('/'), folderOnly: pattern.endsWith('/'), negated }];
}
