import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostName, listenAddress, pooledConnections, type Ports, type Proxy, type ProxyOptions, startListening } from './proxy.ts';

export function startCaddy(options: ProxyOptions): Promise<Proxy> {
  return startListening('caddy', options, (ports) => {
    const file = join(options.folder, 'Caddyfile');
    writeFileSync(file, configuration(options, ports));
    // Go takes as many threads as it may use processors; what it stores goes to HOME.
    return { command: ['caddy', 'run', '--adapter', 'caddyfile', '--config', file], env: { HOME: options.folder } };
  });
}

function configuration({ folder, certificate, upstreams }: ProxyOptions, { httpPort, httpsPort }: Ports): string {
  return `{
  admin off
  auto_https off
}
(proxy) {
  bind ${listenAddress}
  log {
    output file ${folder}/requests.log {
      roll_disabled
    }
    format filter {
      wrap json
      fields {
        request>headers delete
        resp_headers delete
      }
    }
  }
  reverse_proxy ${upstreams.map((socket) => `unix/${socket}`).join(' ')} {
    header_up X-Forwarded-Port {http.request.port}
    header_up X-Request-Id {http.request.uuid}
    transport http {
      compression off
      keepalive 1h
      keepalive_idle_conns ${pooledConnections}
      keepalive_idle_conns_per_host ${pooledConnections}
    }
  }
}
http://${hostName}:${httpPort} {
  import proxy
}
https://${hostName}:${httpsPort} {
  tls ${certificate.chainFile} ${certificate.keyFile}
  import proxy
}
`;
}
