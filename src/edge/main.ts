import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { edgeControlSocket, edgeGatewaysDir, edgeLogsDir, edgeSocketsDir, firstListenerFd } from '../protocol/edge-paths.ts';
import type { EdgeRole, EdgeSettings } from '../protocol/edge.ts';
import { runEdge } from './edge-process.ts';
import type { Caller } from './gateways.ts';
import { runMaster } from './master.ts';

/** For a SIGTERM, which names no time; the daemon's own request does. */
const signalGraceMs = 10_000;

const [, script = '', settingsText = ''] = process.argv;
const role: EdgeRole = process.argv[3] === 'edge' ? 'edge' : 'master';
const settings = JSON.parse(settingsText) as EdgeSettings;
const listenerFds = Array.from({ length: settings.httpListeners + settings.httpsListeners }, (_, index) => firstListenerFd + index);

// Its reader ends with the daemon: what is printed then is lost, and no reason to end.
process.stderr.on('error', () => {});
const running = role === 'edge' ? startEdge() : startMaster();
process.on('SIGTERM', () => void running.shutdown(signalGraceMs));
// From a terminal it reaches all processes at once: the master tells the edges.
process.on('SIGINT', () => role === 'master' && void running.shutdown(signalGraceMs));
await running.ended;
process.exit(0);

function startMaster() {
  return runMaster({
    controlSocket: settings.controlSocket ?? edgeControlSocket,
    gatewaysDir: settings.gatewaysDir ?? edgeGatewaysDir,
    standby: settings.standby ?? false,
    processes: settings.processes,
    listenerFds,
    edgeCommand: [process.execPath, ...process.execArgv, script, settingsText, 'edge' satisfies EdgeRole],
  });
}

function startEdge() {
  const { accessLogs, processes, httpsPort, trustedProxies, proxyProtocol } = settings;
  const directory = settings.logsDir ?? edgeLogsDir;
  const edge = runEdge({
    channelFd: firstListenerFd + listenerFds.length,
    httpFds: listenerFds.slice(0, settings.httpListeners),
    httpsFds: listenerFds.slice(settings.httpListeners),
    ...{ httpsPort, trustedProxies, proxyProtocol, processes, openFiles: maxOpenFiles() },
    socketsDir: settings.socketsDir ?? edgeSocketsDir,
    accessLogs: accessLogs && { ...accessLogs, directory, place: Number(process.argv[4] ?? 0), places: processes },
  });
  // One that was closed on its way here comes as its caller alone.
  process.on('message', (caller, socket) => socket && edge.acceptCall(caller as Caller, socket as Socket));
  return edge;
}

/** Node has raised the soft limit to the hard one. */
function maxOpenFiles(): number {
  const soft = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
  return soft === undefined ? Infinity : Number(soft);
}
