import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listenAddress, pooledConnections, type Ports, type Proxy, type ProxyOptions, startListening } from './proxy.ts';

export function startNginx(options: ProxyOptions): Promise<Proxy> {
  return startListening('nginx', options, (ports) => {
    const file = join(options.folder, 'nginx.conf');
    writeFileSync(file, configuration(options, ports));
    return { command: nginxCommand(file) };
  });
}

export function nginxCommand(file: string): string[] {
  return ['nginx', '-c', file, '-e', 'stderr', '-g', 'daemon off;'];
}

/** For what is no matter of the test. Started by root it would leave for a user who can't enter the folder. */
export function nginxBasics(folder: string, processes: number): string {
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${folder}/nginx-temp;`);
  return `${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes ${processes};
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 16384; }
http {
${folders.join('\n')}
  gzip off;
  tcp_nodelay on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_max_body_size 1g;`;
}

/** Buffers that hold a whole 64 KiB answer, and bodies passed on as they come: faster here than what is built in. */
function configuration({ folder, certificate, upstreams, processes }: ProxyOptions, { httpPort, httpsPort }: Ports): string {
  return `${nginxBasics(folder, processes)}
  log_format json escape=json '{"time":"$time_iso8601","client":"$remote_addr","method":"$request_method","host":"$host",'
    '"path":"$uri","status":$status,"bytes":$body_bytes_sent,"seconds":$request_time,"app_seconds":"$upstream_response_time",'
    '"id":"$request_id","tls":"$ssl_protocol"}';
  access_log ${folder}/requests.log json buffer=64k flush=1s;
  upstream app {
    ${upstreams.map((socket) => `server unix:${socket};`).join(' ')}
    keepalive ${pooledConnections};
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
  map $http_upgrade $connection_option { default upgrade; '' ''; }
  server {
    listen ${listenAddress}:${httpPort};
    listen ${listenAddress}:${httpsPort} ssl http2;
    ssl_certificate ${certificate.chainFile};
    ssl_certificate_key ${certificate.keyFile};
    ssl_protocols TLSv1.2 TLSv1.3;
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection $connection_option;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Request-Id $request_id;
      proxy_request_buffering off;
      proxy_buffers 8 16k;
      proxy_max_temp_file_size 0;
      proxy_read_timeout 1h;
    }
  }
}
`;
}
