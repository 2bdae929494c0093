# Files that are not its own, places that it may only read, devices.
use strict;
use warnings;

our %attack;
my $write = Fcntl::O_WRONLY();

$attack{'file.foreign'} = sub { each_of(\&opened, given('file')) };
$attack{'file.dots'} = sub { chdir '../' x 40; each_of(sub { opened('.' . $_[0]) }, given('file')) };
$attack{'file.link'} = sub { each_of(\&opened_by_link, given('file')) };
$attack{'file.folders'} = sub { each_of(\&listed, given('folder')) };
$attack{'file.system'} = sub { each_of(sub { ended(lstat $_[0]) }, qw(/etc/shadow /home /root /var /boot /srv /mnt)) };
$attack{'file.sys'} = sub { each_of(\&listed, qw(/sys /sys/fs/cgroup)) };
$attack{'file.hard-link'} = sub { undone('/data/.tenantd-probe', sub { link '/etc/passwd', $_[0] }) };
$attack{'file.rename'} = sub { moved('/etc/passwd', '/data/.tenantd-probe') };
$attack{'file.mount-point'} = sub { moved('/data/shared', '/data/.tenantd-probe') };
$attack{'file.remove-mount'} = sub { rmdir '/data/shared' or return error(); mkdir '/data/shared', 0755; 'ok' };
$attack{'file.handle'} = sub { my $handle = handle_of('/tmp'); opendir my $folder, '/tmp' or return error(); call('open_by_handle_at', fileno_of('/tmp'), $handle, 0) };
$attack{'file.name-handle'} = sub { $! = 0; handle_of('/tmp'); ended($! == 0) };

$attack{'write.root'} = sub { created('/') };
$attack{'write.usr'} = sub { created('/usr/bin') };
$attack{'write.usr-local'} = sub { created('/usr/local') };
$attack{'write.etc'} = sub { created('/etc') };
$attack{'write.code'} = sub { each_of(\&created, '/apps', glob '/apps/*') };
$attack{'write.tenantd'} = sub { each_of(\&created, qw(/opt /opt/tenantd /opt/tenantd/lib /opt/tenantd/bin)) };
$attack{'write.run'} = sub { created('/run') };
$attack{'write.dev'} = sub { created('/dev') };
$attack{'write.program'} = sub { each_of(sub { opened($_[0], $write) }, '/usr/bin/env', '/opt/tenantd/bin/node') };
$attack{'write.settings'} = sub { opened('/etc/passwd', $write) };

$attack{'device.memory'} = sub { each_of(\&opened, qw(/dev/mem /dev/port)) };
$attack{'device.log'} = sub { opened('/dev/kmsg') };
$attack{'device.disks'} = sub { each_of(\&opened, map { "/dev/$_" } qw(vda sda xvda nvme0n1 mmcblk0 loop0 dm-0 md0)) };
$attack{'device.machines'} = sub { each_of(\&opened, map { "/dev/$_" } qw(kvm vsock vhost-net vhost-vsock)) };
$attack{'device.fuse'} = sub { opened('/dev/fuse') };
$attack{'device.loop'} = sub { each_of(\&opened, qw(/dev/loop-control /dev/mapper/control)) };
$attack{'device.tunnel'} = sub { opened('/dev/net/tun') };
$attack{'device.terminals'} = sub { each_of(\&opened, map { "/dev/$_" } qw(console tty0 tty1 vcs vcsa)) };
$attack{'device.controlling'} = sub { opened('/dev/tty') };
$attack{'device.unexpected'} = sub {
  my %own = map { $_ => 1 } qw(. .. core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero);
  opendir my $folder, '/dev' or return error();
  none_of(sort grep { !$own{$_} } readdir $folder);
};
$attack{'device.make-disk'} = sub { device('/tmp/.tenantd-probe', 060600, 254 << 8) };
$attack{'device.make-memory'} = sub { device('/dev/shm/.tenantd-probe', 020600, 1 << 8 | 1) };
$attack{'device.make-data'} = sub { device('/data/.tenantd-probe', 020600, 1 << 8 | 1) };

sub listed { return ended(opendir my $folder, $_[0]) }

sub opened_by_link {
  my ($target) = @_;
  my $link = "/tmp/.tenantd-probe-$$";
  symlink $target, $link or return 'no scratch: ' . error();
  my $outcome = opened($link);
  unlink $link;
  return $outcome;
}

sub created {
  my $path = "$_[0]/.tenantd-probe-$$";
  sysopen my $file, $path, Fcntl::O_CREAT() | Fcntl::O_EXCL() | $write, 0600 or return error();
  unlink $path;
  return 'ok';
}

sub undone {
  my ($path, $make) = @_;
  my $outcome = ended($make->($path));
  unlink $path;
  return $outcome;
}

sub moved {
  my ($from, $to) = @_;
  rename $from, $to or return error();
  rename $to, $from;
  return 'ok';
}

sub device {
  my ($path, $mode, $numbers) = @_;
  return undone($path, sub { raw('mknodat', -100, $path, $mode, $numbers) != -1 });
}

# struct file_handle, as the kernel fills it; made up, if it does not.
sub handle_of {
  my ($path) = @_;
  my $handle = pack('Ii', 120, 1) . "\0" x 120;
  my $mount = pack 'i', 0;
  raw('name_to_handle_at', -100, $path, $handle, $mount, 0);
  return $handle;
}

sub fileno_of {
  sysopen our $kept, $_[0], 0 or return -1;
  return fileno($kept);
}

1;
