#!/usr/bin/env python3
"""Kills the daemon, and its keeper, again and again under programs that write numbered lines, and accounts for everything.

    bench/crash.py [--programs 200] [--crashes 50] [--keeper-crashes 20] [--daemon PATH] [--seed N] [--json FILE]
                   [--interval US]
    bench/crash.py --supervisor --crashes 10     # Supervisor, started again at once as an init system would

Of twenty programs seventeen write 50 lines a second (--interval) and one a line a second; two exit every 1 to 3 s with a random exit status, a quarter of
them at the very moment of each crash. Every run keeps an account of its own in a file: its last line whose write() returned, and
the exit status it is about to have. gcc is needed. The exit status is 1 when Steward lost anything, and that of Supervisor's run is 0.
"""
import argparse
import ctypes
import glob
import json
import mmap
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import xmlrpc.client

PATIENCE = 60  # seconds until a daemon that is not back is called lost
LINE = re.compile(rb'([qwx]\d{4}) (\d+) (\d+) (\d+)\.')
TOLD = re.compile(r"(?P<how>spawned|adopted): '(?P<new>[qwx]\d{4})' with pid (?P<pid>\d+)|(?:exited|stopped): (?P<name>[qwx]\d{4}) \((?P<end>[^;)]*)")


def read(path):
    try:
        with open(path, 'rb') as f:
            return f.read()
    except OSError:  # it has ended
        return b''


def stat(pid):
    """State and parent of a process; ('X', 0) when there is none."""
    fields = read(f'/proc/{pid}/stat').rpartition(b') ')[2].split()
    return (fields[0].decode(), int(fields[1])) if fields else ('X', 0)


def lives(pid):
    return stat(pid)[0] not in 'ZX'


def pids():
    return [int(name) for name in os.listdir('/proc') if name.isdigit()]


class Token:
    """Finds what belongs to this run by a variable of the environment that all inherit."""

    def __init__(self):
        self.value = uuid.uuid4().hex
        self._mark = b'STEWARD_CRASH=' + self.value.encode()

    def look(self, pid):
        """(belongs to this run, name of the program or None)"""
        environ = read(f'/proc/{pid}/environ').split(b'\0')
        if self._mark not in environ:
            return False, None
        return True, next((e[24:].decode() for e in environ if e.startswith(b'SUPERVISOR_PROCESS_NAME=')), None)

    def all(self):
        """pid -> name of the program, or None for the daemon and its keeper; the living only."""
        found = {pid: self.look(pid) for pid in pids()}
        return {pid: name for pid, (ours, name) in found.items() if ours and lives(pid)}

    def kill_all(self):
        for _ in range(200):
            found = self.all()
            if not found:
                return
            for pid in sorted(found, key=lambda pid: found[pid] is not None):  # those that would start others first
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)
        print('crash.py: left behind: ' + ' '.join(map(str, found)), file=sys.stderr)


class Twins(threading.Thread):
    """Looks all the time for two living processes of one program."""

    def __init__(self, token):
        super().__init__(daemon=True)
        self.token, self.found, self.looks, self.ended = token, {}, 0, threading.Event()

    def run(self):
        known, tries = {}, {}
        while not self.ended.wait(0.05):
            present = set(pids())
            known = {pid: name for pid, name in known.items() if pid in present}
            tries = {pid: count for pid, count in tries.items() if pid in present}
            for pid in present - known.keys():
                if tries.get(pid, 0) < 20:  # between fork and exec a program has no name yet
                    tries[pid] = tries.get(pid, 0) + 1
                    name = self.token.look(pid)[1]
                    if name:
                        known[pid] = name
            names = {}
            for pid, name in known.items():
                names.setdefault(name, []).append(pid)
            for name, several in names.items():
                if len(several) < 2:
                    continue
                # A pid whose process lived at a second look lived at the first one too, and so all of these lived at once.
                living = [pid for pid in several if self.token.look(pid)[1] == name and lives(pid)]
                living = [pid for pid in living if lives(pid) and self.token.look(pid)[1] == name]
                if len(living) > 1:
                    now = time.monotonic()
                    first = self.found.setdefault((name, tuple(sorted(living))), [now, now])
                    first[1] = now
            self.looks += 1


def reap_orphans():
    """What a dead daemon leaves behind falls to this process, which reaps it at once as an init does."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(36, 1, 0, 0, 0) != 0:  # PR_SET_CHILD_SUBREAPER
        raise OSError(ctypes.get_errno(), 'prctl(PR_SET_CHILD_SUBREAPER)')

    def reap():
        while True:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                time.sleep(0.01)

    threading.Thread(target=reap, daemon=True).start()


class Experiment:
    def __init__(self, given, folder):
        self.given, self.folder, self.token = given, folder, Token()
        self.socket, self.log = folder + '/d.sock', folder + '/daemon.log'
        self.names = {}  # name -> whether it exits by itself
        for name in ('logs', 'runs'):
            os.mkdir(f'{folder}/{name}')
        kid = folder + '/kid'
        subprocess.run(['gcc', '-O2', '-Wall', '-o', kid, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'crash_kid.c')], check=True)
        with open(folder + '/moment', 'w+b') as f:
            f.truncate(mmap.PAGESIZE)
            self.moment = mmap.mmap(f.fileno(), mmap.PAGESIZE)
        with open(folder + '/supervisord.conf', 'w') as f:
            f.write(f'''[supervisord]
logfile={self.log}
logfile_maxbytes=0
pidfile={folder}/d.pid
childlogdir={folder}/logs
minfds=8192
{'' if given.supervisor else 'keeper=true'}
[unix_http_server]
file={self.socket}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
''')
            for i in range(given.programs):
                kind = 'x' if i % 20 in (0, 10) else 'q' if i % 20 == 5 else 'w'
                name, exits = f'{kind}{i:04d}', kind == 'x'
                self.names[name] = exits
                f.write(f'''[program:{name}]
command={kid} {folder}/runs {1000000 if kind == 'q' else given.interval} {int(exits)} {i // 10}
autorestart=true
startsecs={0 if exits else 1}
redirect_stderr=true
stdout_logfile={folder}/logs/{name}.log
stdout_logfile_maxbytes=0
''')

    def start(self):
        environ = dict(os.environ, STEWARD_CRASH=self.token.value)
        self.process = subprocess.Popen([self.given.daemon, '-n', '-c', self.folder + '/supervisord.conf'], env=environ, start_new_session=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.folder + '/stderr', 'ab')).pid

    def call(self, method):
        body = xmlrpc.client.dumps((), method).encode()
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(self.socket)
            s.sendall(b'POST /RPC2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n' % len(body) + body)
            answer = b''.join(iter(lambda: s.recv(1 << 16), b''))
        head, _, text = answer.partition(b'\r\n\r\n')
        if b' 200 ' not in head.split(b'\r\n')[0]:
            raise OSError('no answer')
        if b'chunked' in head.lower():
            raise SystemExit('crash.py: chunked answers are not read')
        return xmlrpc.client.loads(text)[0][0]

    def is_in_control(self):
        try:
            infos = self.call('supervisor.getAllProcessInfo')
        except (OSError, xmlrpc.client.Error, xmlrpc.client.expat.ExpatError):
            return False
        if {info['name'] for info in infos} != self.names.keys():
            return False
        for info in infos:
            if self.names[info['name']]:  # it may have ended since
                if info['statename'] not in ('RUNNING', 'STARTING', 'EXITED', 'BACKOFF'):
                    return False
            elif info['statename'] not in ('RUNNING', 'STARTING') or not info['pid'] or not lives(info['pid']):
                return False
        return True

    def wait(self, what, condition):
        deadline = time.monotonic() + PATIENCE
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise SystemExit(f'crash.py: {what}: not within {PATIENCE} s; standard error of the daemon:\n'
                                 + read(self.folder + '/stderr').decode(errors='replace')[-2000:] + '\nits log:\n'
                                 + read(self.log).decode(errors='replace')[-3000:])
            time.sleep(0.003)

    def roles(self):
        """(keeper, daemon), or None while one is missing. Supervisor has no keeper."""
        if self.given.supervisor:
            return (None, self.process) if lives(self.process) else None
        lines = {pid: read(f'/proc/{pid}/cmdline').split(b'\0') for pid, name in self.token.all().items() if name is None}
        kept = {pid: stat(pid)[1] for pid, line in lines.items() if b'--kept' in line and b'--become-keeper' not in line}
        both = [(keeper, daemon) for daemon, keeper in kept.items() if keeper in lines and keeper not in kept]
        return both[0] if len(both) == 1 else None

    def crash(self, is_keeper):
        keeper, daemon = self.wait('a keeper and a daemon', self.roles)
        # Some of those that exit do so around the kill.
        at = time.monotonic() + 0.08
        struct.pack_into('QQ', self.moment, 0, int(at * 1e9), random.randrange(4))
        time.sleep(max(0, at + random.uniform(-0.003, 0.006) - time.monotonic()))
        victim = keeper if is_keeper else daemon
        began = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        while lives(victim):
            time.sleep(0.0002)
        if self.given.supervisor:
            self.start()
        elif is_keeper:  # the former daemon still answers until it has noticed: that is not counted
            self.wait('the former daemon becomes the keeper', lambda: (self.roles() or (0,))[0] == daemon)
        self.wait('full control', self.is_in_control)
        return time.monotonic() - began

    def run(self):
        self.start()
        self.wait('the first start', self.is_in_control)
        twins = Twins(self.token)
        twins.start()
        time.sleep(2)
        kills = [False] * self.given.crashes + [True] * self.given.keeper_crashes
        random.shuffle(kills)
        times = {False: [], True: []}
        for is_keeper in kills:
            time.sleep(random.uniform(0.2, 1.2))
            times[is_keeper].append(self.crash(is_keeper))
        time.sleep(2)
        twins.ended.set()
        twins.join()
        stopped = time.monotonic_ns()
        living = {(name, pid) for pid, name in self.token.all().items() if name}
        self.call('supervisor.shutdown')
        deadline, left = time.monotonic() + 20, self.token.all()
        while left and time.monotonic() < deadline:
            time.sleep(0.1)
            left = self.token.all()
        # What is left would go on writing under the account; a daemon that is left may log the last lines before it goes too.
        for pid, name in left.items():
            if name and lives(pid):
                os.kill(pid, signal.SIGKILL)
        if left:
            time.sleep(1)
        self.token.kill_all()
        result = {'programs': len(self.names), 'kills of the daemon': self.given.crashes, 'kills of the keeper': self.given.keeper_crashes}
        for is_keeper, what in ((False, 'daemon'), (True, 'keeper')):
            ms = sorted(round(t * 1000) for t in times[is_keeper])
            result[f'full control after a kill of the {what}, ms'] = {'min': ms[0], 'median': ms[len(ms) // 2], 'max': ms[-1]} if ms else None
        result['looks for twins'] = twins.looks
        result['twins'] = len(twins.found)
        result['longest twins seen, ms'] = round(max((b - a for a, b in twins.found.values()), default=0) * 1000)
        result['left behind after shutdown'] = len(left)
        self.account(result, living, stopped)
        return result

    def account(self, result, living, stopped):
        runs, by_name = {}, {}
        for path in glob.glob(self.folder + '/runs/*'):
            name, pid, start = os.path.basename(path).split('.')
            data = read(path)
            if len(data) == 32:  # shorter: killed before it wrote anything
                tried, written, ended, code = struct.unpack('QQQq', data)
                run = {'name': name, 'pid': int(pid), 'start': int(start), 'tried': tried, 'written': written,
                       'ended': ended, 'plan': code - 1 if code else None, 'told': None}
                runs[name.encode(), int(pid), int(start)] = run
                by_name.setdefault(name, []).append(run)
        for several in by_name.values():
            several.sort(key=lambda run: run['start'])
        result['runs'] = len(runs)
        result['runs ended by the crash'] = sum(run['plan'] is None and run['start'] < stopped and (run['name'], run['pid']) not in living
                                                for run in runs.values())

        lines = lost = doubled = torn = disorder = hit = 0
        for name in self.names:
            base = f'{self.folder}/logs/{name}.log'
            older = sorted(glob.glob(base + '.*'), key=lambda path: -int(path.rpartition('.')[2]))
            text = b''.join(map(read, older + [base])).split(b'\n')
            torn += text.pop() != b''
            seen = {(run['name'].encode(), run['pid'], run['start']): [set(), 0] for run in by_name.get(name, [])}
            for line in text:
                match = LINE.fullmatch(line)
                key = match and (match[1], int(match[2]), int(match[3]))
                if key not in seen or not 1 <= int(match[4]) <= runs[key]['tried']:
                    torn += 1
                    continue
                lines += 1
                numbers, number = seen[key][0], int(match[4])
                if number in numbers:
                    doubled += 1
                elif number < seen[key][1]:
                    disorder += 1
                numbers.add(number)
                seen[key][1] = max(seen[key][1], number)
            for key, (numbers, _) in seen.items():
                missing = runs[key]['written'] - sum(number <= runs[key]['written'] for number in numbers)
                lost += missing
                hit += missing > 0
        result.update({'lines in the logs': lines, 'lines written': sum(run['written'] for run in runs.values()), 'lines lost': lost,
                       'runs that lost lines': hit, 'lines doubled': doubled, 'lines torn or strange': torn, 'lines out of order': disorder})
        self.account_exits(result, by_name, runs)

    def account_exits(self, result, by_name, runs):
        current, twice, stray = {}, 0, 0
        for match in TOLD.finditer(read(self.log).decode(errors='replace')):
            if match['new']:
                # The first run of this pid that comes after the one before it.
                name, after = match['new'], current.get(match['new'])
                again = after and after['pid'] == int(match['pid']) and match['how'] == 'adopted'
                current[name] = after if again else next((run for run in by_name.get(name, []) if run['pid'] == int(match['pid']) and run['told'] is None
                                                          and (not after or run['start'] >= after['start'])), None)
                continue
            run = current.get(match['name'])
            if run is None:
                continue  # killed before its main began: it has no account
            if run['told'] is None:
                run['told'] = match['end']
            elif run['told'] == match['end']:
                twice += 1
            else:
                stray += 1
        right = wrong = unobserved = never = 0
        for run in runs.values():
            if run['plan'] is None:
                continue
            told = run['told']
            if told is None:
                never += 1
            elif told == f"exit status {run['plan']}":
                right += 1
            elif 'exit status' not in told and 'terminated by' not in told:
                unobserved += 1  # the log says that nobody could see how it ended
            else:
                wrong += 1
        result.update({'exits by themselves': right + wrong + unobserved + never, 'exits told right': right, 'exits told wrong': wrong,
                       'exits unobserved': unobserved, 'exits never told': never, 'exits told twice': twice, 'exits told of nobody': stray})


FAULTS = ('lines lost', 'lines doubled', 'lines torn or strange', 'lines out of order', 'runs ended by the crash', 'twins', 'exits told wrong',
          'exits never told', 'exits told of nobody', 'left behind after shutdown')


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--daemon', help='default: artifacts/bin/supervisord of this repository, or of $STEWARD_BIN')
    parser.add_argument('--programs', type=int, default=200)
    parser.add_argument('--crashes', type=int, default=50)
    parser.add_argument('--keeper-crashes', type=int, default=20)
    parser.add_argument('--interval', type=int, default=20000, help='microseconds between two lines of a program')
    parser.add_argument('--supervisor', action='store_true', help='/usr/bin/supervisord, which has no keeper')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--json', help='a file for the figures; without it they come after the table')
    parser.add_argument('--keep', action='store_true', help='leave the folder with logs and accounts behind')
    given = parser.parse_args()
    if given.supervisor:
        given.keeper_crashes = 0
    given.daemon = os.path.abspath(given.daemon or ('/usr/bin/supervisord' if given.supervisor else os.path.join(
        os.environ.get('STEWARD_BIN', os.path.join(root, 'artifacts/bin')), 'supervisord')))
    random.seed(given.seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # cleans up
    folder, experiment = tempfile.mkdtemp(prefix='steward-crash.'), None
    try:
        experiment = Experiment(given, folder)
        reap_orphans()
        result = experiment.run()
    finally:
        if experiment:
            experiment.token.kill_all()
        if given.keep:
            print('kept: ' + folder, file=sys.stderr)
        else:
            shutil.rmtree(folder)
    result = {'subject': 'Supervisor' if given.supervisor else 'Steward', 'seed': given.seed, **result}
    for name, value in result.items():
        shown = ' '.join(f'{k} {v}' for k, v in value.items()) if isinstance(value, dict) else '-' if value is None else value
        print(f'{name:<45} {shown}')
    if given.json:
        with open(given.json, 'w') as f:
            json.dump(result, f, indent=1)
    else:
        print(json.dumps(result))
    faults = [name for name in FAULTS if result[name]]
    if faults and not given.supervisor:
        print('FAILED: ' + ', '.join(faults))
        sys.exit(1)


if __name__ == '__main__':
    main()
