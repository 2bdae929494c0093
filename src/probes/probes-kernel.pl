# The machine's kernel: what only root may ask of it, and what too much has gone wrong in. Arguments are such that nothing
# happens even if the call is allowed.
use strict;
use warnings;

our (%attack, $is_arm);

$attack{'kernel.bpf'} = sub { my $map = pack('L4', 2, 4, 4, 1) . "\0" x 56; call('bpf', 0, $map, 72) };
$attack{'kernel.perf'} = sub {
  my $event = pack('LLQQQQQ', 1, 112, 0, 0, 0, 0, 1 << 5 | 1 << 6 | 1) . "\0" x 64;
  call('perf_event_open', $event, 0, -1, -1, 0);
};
$attack{'kernel.add-key'} = sub { call('add_key', 'user', 'tenantd-probe', 'x', 1, -1) };
$attack{'kernel.request-key'} = sub { call('request_key', 'user', 'tenantd-probe-none', 0, 0) };
$attack{'kernel.keyctl'} = sub { call('keyctl', 1, 0) };
$attack{'kernel.userfaultfd'} = sub { call('userfaultfd', 1) };
$attack{'kernel.io-uring'} = sub { my $parameters = "\0" x 120; call('io_uring_setup', 1, $parameters) };
$attack{'kernel.fanotify'} = sub { call('fanotify_init', 0x200, 0) };
$attack{'kernel.kexec'} = sub { call('kexec_load', 0, 99_999, 0, -1) };
$attack{'kernel.kexec-file'} = sub { call('kexec_file_load', -1, -1, 0, '', -1) };
$attack{'kernel.load-module'} = sub { call('init_module', 'x', 1, '') };
$attack{'kernel.load-module-file'} = sub { call('finit_module', -1, '', 0) };
$attack{'kernel.unload-module'} = sub { call('delete_module', 'tenantd_probe_none', 04000) };
$attack{'kernel.reboot'} = sub { call('reboot', 1, 2, 3, 0) };
$attack{'kernel.set-clock'} = sub { each_of(sub { call(@{ $_[0] }) }, ['clock_settime', 0, 0], ['settimeofday', 1, 0]) };
$attack{'kernel.adjust-clock'} = sub { each_of(sub { call(@{ $_[0] }) }, ['adjtimex', 0], ['clock_adjtime', 0, 0]) };
$attack{'kernel.log'} = sub { my $bytes = "\0" x 64; call('syslog', 3, $bytes, 64) };
$attack{'kernel.swap'} = sub { each_of(sub { call(@{ $_[0] }) }, ['swapon', '/tenantd-none', 0], ['swapoff', '/tenantd-none']) };
$attack{'kernel.accounting'} = sub { call('acct', '/tenantd-none') };
$attack{'kernel.quota'} = sub { call('quotactl', 0x80000100, 0, 0, 0) };
$attack{'kernel.personality'} = sub { call('personality', 0x40000) };
$attack{'kernel.io-ports'} = sub { each_of(sub { call(@{ $_[0] }) }, ['iopl', 3], ['ioperm', 0x80, 1, 1]) };
$attack{'kernel.hang-up'} = sub { call('vhangup') };
$attack{'kernel.host-name'} = sub { call('sethostname', 'x', -1) };
$attack{'kernel.domain-name'} = sub { call('setdomainname', 'x', -1) };
# The second has a bit set that the kernel does not look at.
$attack{'kernel.terminal-input'} = sub { each_of(\&typed, 0x5412, 0x5412 | 1 << 40) };
$attack{'kernel.terminal-selection'} = sub { each_of(\&typed, 0x541c, 0x541c | 1 << 40) };
$attack{'kernel.line-discipline'} = sub { each_of(\&typed, 0x5423, 0x541d) };
$attack{'kernel.file-flags'} = sub {
  my $flags = pack 'L', 0x40;
  with_scratch('file', sub { sysopen my $file, $_[0], 1 or return error(); call('ioctl', fileno($file), 0x40086602, $flags) });
};
$attack{'kernel.open-how'} = sub { my $how = pack 'Q3', 0, 0, 0; call('openat2', -100, '/tmp', $how, 24) };
$attack{'kernel.memory-policy'} = sub {
  each_of(sub { call(@{ $_[0] }) }, ['set_mempolicy', 0, 0, 0], ['get_mempolicy', 0, 0, 0, 0, 0], ['move_pages', 0, 0, 0, 0, 0, 0]);
};
$attack{'kernel.splice'} = sub {
  pipe my $read, my $write or return error();
  my $bytes = 'x' x 8;
  my $vector = vector(address_of($bytes), 8);
  call('vmsplice', fileno($write), $vector, 1, 0);
};
$attack{'kernel.segments'} = sub { my $segments = "\0" x 16; call('modify_ldt', 0, $segments, 16) };
$attack{'kernel.old-calls'} = sub { each_of(sub { call(@{ $_[0] }) }, ['sysfs', 3, 0, 0], ['ustat', 0, 0]) };
$attack{'kernel.32-bit'} = sub { executed(program_32()) };
$attack{'kernel.int-80'} = sub { executed(program_int_80()) };
$attack{'kernel.x32'} = sub { each_of(sub { ended(syscall($_[0] | 1 << 30) != -1) }, $is_arm ? 172 : 39, 520, 165) };
$attack{'kernel.unknown'} = sub { each_of(sub { ended(syscall($_[0], -1, 0, 0, 0, 0, 0) != -1) }, 463 .. 470, 700, 1_000, 4_096, 65_536) };

sub typed {
  my ($request) = @_;
  my $byte = 'x';
  return each_of(sub { sysopen my $terminal, $_[0], Fcntl::O_RDWR() | Fcntl::O_NOCTTY() or return error(); call('ioctl', fileno($terminal), $request, $byte) },
    '/dev/null', '/dev/ptmx');
}

# exit(42) of the 32-bit kind: `int 0x80` on x86, `svc 0` of ARM.
sub program_32 {
  my $code = $is_arm ? pack('V3', 0xe3a07001, 0xe3a0002a, 0xef000000) : "\xb8\x01\0\0\0\xbb\x2a\0\0\0\xcd\x80";
  my ($base, $start) = (0x10000, 84);
  return "\x7fELF\1\1\1" . "\0" x 9 . pack('vvVVVVVvvvvvv', 2, $is_arm ? 40 : 3, 1, $base + $start, 52, 0, $is_arm ? 0x05000000 : 0, 52, 32, 1, 0, 0, 0)
    . pack('V8', 1, 0, $base, $base, $start + length $code, $start + length $code, 5, 4096) . $code;
}

# The same from a 64-bit program, which can make both kinds of calls on x86.
sub program_int_80 {
  my $code = "\xb8\x01\0\0\0\xbb\x2a\0\0\0\xcd\x80";
  my ($base, $start) = (0x400000, 120);
  return "\x7fELF\2\1\1" . "\0" x 9 . pack('vvVQQQVvvvvvv', 2, 62, 1, $base + $start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    . pack('VVQQQQQQ', 1, 5, 0, $base, $base, $start + length $code, $start + length $code, 4096) . $code;
}

sub executed {
  my ($program) = @_;
  my $path = "/tmp/.tenantd-probe-$$";
  sysopen my $file, $path, Fcntl::O_CREAT() | Fcntl::O_WRONLY(), 0700 or return 'no scratch: ' . error();
  syswrite $file, $program;
  close $file;
  my $pid = fork // return 'no process: ' . error();
  if ($pid == 0) { no warnings; exec { $path } $path; exit_with($! + 0 == Errno::ENOEXEC() ? 44 : 45) }
  waitpid $pid, 0;
  unlink $path;
  return 'SIGSYS' if ($? & 127) == 31;
  return 'ended with signal ' . ($? & 127) if $? & 127;
  return { 42 => 'ok', 44 => 'ENOEXEC', 45 => 'not started' }->{ $? >> 8 } // 'ended with ' . ($? >> 8);
}

1;
