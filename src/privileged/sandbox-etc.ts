import { mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';

/**
 * The small /etc of a sandbox: enough for libc, Node (os.userInfo, localhost) and setpriv, and nothing of the machine's.
 * Made once for a uid, in a directory of root's own.
 */
export function ensureEtcDirectory(parent: string, user: { name: string; uid: number; gid: number; home: string }): string {
  const directory = `${parent}/${user.uid}`;
  if (statSync(directory, { throwIfNoEntry: false })) return directory;
  const unfinished = `${directory}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(`${unfinished}/ssl/certs`, { recursive: true, mode: 0o755 });
  mkdirSync(`${unfinished}/alternatives`, { mode: 0o755 });
  for (const [name, content] of Object.entries(filesFor(user))) writeFileSync(`${unfinished}/${name}`, content, { mode: 0o644 });
  symlinkSync('/proc/self/mounts', `${unfinished}/mtab`);
  renameSync(unfinished, directory);
  return directory;
}

function filesFor(user: { name: string; uid: number; gid: number; home: string }): Record<string, string> {
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
