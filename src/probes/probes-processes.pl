# Processes of the machine, and pid 1 of its own sandbox, which is root's.
use strict;
use warnings;

our %attack;
my ($descriptor_limit, $seize) = (7, 0x4206);

$attack{'process.list'} = sub {
  my %own = map { $_ => 1 } 1, $$, parents();
  none_of(sort { $a <=> $b } grep { !$own{$_} } pids());
};
$attack{'process.folder'} = sub { of_pids(sub { ended(lstat "/proc/$_[0]") }) };
$attack{'process.signal'} = sub { of_pids(\&signalled) };
$attack{'process.handle'} = sub { of_pids(sub { call('pidfd_open', $_[0], 0) }) };
$attack{'process.trace'} = sub { of_pids(\&traced) };
$attack{'process.read'} = sub { of_pids(sub { copied('process_vm_readv', $_[0]) }) };
$attack{'process.compare'} = sub { of_pids(sub { call('kcmp', $$ + 0, $_[0], 2, 0, 0) }) };
$attack{'process.limits'} = sub { of_pids(\&limited) };
$attack{'process.namespaces'} = sub {
  my %foreign = map { $_ => 1 } given('namespace');
  none_of(grep { $foreign{$_} } map { readlink("/proc/self/ns/$_") // () } qw(mnt pid ipc uts cgroup net));
};
$attack{'process.shared-memory'} = sub {
  none_of(grep { my $lines = () = text_of("/proc/sysvipc/$_") =~ /\n/g; $lines > 1 } qw(shm sem msg));
};

$attack{'init.signal'} = sub { signalled(1) };
$attack{'init.trace'} = sub { traced(1) };
$attack{'init.read'} = sub { copied('process_vm_readv', 1) };
$attack{'init.write'} = sub { copied('process_vm_writev', 1) };
$attack{'init.advise'} = sub { my $vector = vector(4096, 4096); with_init(sub { call('process_madvise', $_[0], $vector, 1, 20, 0) }) };
$attack{'init.descriptor'} = sub { with_init(sub { call('pidfd_getfd', $_[0], 0, 0) }) };
$attack{'init.pidfd-signal'} = sub { with_init(sub { call('pidfd_send_signal', $_[0], 0, 0, 0) }) };
$attack{'init.limits'} = sub { limited(1) };
$attack{'init.affinity'} = sub { my $all = "\xff" x 8; call('sched_setaffinity', 1, 8, $all) };
$attack{'init.root'} = sub { opened('/proc/1/root/etc/hosts') };
$attack{'init.cwd'} = sub { opened('/proc/1/cwd') };
$attack{'init.program'} = sub { opened('/proc/1/exe') };
$attack{'init.environment'} = sub { opened('/proc/1/environ') };
$attack{'init.memory'} = sub { opened('/proc/1/mem', Fcntl::O_RDWR()) };
$attack{'init.maps'} = sub { readable('/proc/1/maps') };
$attack{'init.descriptors'} = sub { ended(opendir my $folder, '/proc/1/fd') };
$attack{'init.score'} = sub { opened('/proc/1/oom_score_adj', Fcntl::O_WRONLY()) };
$attack{'init.namespaces'} = sub { each_of(\&opened, map { "/proc/1/ns/$_" } qw(mnt net pid user)) };

sub parents {
  my ($pid, @parents) = ($$);
  push @parents, $pid while $pid > 1 && (($pid) = text_of("/proc/$pid/status") =~ /^PPid:\s+(\d+)/m);
  return @parents;
}

sub of_pids { my ($try) = @_; return each_of($try, map { $_ + 0 } given('pid')) }

# Signal 0: whether it could be signalled.
sub signalled { return ended(kill 0, $_[0]) }

# Without stopping it; its tracer's end lets it go.
sub traced { return call('ptrace', $seize, $_[0], 0, 0) }

# An address that nobody has: what was allowed ends with EFAULT.
sub copied {
  my ($name, $pid) = @_;
  my $bytes = "\0" x 8;
  my ($here, $there) = (vector(address_of($bytes), 8), vector(8, 8));
  return call($name, $pid, $here, 1, $there, 1, 0);
}

sub limited { my $limit = "\0" x 16; return call('prlimit64', $_[0], $descriptor_limit, 0, $limit) }

sub with_init {
  my ($try) = @_;
  my $handle = raw('pidfd_open', 1, 0);
  return $handle == -1 ? 'no handle: ' . error() : $try->($handle);
}

1;
