import { mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';

export interface EtcUser {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

/**
 * The small /etc of a sandbox: enough for libc, Node (os.userInfo, localhost) and setpriv, and nothing of the machine's.
 * Made once for a uid, in a directory of root's own. `nameServer`: where names are asked for; without a way there, that fails at once.
 */
export function ensureEtcDirectory(parent: string, user: EtcUser, nameServer?: string): string {
  const directory = `${parent}/${user.uid}`;
  const resolver = nameServer === undefined ? '# no network\n' : `nameserver ${nameServer}\noptions timeout:3 attempts:2\n`;
  if (statSync(directory, { throwIfNoEntry: false })) {
    keepCurrent(`${directory}/resolv.conf`, resolver);
    return directory;
  }
  const unfinished = `${directory}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(`${unfinished}/ssl/certs`, { recursive: true, mode: 0o755 });
  mkdirSync(`${unfinished}/alternatives`, { mode: 0o755 });
  for (const [name, content] of Object.entries({ ...filesFor(user), 'resolv.conf': resolver }))
    writeFileSync(`${unfinished}/${name}`, content, { mode: 0o644 });
  symlinkSync('/proc/self/mounts', `${unfinished}/mtab`);
  renameSync(unfinished, directory);
  return directory;
}

/** A sandbox that runs sees the new one. */
function keepCurrent(file: string, content: string): void {
  if (readFileSync(file, 'utf8') === content) return;
  writeFileSync(`${file}.new`, content, { mode: 0o644 });
  renameSync(`${file}.new`, file);
}

function filesFor(user: EtcUser): Record<string, string> {
  return {
    passwd: `root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n${user.name}:x:${user.uid}:${user.gid}::${user.home}:/bin/sh\n`,
    group: `root:x:0:\n${user.name}:x:${user.gid}:\n`,
    hosts: '127.0.0.1 localhost\n::1 localhost\n',
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n',
    'resolv.conf': '# no network\n',
    'host.conf': 'multi on\n',
    services: 'http 80/tcp\nhttps 443/tcp\n',
    // Mount points for the machine's own, where it has them.
    'ssl/openssl.cnf': '',
    'ld.so.cache': '',
    localtime: '',
  };
}
