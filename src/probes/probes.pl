# Attacks the sandbox that it runs in, and says how each attempt ended: a line `ID<TAB>OUTCOME` for each ID asked for.
# What each of them is, and what must come out: src/protocol/probe-list.ts. Perl, since every Debian has it, and since it
# can make any system call. Arguments: KEY=VALUE..., then `--`, then IDs. Parts: probes-*.pl beside this file.
use strict;
use warnings;
use Errno ();
use Fcntl ();

our (%attack, %given);
my %name_of = map { Errno->can($_)->() => $_ } grep { !/^(EWOULDBLOCK|ENOTSUP|EDEADLOCK)$/ } keys %!;
my %signal_of = (6 => 'SIGABRT', 9 => 'SIGKILL', 11 => 'SIGSEGV', 14 => 'timeout', 31 => 'SIGSYS');
our @inherited = inherited();

while (@ARGV && $ARGV[0] ne '--') {
  my ($key, $value) = split /=/, shift @ARGV, 2;
  push @{ $given{$key} }, $value;
}
shift @ARGV;
refuse_outside_of_a_sandbox();

my ($folder) = $0 =~ m{^(.*)/};
for my $part (qw(calls files leaks processes rights network kernel floods)) {
  do "$folder/probes-$part.pl" or die "probes-$part.pl: " . ($@ || $!) . "\n";
}

$| = 1;
$SIG{PIPE} = 'IGNORE';
print "$_\t", attempt($_), "\n" for @ARGV;

# Attacks are for sandboxes with a network of their own, which somebody meant to attack. `control` says that a layer was
# left out on purpose, to see the attack succeed: then there must be no interface at all but a loopback.
sub refuse_outside_of_a_sandbox {
  my ($marker) = given('marker');
  refuse('nobody asked for it') unless defined $marker && $marker ne '' && ($ENV{TENANTD_PROBES} // '') eq $marker;
  my %own = map { $_ => 1 } 'lo', given('control') ? () : given('interface');
  open my $devices, '<', '/proc/self/net/dev' or refuse("no /proc: $!");
  my @interfaces = map { /^\s*(\S+?):/ ? $1 : () } <$devices>;
  refuse('no network interfaces can be seen') unless @interfaces;
  for (@interfaces) { refuse("the network interface $_ is not the sandbox's") unless $own{$_} }
  my $network = readlink('/proc/self/ns/net') // '';
  for (given('machine-network')) { refuse("its network is the machine's") if $network eq $_ || $network eq '' }
  return if given('control');
  refuse("nobody said which network is the machine's") unless given('machine-network');
  refuse('it is root') if $< == 0 || $> == 0;
  refuse('pid 1 is not that of a sandbox') if text_of('/proc/1/comm') ne "bwrap\n";
}

sub refuse { print STDERR "refused: $_[0]\n"; exit 3 }

sub given { @{ $given{ $_[0] } // [] } }

sub pids {
  opendir my $proc, '/proc' or return;
  return grep { /^\d+$/ } readdir $proc;
}

sub inherited {
  opendir my $folder, '/proc/self/fd' or return ('unknown');
  my %open = map { $_ => readlink("/proc/self/fd/$_") // '' } grep { /^\d+$/ } readdir $folder;
  # Its own script, and the folder that is being read.
  return map { $_ > 2 ? "$_ $open{$_}" : () } grep { $open{$_} ne '' && $open{$_} !~ m{^/proc/|/probes\.pl$} } sort keys %open;
}

# Each attempt in a process of its own: it may lose its rights, be killed, or hang.
sub attempt {
  my ($id) = @_;
  my $code = $attack{$id} or return 'unknown';
  pipe my $answer, my $ask or return 'no pipe: ' . error();
  my $pid = fork;
  return 'no process: ' . error() unless defined $pid;
  if ($pid == 0) {
    close $answer;
    alarm(given('seconds') ? (given('seconds'))[0] : 3);
    my $outcome = eval { $code->() };
    syswrite $ask, defined $outcome ? $outcome : 'failed: ' . ($@ || 'nothing said');
    leave();
  }
  close $ask;
  my $outcome = '';
  sysread $answer, $outcome, 400;
  waitpid $pid, 0;
  return clean($outcome) if $outcome ne '';
  return $signal_of{ $? & 127 } // 'ended with ' . $?;
}

sub clean { my ($text) = @_; $text =~ s/[^ -~]/?/g; return $text }

# How a system call or a function of Perl's ended.
sub ended { return $_[0] ? 'ok' : error() }
sub error { return $name_of{ $! + 0 } // 'error ' . ($! + 0) }

# Several attempts: each outcome once.
sub each_of {
  my ($try, @items) = @_;
  my %outcomes = map { $try->($_) => 1 } @items;
  return join ',', sort keys %outcomes;
}

sub none_of { return @_ ? substr(join(' ', 'found', @_), 0, 150) : 'none' }

sub opened {
  my ($path, $mode) = @_;
  return ended(sysopen my $file, $path, ($mode // 0) | Fcntl::O_NONBLOCK() | Fcntl::O_NOCTTY());
}

sub readable {
  my ($path) = @_;
  sysopen my $file, $path, Fcntl::O_NONBLOCK() or return error();
  my $length = sysread $file, my $bytes, 4096;
  return !defined $length ? error() : $length == 0 ? 'empty' : 'ok';
}

sub text_of {
  my ($path) = @_;
  open my $file, '<', $path or return '';
  local $/;
  return scalar(<$file>) // '';
}

# A file or folder of its own, in the sandbox's own /tmp, gone afterwards.
sub with_scratch {
  my ($kind, $try) = @_;
  my $path = "/tmp/.tenantd-probe-$$";
  if ($kind eq 'folder') { mkdir $path, 0755 or return 'no scratch: ' . error() }
  else { sysopen my $file, $path, Fcntl::O_CREAT() | Fcntl::O_WRONLY(), 0755 or return 'no scratch: ' . error() }
  my $outcome = $try->($path);
  $kind eq 'folder' ? rmdir $path : unlink $path;
  return $outcome;
}
