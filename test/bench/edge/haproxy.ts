import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listenAddress, type Ports, type Proxy, type ProxyOptions, startListening } from './proxy.ts';

export function startHaproxy(options: ProxyOptions): Promise<Proxy> {
  return startListening('haproxy', options, (ports) => {
    const file = join(options.folder, 'haproxy.cfg');
    writeFileSync(file, configuration(options, ports));
    return { command: ['haproxy', '-db', '-f', file], logsToOutput: true };
  });
}

const logFormat = [
  '{"time":"%tr","client":"%ci","method":"%HM","host":"%[capture.req.hdr(0)]","path":"%HP","status":%ST,"bytes":%B,',
  '"ms":%Ta,"app_ms":%Tr,"id":"%ID","tls":"%sslv"}',
].join('');

function configuration({ certificate, upstreams, processes }: ProxyOptions, { httpPort, httpsPort }: Ports): string {
  return `global
  nbthread ${processes}
  maxconn 8000
  log stdout format raw local0
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  log global
  log-format '${logFormat}'
  unique-id-format %{+X}o%ci%cp%Ts%rt%pid
  unique-id-header X-Request-Id
  http-reuse always
  timeout connect 10s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend all
  bind ${listenAddress}:${httpPort}
  bind ${listenAddress}:${httpsPort} ssl crt ${certificate.bothFile} alpn h2,http/1.1
  http-request capture req.hdr(host) len 64
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Proto https if { ssl_fc }
  http-request set-header X-Forwarded-Proto http unless { ssl_fc }
  default_backend app
backend app
${upstreams.map((socket, index) => `  server app${index} unix@${socket} pool-purge-delay 1h`).join('\n')}
`;
}
