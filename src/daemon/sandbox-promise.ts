import { z } from 'zod';
import { bubblewrapArguments, type SandboxSpec } from '../privileged/sandbox-arguments.ts';
import type { LaunchOptions } from '../privileged/sandboxes.ts';

/** What a sandbox was to be when it was started, written into its record: `verify` holds the living one to it. */
export const sandboxPromise = z.strictObject({
  uid: z.number(),
  gid: z.number(),
  /** Every mount point that was asked for. Of those that are `optional` the machine may lack the source. */
  mounts: z.array(z.strictObject({ target: z.string(), optional: z.boolean() })),
  /** Where it may write: its binds with that access, with where they come from, and the folders in memory. */
  writable: z.array(z.strictObject({ target: z.string(), source: z.string().optional() })),
  /** Of /tmp, /dev/shm and /run/secrets together. */
  scratch: z.strictObject({ bytes: z.number(), inodes: z.number() }),
  /** Names of its environment. */
  environment: z.array(z.string()),
  network: z.enum(['empty', 'machine', 'given']),
  /** Its descriptor 3 is a socket of its own network. */
  hasOwnSocket: z.boolean(),
  /** It may give files from one of these users to another, and has no other right. */
  owners: z.array(z.number()).exactOptional(),
});
export type SandboxPromise = z.infer<typeof sandboxPromise>;

export function promiseOf(
  spec: SandboxSpec,
  { network, ownSocket, shares = [] }: Pick<LaunchOptions, 'network' | 'ownSocket' | 'shares'>,
): SandboxPromise {
  const inMemory = ['/tmp', '/dev/shm', ...(spec.withSecrets ? ['/run/secrets'] : [])];
  return {
    uid: spec.uid,
    gid: spec.gid,
    // What another tenant shares can be taken away while it runs.
    mounts: [
      ...mountPointsIn(bubblewrapArguments(spec, { etc: '/etc', scratch: '/scratch' })),
      ...shares.map(({ target }) => ({ target, optional: true })),
    ],
    writable: [
      ...spec.binds.filter(({ access }) => access === 'write').map(({ target, source }) => ({ target, source })),
      ...inMemory.map((target) => ({ target })),
    ],
    scratch: { bytes: spec.tmpBytes, inodes: spec.tmpInodes },
    environment: Object.keys(spec.env),
    network: typeof network === 'string' ? network : 'given',
    hasOwnSocket: ownSocket !== undefined,
    ...(spec.owners && { owners: [...spec.owners.uids] }),
  };
}

/** bwrap(1): options that mount, with how many words come before the mount point. */
const mountOptions = new Map([
  ['--ro-bind', 2],
  ['--ro-bind-try', 2],
  ['--bind', 2],
  ['--dev-bind', 2],
  ['--tmpfs', 1],
  ['--proc', 1],
  ['--dev', 1],
]);

function mountPointsIn(words: readonly string[]): SandboxPromise['mounts'] {
  return words.flatMap((word, index) => {
    const wordsBefore = mountOptions.get(word);
    const target = wordsBefore === undefined ? undefined : words[index + wordsBefore];
    return target === undefined ? [] : [{ target, optional: word.endsWith('-try') }];
  });
}
