# Stands in for systemd: hears what a service says of itself, keeps its descriptors, and starts it again with them.
# fake-systemd.py SOCKET COMMAND...: `start` on stdin starts the command; a JSON object a line says what it said, and how it ended.
import array, json, os, socket, struct, subprocess, sys, threading

address, command = sys.argv[1], sys.argv[2:]
heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
heard.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
heard.bind('\0' + address[1:] if address[0] == '@' else address)
kept = {}
lock = threading.Lock()


def say(**what):
    with lock:
        print(json.dumps(what), flush=True)


def hear():
    while True:
        message, parts, _, _ = heard.recvmsg(65536, 4096)
        said = dict(line.split('=', 1) for line in message.decode().splitlines())
        pid, fds = 0, array.array('i')
        for _, kind, data in parts:
            if kind == socket.SCM_CREDENTIALS:
                pid = struct.unpack('3i', data)[0]
            if kind == socket.SCM_RIGHTS:
                fds.frombytes(data)
        if 'FDSTORE' in said:
            kept[said['FDNAME']] = fds[0]
        if 'FDSTOREREMOVE' in said and said['FDNAME'] in kept:
            os.close(kept.pop(said['FDNAME']))
        say(pid=pid, said=said, kept=sorted(kept))


def place(names):
    # As systemd does: from descriptor 3 on, without FD_CLOEXEC, and the pid of the very process.
    copies = [os.dup(kept[name]) for name in names]
    high = [os.dup2(fd, 200 + index) for index, fd in enumerate(copies)]
    for index, fd in enumerate(high):
        os.dup2(fd, 3 + index)
    os.closerange(3 + len(names), 256)
    os.environ['LISTEN_PID'] = str(os.getpid())


def start():
    names = sorted(kept)
    env = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'NOTIFY_SOCKET': address, 'WATCHDOG_USEC': '600000'}
    env |= {'LISTEN_FDS': str(len(names)), 'LISTEN_FDNAMES': ':'.join(names)} if names else {}
    pid = os.fork()
    if pid == 0:
        try:
            os.environ.clear()
            os.environ.update(env)
            place(names)
            out = os.open(address + '.log' if address[0] == '/' else '/dev/null', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(out, 1), os.dup2(out, 2), os.dup2(os.open('/dev/null', os.O_RDONLY), 0)
            os.execv(command[0], command)
        finally:
            os._exit(127)
    say(started=pid)
    threading.Thread(target=lambda: say(ended=pid, status=os.waitpid(pid, 0)[1]), daemon=True).start()


threading.Thread(target=hear, daemon=True).start()
for line in sys.stdin:
    if line.strip() == 'start':
        start()
