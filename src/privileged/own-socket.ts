import { basename, dirname } from 'node:path';
import type { Ownership } from './directories.ts';

/** A Unix socket that a sandbox gets as its descriptor 3, under a name in a directory that only root can write. */
export interface OwnSocket extends Ownership {
  path: string;
}

/**
 * A socket belongs for good to the network it was made in, and looks up abstract names there (unix(7)). One made by the
 * daemon would let who inherits it connect to every abstract socket of the machine, out of a network of its own
 * (CVE-2020-15257 was made of such sockets). So the sandbox's starter makes it, after it has entered the sandbox's network,
 * in Perl: neither Node nor a shell can, and perl-base is on every Debian. Arguments: directory, name, uid, gid, mode,
 * then the command to become. As everywhere, the name appears with its owner and mode set.
 */
const script = [
  'my ($directory, $name, $uid, $gid, $mode) = splice @ARGV, 0, 5;',
  // The daemon left descriptor 3 free, so that it is the first to be had; $^F is the last one that stays open over exec.
  '$^F = 3;',
  'chdir $directory or die "$directory: $!\\n"; unlink "$name.new";',
  'socket my $socket, 1, 1, 0 or die "socket: $!\\n"; fileno $socket == 3 or die "descriptor 3 is in use\\n";',
  'bind $socket, pack "S Z*", 1, "$name.new" or die "bind $name: $!\\n";',
  'chown($uid, $gid, "$name.new") && chmod(oct $mode, "$name.new") && rename("$name.new", $name) or die "$name: $!\\n";',
  'chdir "/"; exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\\n";',
].join(' ');

export function bindOwnSocketCommand(perl: string, { path, uid, gid, mode }: OwnSocket): string[] {
  return [perl, '-e', script, dirname(path), basename(path), String(uid), String(gid), mode.toString(8)];
}
