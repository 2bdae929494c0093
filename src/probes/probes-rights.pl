# Rights that it does not have: other users, capabilities, setuid programs, mounts, namespaces.
use strict;
use warnings;

our %attack;
my ($remount_bind, $detach, $mount_on) = (0x1020, 2, '/dev/shm');
my %new = (mount => 0x20000, cgroup => 0x2000000, uts => 0x4000000, ipc => 0x8000000, user => 0x10000000, pid => 0x20000000, net => 0x40000000, time => 0x80);
my $child_ends = 17;

$attack{'user.root'} = sub { call('setuid', 0) };
$attack{'user.root-group'} = sub { call('setgid', 0) };
$attack{'user.groups'} = sub { my $groups = pack 'L', 0; call('setgroups', 1, $groups) };
$attack{'user.other'} = sub { each_of(sub { my $uid = $_[0] + 0; call('setresuid', $uid, $uid, $uid) }, given('uid')) };
$attack{'user.give-away'} = sub { with_scratch('file', sub { my ($path) = @_; each_of(sub { ended(chown $_[0], -1, $path) }, given('uid')) }) };
$attack{'user.supplementary'} = sub { none_of(split ' ', status('Groups')) };
$attack{'user.capabilities'} = sub { none_of(grep { status($_) !~ /^0+$/ } qw(CapInh CapPrm CapEff CapBnd CapAmb)) };
$attack{'user.regain'} = sub { set_capabilities(21) };
$attack{'user.ambient'} = sub { set_capabilities(7); call('prctl', 47, 2, 7, 0, 0) };
$attack{'user.secure-bits'} = sub { call('prctl', 28, 0, 0, 0, 0) };
$attack{'user.file-capability'} = sub {
  my $capability = pack 'L5', 0x02000001, 1 << 7, 0, 0, 0;
  with_scratch('file', sub { call('setxattr', $_[0], 'security.capability', $capability, 20, 0) });
};
$attack{'user.new-privileges'} = sub { status('NoNewPrivs') eq '1' ? 'set' : 'not-set' };
$attack{'user.setuid-program'} = sub {
  each_of(\&rights_of, ['/usr/bin/su', 'root', '-c', 'id'], ['/usr/bin/mount'], ['/usr/bin/passwd', '-S'], ['/usr/bin/newgrp']);
};
$attack{'user.setuid-mounts'} = sub { none_of(mounts(sub { $_[1] !~ /\bnosuid\b/ })) };
$attack{'user.device-mounts'} = sub { none_of(mounts(sub { $_[0] !~ m{^/dev/} && $_[1] =~ /^rw\b/ && $_[1] !~ /\bnodev\b/ })) };
$attack{'user.setuid-chmod'} = sub {
  with_scratch('file', sub { my ($path) = @_; each_of(sub { $_[0]->() }, sub { ended(chmod 04755, $path) }, sub { call('fchmodat', -100, $path, 04755) }) });
};
$attack{'user.setuid-fchmod'} = sub {
  with_scratch('file', sub { sysopen my $file, $_[0], 1 or return error(); call('fchmod', fileno($file), 04755) });
};
$attack{'user.setuid-fchmodat2'} = sub { with_scratch('file', sub { call('fchmodat2', -100, $_[0], 04755, 0) }) };
$attack{'user.setuid-create'} = sub {
  my $path = "/tmp/.tenantd-probe-set-$$";
  my $outcome = call('openat', -100, $path, Fcntl::O_CREAT() | Fcntl::O_WRONLY(), 04755);
  unlink $path;
  return $outcome;
};
$attack{'user.setgid-folder'} = sub { with_scratch('folder', sub { ended(chmod 02755, $_[0]) }) };

$attack{'mount.tmpfs'} = sub { mounted('none', $mount_on, 'tmpfs') };
$attack{'mount.proc'} = sub { mounted('none', $mount_on, 'proc') };
$attack{'mount.groups'} = sub { mounted('none', $mount_on, 'cgroup2') };
$attack{'mount.bind'} = sub { mounted('/usr', $mount_on, 'none', 4096) };
$attack{'mount.remount'} = sub { mounted('none', '/usr', 'none', $remount_bind) };
$attack{'mount.unmount'} = sub { call('umount2', $mount_on, $detach) };
$attack{'mount.unmask'} = sub { call('umount2', '/proc/keys', $detach) };
$attack{'mount.open'} = sub { call('fsopen', 'tmpfs', 0) };
$attack{'mount.pick'} = sub { call('fspick', -100, '/tmp', 0) };
$attack{'mount.tree'} = sub { call('open_tree', -100, '/', 0x8001) };
$attack{'mount.move'} = sub { call('move_mount', -100, '/tmp', -100, '/nowhere', 0) };
$attack{'mount.attributes'} = sub { my $attributes = pack 'Q4', 8, 0, 0, 0; call('mount_setattr', -100, '/tmp', 0, $attributes, 32) };
$attack{'mount.pivot'} = sub { call('pivot_root', '/tmp', '/nowhere') };
$attack{'mount.chroot'} = sub { call('chroot', '/tmp') };

$attack{'namespace.user'} = sub { call('unshare', $new{user}) };
$attack{'namespace.user-clone'} = sub { cloned('clone', $new{user} | $child_ends, 0, 0, 0, 0) };
$attack{'namespace.user-mount'} = sub { raw('unshare', $new{user} | $new{mount}) == -1 ? error() : mounted('none', '/tmp', 'tmpfs') };
$attack{'namespace.clone3'} = sub { my $arguments = pack 'Q8', $new{user}, 0, 0, 0, $child_ends, 0, 0, 0; cloned('clone3', $arguments, 64) };
$attack{'namespace.mount'} = sub { call('unshare', $new{mount}) };
$attack{'namespace.network'} = sub { call('unshare', $new{net}) };
$attack{'namespace.processes'} = sub { each_of(sub { call('unshare', $new{ $_[0] }) }, qw(pid ipc uts cgroup time)) };
$attack{'namespace.enter'} = sub { sysopen my $own, '/proc/self/ns/net', 0 or return error(); call('setns', fileno($own), 0) };

sub status { return text_of('/proc/self/status') =~ /^\Q$_[0]\E:[ \t]*(.*?)[ \t]*$/m ? $1 : 'missing' }

sub mounted { my ($source, $target, $type, $flags) = @_; return call('mount', $source, $target, $type, $flags // 0, 0) }

# Effective, permitted and inheritable.
sub set_capabilities {
  my $bit = 1 << $_[0];
  my ($header, $sets) = (pack('LL', 0x20080522, 0), pack('L6', $bit, $bit, $bit, 0, 0, 0));
  return call('capset', $header, $sets);
}

sub cloned {
  my $pid = raw(@_);
  leave() if $pid == 0;
  return ended($pid != -1);
}

# Point and options of each mount that the test picks.
sub mounts {
  my ($is_wrong) = @_;
  my @mounts = map { [(split ' ')[4, 5]] } split /\n/, text_of('/proc/self/mountinfo');
  return map { $_->[0] } grep { $is_wrong->(@$_) } @mounts;
}

# A program that root owns with its setuid bit: who runs it, until it ends or waits.
sub rights_of {
  my ($command) = @_;
  my $pid = fork // return 'no process: ' . error();
  if ($pid == 0) {
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    exec { $command->[0] } @$command or leave();
  }
  my $gained = 0;
  for (1 .. 60) {
    my $status = text_of("/proc/$pid/status");
    $gained = 1 if $> != 0 && $status =~ /^Uid:\s+\d+\s+0\s/m;
    last if $gained || $status =~ /^State:\s+Z/m;
    select undef, undef, undef, 0.005;
  }
  kill 9, $pid;
  waitpid $pid, 0;
  return $gained ? 'runs-as-root' : 'no-rights';
}

1;
