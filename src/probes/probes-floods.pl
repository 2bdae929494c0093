# What a tenant may take of the machine. Those called `flood` take all they get, up to a bound of their own.
use strict;
use warnings;

our %attack;
my ($core_limit, $descriptor_limit) = (4, 7);

$attack{'limit.priority'} = sub { call('setpriority', 0, 0, -5) };
$attack{'limit.real-time'} = sub { my $priority = pack 'i', 1; call('sched_setscheduler', 0, 1, $priority) };
$attack{'limit.deadline'} = sub { my $attributes = pack 'LLQlLQQQ', 48, 6, 0, 0, 0, 1e6, 1e8, 1e8; call('sched_setattr', 0, $attributes, 0) };
$attack{'limit.disk-priority'} = sub { call('ioprio_set', 1, 0, 1 << 13) };
$attack{'limit.locked-memory'} = sub { my $bytes = 'x' x (1 << 20); call('mlock', $bytes, 1 << 20) };
$attack{'limit.descriptors'} = sub {
  my $limits = "\0" x 16;
  raw('prlimit64', 0, $descriptor_limit, 0, $limits);
  my (undef, $hard) = unpack 'QQ', $limits;
  set_limit($descriptor_limit, $hard + 1);
};
$attack{'limit.core'} = sub { set_limit($core_limit, 4096) };
$attack{'limit.message-queue'} = sub { undone_queue('tenantd-probe') };

$attack{'flood.core-dump'} = sub {
  chdir '/tmp';
  my $pid = fork // return 'no process: ' . error();
  if ($pid == 0) { kill 11, $$; sleep 1 }
  waitpid $pid, 0;
  my @files = glob '/tmp/core*';
  unlink @files;
  return ($? & 127) != 11 ? "ended with $?" : @files || $? & 128 ? 'core' : 'no-core';
};
$attack{'flood.processes'} = sub {
  my @children;
  my $outcome = 'ok';
  for (1 .. 400) {
    my $pid = fork;
    if (!defined $pid) { $outcome = error(); last }
    if ($pid == 0) { sleep 60; leave() }
    push @children, $pid;
  }
  kill 9, @children;
  waitpid $_, 0 for @children;
  return $outcome;
};
$attack{'flood.descriptors'} = sub {
  my @files;
  for (1 .. (given('descriptors'))[0] // 70_000) { sysopen my $file, '/dev/null', 0 or return error(); push @files, $file }
  return 'ok';
};
$attack{'flood.memory'} = sub {
  my @pieces;
  push @pieces, 'x' x (1 << 20) for 1 .. megabytes();
  return 'ok';
};
$attack{'flood.tmp'} = sub { filled('/tmp') };
$attack{'flood.shared-memory'} = sub { filled('/dev/shm') };
$attack{'flood.data'} = sub { filled('/data') };
$attack{'flood.tmp-files'} = sub { many_files('/tmp') };
$attack{'flood.data-files'} = sub { many_files('/data') };

sub megabytes { return (given('megabytes'))[0] // 256 }
sub files { return (given('files'))[0] // 100_000 }

sub set_limit { my ($which, $value) = @_; my $limits = pack 'QQ', $value, $value; return call('prlimit64', 0, $which, $limits, 0) }

sub undone_queue {
  my ($name) = @_;
  my $outcome = call('mq_open', $name, 0102, 0600, 0);
  raw('mq_unlink', $name);
  return $outcome;
}

sub filled {
  my $path = "$_[0]/.tenantd-probe-fill";
  sysopen my $file, $path, Fcntl::O_CREAT() | Fcntl::O_WRONLY(), 0600 or return error();
  my $piece = 'x' x (1 << 20);
  my $outcome = 'ok';
  for (1 .. megabytes()) {
    # The last piece before the end is a short one.
    next if defined syswrite $file, $piece;
    $outcome = error();
    last;
  }
  unlink $path;
  return $outcome;
}

sub many_files {
  my $folder = "$_[0]/.tenantd-probe-files";
  mkdir $folder, 0700 or return error();
  my ($outcome, $made) = ('ok', 0);
  for (1 .. files()) {
    if (!sysopen my $file, "$folder/$made", Fcntl::O_CREAT(), 0600) { $outcome = error(); last }
    $made++;
  }
  unlink map { "$folder/$_" } 0 .. $made;
  rmdir $folder;
  return $outcome;
}

1;
