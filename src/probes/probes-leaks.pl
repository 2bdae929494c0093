# What the machine tells, and what it would let itself be told.
use strict;
use warnings;

our (%attack, @inherited);
my $write = Fcntl::O_WRONLY();

my %file_of = (
  map({ ("leak.$_" => ["/proc/$_"]) } qw(kcore kmsg keys key-users kallsyms cmdline modules)),
  'leak.timer-list' => ['/proc/timer_list'],
  'leak.sched-debug' => ['/proc/sched_debug', '/proc/schedstat'],
  'leak.config' => ['/proc/config.gz'],
  'leak.vmalloc' => ['/proc/vmallocinfo'],
  'leak.slabs' => ['/proc/slabinfo'],
  'leak.pages' => [map { "/proc/$_" } qw(kpagecgroup kpagecount kpageflags pagetypeinfo)],
  'leak.pressure' => [map { "/proc/pressure/$_" } qw(cpu memory io)],
);
for my $id (keys %file_of) {
  $attack{$id} = sub { each_of(\&readable, @{ $file_of{$id} }) };
}

my %setting_of = (
  'proc.sysrq' => ['/proc/sysrq-trigger'],
  'proc.core-pattern' => ['/proc/sys/kernel/core_pattern'],
  'proc.modprobe' => ['/proc/sys/kernel/modprobe', '/proc/sys/fs/binfmt_misc/register'],
  'proc.drop-caches' => ['/proc/sys/vm/drop_caches'],
  'proc.network' => ['/proc/sys/net/ipv4/ip_forward'],
  'proc.pressure' => ['/proc/pressure/memory'],
);
# Opened only: nothing is ever written.
for my $id (keys %setting_of) {
  $attack{$id} = sub { each_of(sub { opened($_[0], $write) }, @{ $setting_of{$id} }) };
}

$attack{'proc.score'} = sub {
  sysopen my $file, '/proc/self/oom_score_adj', $write or return error();
  ended(syswrite $file, '-1');
};
$attack{'leak.mounts'} = sub { words_in(text_of('/proc/self/mountinfo')) };
# Up to what this program itself was told.
$attack{'leak.command-line'} = sub { words_in(text_of('/proc/1/cmdline') =~ s/\0marker=.*//sr) };
$attack{'leak.groups'} = sub { none_of(grep { $_ ne '/' } map { /^\d+:[^:]*:(.*)$/ ? $1 : () } split /\n/, text_of('/proc/self/cgroup')) };
$attack{'leak.environment'} = sub {
  my %own = map { $_ => 1 } 'TENANTD_PROBES', given('environment');
  none_of(sort grep { !$own{$_} } keys %ENV);
};
$attack{'leak.descriptors'} = sub { none_of(@inherited) };

sub words_in {
  my ($text) = @_;
  return 'unreadable' if $text eq '';
  return none_of(grep { index($text, $_) >= 0 } given('word'));
}

1;
