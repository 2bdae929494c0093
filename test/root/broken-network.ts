/**
 * For the mounts of one process alone: Perl does all but bring up the loopback of a new network (SIOCSIFFLAGS), as on a kernel that makes none.
 */
export const breakNetworks = [
  'mount -t tmpfs none /mnt',
  'cp /usr/bin/perl /mnt/perl',
  `printf '#!/bin/sh\\ncase "$*" in *0x8914*) echo not on this machine >&2; exit 1 ;; esac\\nexec /mnt/perl "$@"\\n' > /mnt/broken`,
  'chmod 755 /mnt/broken',
  'mount --bind /mnt/broken /usr/bin/perl',
].join('; ');
