# Everything that speaks to somebody: addresses, sockets of the machine, families of sockets that namespaces do not hold.
use strict;
use warnings;
use Socket ();

our %attack;
my ($unix, $inet, $inet6, $netlink, $stream, $datagram, $raw) = (1, 2, 10, 16, 1, 2, 3);

$attack{'network.loopback'} = sub { reached(map { [$inet, pack_in4('127.0.0.1', $_)] } given('port')) };
$attack{'network.loopback-v6'} = sub { reached(map { [$inet6, pack_in6('::1', $_)] } given('port')) };
$attack{'network.tcp'} = sub { reached(map { [address($_)] } given('endpoint')) };
$attack{'network.udp'} = sub { heard(map { [address($_)] } given('endpoint')) };
$attack{'network.abstract'} = sub { each_of(sub { connected("\0$_[0]") }, given('abstract')) };
$attack{'network.sockets'} = sub { each_of(\&connected, given('unix')) };
$attack{'network.system-sockets'} = sub {
  each_of(\&connected, map { "/run/$_" } qw(docker.sock containerd/containerd.sock dbus/system_bus_socket systemd/private systemd/notify udev/control));
};
$attack{'network.low-port'} = sub {
  socket my $socket, $inet, $stream, 0 or return error();
  ended(bind $socket, pack_in4('127.0.0.1', 80));
};
$attack{'network.new-link'} = sub {
  my $name = attribute(3, "tenantd0\0") . attribute(18, attribute(1, 'dummy'));
  asked(16, pack('CxSlLL', 0, 0, 0, 0, 0) . $name);
};
$attack{'network.new-address'} = sub { asked(20, pack('CCCCL', $inet, 32, 0, 0, 1) . attribute(2, pack 'C4', 10, 99, 99, 99)) };
$attack{'network.mark'} = sub { set_option($stream, 1, 36) };
$attack{'network.transparent'} = sub { set_option($stream, 0, 19) };

$attack{'socket.raw'} = sub { each_of(sub { made($inet, $raw, $_[0]) }, 1, 6, 17, 255) };
$attack{'socket.raw-v6'} = sub { each_of(sub { made($inet6, $raw, $_[0]) }, 58, 255) };
$attack{'socket.packet'} = sub { each_of(sub { made(17, $_[0], 0) }, $datagram, $raw) };
$attack{'socket.vsock'} = sub { each_of(sub { made(40, $_[0], 0) }, $stream, $datagram, 5) };
$attack{'socket.xdp'} = sub { made(44, $raw, 0) };
$attack{'socket.audit'} = sub { made($netlink, $raw, 9) };
$attack{'socket.events'} = sub { made($netlink, $raw, 15) };
$attack{'socket.netfilter'} = sub { made($netlink, $raw, 12) };
$attack{'socket.generic'} = sub { made($netlink, $raw, 16) };
$attack{'socket.diagnostics'} = sub { made($netlink, $raw, 4) };
$attack{'socket.families'} = sub {
  my @others = grep { $_ != $inet6 && $_ != $netlink } 3 .. 50;
  each_of(sub { my ($family) = @_; each_of(sub { made($family, $_[0], 0) }, $stream, $datagram, $raw, 5) }, @others);
};
$attack{'socket.protocols'} = sub {
  my @protocols = ([$stream, 132], [5, 132], [$datagram, 136], [$stream, 262], [6, 33], [$datagram, 1]);
  each_of(sub { made($_[0][0], $_[0][1][0], $_[0][1][1]) }, map { my $kind = $_; map { [$_, $kind] } $inet, $inet6 } @protocols);
};
$attack{'socket.urgent'} = sub {
  socketpair my $one, my $other, $unix, $stream, 0 or return error();
  ended(defined send $one, 'x', 1);
};
$attack{'socket.tls'} = sub {
  socket my $socket, $inet, $stream, 0 or return error();
  ended(setsockopt $socket, 6, 31, 'tls');
};
$attack{'socket.pair'} = sub { each_of(sub { ended(socketpair my $one, my $other, $_[0], $stream, 0) }, $inet, 30, 40) };

sub made { my ($family, $type, $protocol) = @_; return ended(socket my $socket, $family, $type, $protocol) }

sub connected {
  my ($name) = @_;
  socket my $socket, $unix, $stream, 0 or return error();
  return ended(connect $socket, pack 'Sa*', $unix, length $name < 108 ? $name . ($name =~ /^\0/ ? '' : "\0") : substr $name, 0, 108);
}

sub pack_in4 { my ($host, $port) = @_; return Socket::pack_sockaddr_in($port, Socket::inet_pton($inet, $host)) }
sub pack_in6 { my ($host, $port) = @_; return Socket::pack_sockaddr_in6($port, Socket::inet_pton($inet6, $host)) }

# `host:port`, IPv6 in brackets.
sub address {
  my ($host, $port) = $_[0] =~ /^\[?(.*?)\]?:(\d+)$/ or die "endpoint $_[0]\n";
  return $host =~ /:/ ? ($inet6, pack_in6($host, $port)) : ($inet, pack_in4($host, $port));
}

# All at once; what nobody answers is `silent` after half a second.
sub reached {
  my (%waiting, %outcomes);
  for (@_) {
    my ($family, $address) = @$_;
    my $socket = unblocked($family, $stream);
    if ($socket && connect $socket, $address) { $outcomes{ok} = 1 }
    elsif ($socket && $!{EINPROGRESS}) { $waiting{ fileno $socket } = $socket }
    else { $outcomes{ error() } = 1 }
  }
  wait_for(\%waiting, 1, 0.5, sub { $! = unpack 'i', getsockopt $_[0], 1, 4; $outcomes{ $! == 0 ? 'ok' : error() } = 1 });
  $outcomes{silent} = 1 if %waiting;
  return join ',', sort keys %outcomes;
}

# One byte to each; a refusal comes back as an error of the socket.
sub heard {
  my (%waiting, %outcomes);
  for (@_) {
    my ($family, $address) = @$_;
    my $socket = unblocked($family, $datagram);
    if ($socket && connect($socket, $address) && send $socket, 'x', 0) { $waiting{ fileno $socket } = $socket }
    else { $outcomes{ error() } = 1 }
  }
  wait_for(\%waiting, 0, 0.3, sub { $outcomes{ ended(defined recv $_[0], my $bytes, 1, 0) } = 1 });
  $outcomes{silent} = 1 if %waiting;
  return join ',', sort keys %outcomes;
}

sub unblocked {
  my ($family, $type) = @_;
  socket my $socket, $family, $type | 04000, 0 or return undef;
  return $socket;
}

sub wait_for {
  my ($waiting, $writable, $seconds, $end) = @_;
  while (%$waiting) {
    my $bits = '';
    vec($bits, $_, 1) = 1 for keys %$waiting;
    my ($left, $rest);
    ($left, $rest) = $writable ? select(undef, $bits, undef, $seconds) : select($bits, undef, undef, $seconds);
    last if $left <= 0;
    $seconds = $rest if defined $rest;
    for (grep { vec $bits, $_, 1 } keys %$waiting) { $end->($waiting->{$_}); delete $waiting->{$_} }
  }
}

sub set_option {
  my ($type, $level, $option) = @_;
  socket my $socket, $inet, $type, 0 or return error();
  return ended(setsockopt $socket, $level, $option, pack 'i', 1);
}

sub attribute { my ($type, $value) = @_; my $text = pack('SS', 4 + length $value, $type) . $value; return $text . "\0" x (-length($text) & 3) }

# A request to the kernel's routing, with its answer.
sub asked {
  my ($type, $body) = @_;
  socket my $socket, $netlink, $raw, 0 or return error();
  my $flags = 1 | 4 | 0x400 | 0x200;
  send $socket, pack('LSSLL', 16 + length $body, $type, $flags, 1, 0) . $body, 0 or return error();
  recv $socket, my $answer, 4096, 0;
  $! = -unpack 'x16 l', $answer;
  return $! == 0 ? 'ok' : error();
}

1;
