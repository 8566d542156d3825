#!/usr/bin/env python3
"""Runs programs under a Steward daemon with a keeper, plays random faults for minutes or hours, and accounts for everything.

    eng/chaos.sh --minutes 60 [--programs 200] [--seed N] [--keep] [--json FILE] [--only KINDS] [--without KINDS]

Kinds of faults, separated by commas: children, daemon, keeper, upgrade, update, reload, socket, disk, descriptors, listeners, control, exits.
docs/reliability.md tells what each plays and what is checked. The exit status is 1 when anything was wrong.
"""
import argparse
import bisect
import collections
import contextlib
import errno
import glob
import json
import mmap
import os
import random
import re
import resource
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import xmlrpc.client

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, 'bench'))
import crash  # noqa: E402  (the witnesses: token, twins, processes)
from crash import lives, read, stat  # noqa: E402

PATIENCE = 60    # seconds until what does not recover is called lost; the keeper itself waits up to 30 s when daemons die in a row
QUIET = 10.0     # seconds for which something wrong may be seen in passing: a stranger, a zombie
FREE_DEATHS = 3  # so many deaths within a minute the keeper answers at once
KINDS = ('children', 'daemon', 'keeper', 'upgrade', 'update', 'reload', 'socket', 'disk', 'descriptors', 'listeners', 'control', 'exits')
WEIGHTS = {'children': 10, 'daemon': 4, 'keeper': 2, 'upgrade': 3, 'update': 4, 'reload': 0.4, 'socket': 0.7, 'disk': 1, 'descriptors': 1.5, 'listeners': 2}
LINE = re.compile(rb'([cdqrvwx]\d{4}) (\d+) (\d+) (\d+)\.')
TOLD = re.compile(r"(?P<how>spawned|adopted): '(?P<new>[cdeqrvwx]\d{4})' with pid (?P<pid>\d+)"
                  r"|(?:exited|stopped): (?P<name>[cdeqrvwx]\d{4}) \((?P<end>[^;)]*)")
OVERFLOW = re.compile(r'pool (e\d{4}) event buffer overflowed, discarding event (\d+)')
DIED = re.compile(r'the daemon before \(pid (\d+)\) died \(([^)]*)\)')
EVENT = re.compile(r'(\d+) (\d+) ver:3\.0 server:\S+ serial:(\d+) pool:(\S+) poolserial:(\d+) eventname:(\S+) len:\d+ (.*)')
LISTENERS = {'e0000': ('PROCESS_STATE', 10), 'e0001': ('PROCESS_STATE,TICK_5', 20000), 'e0002': ('PROCESS_LOG,PROCESS_STATE', 10)}
COMPLETE = 'e0001'  # the listener that is never stalled and has room for everything: no event may be missing
SIGNALS = {int(s): s.name for s in signal.Signals}
NOT_RUNNING, ALREADY, BAD_NAME, SHUTDOWN, FAILED, ABNORMAL, SPAWN_ERROR = 70, 60, 10, 6, 30, 40, 50


class Lost(Exception):
    """The daemon did not come back: nothing further can be played."""


class Reaper(threading.Thread):
    """Reaps what the dead leave to this process, as an init does, but not the commands that it runs itself."""

    def __init__(self):
        super().__init__(daemon=True)
        self.lock, self.own = threading.Lock(), set()
        libc = crash.ctypes.CDLL(None, use_errno=True)
        if libc.prctl(36, 1, 0, 0, 0) != 0:  # PR_SET_CHILD_SUBREAPER
            raise OSError(crash.ctypes.get_errno(), 'prctl(PR_SET_CHILD_SUBREAPER)')

    def run(self):
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                time.sleep(0.02)
                continue
            with self.lock:
                if found.si_pid not in self.own:
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(found.si_pid, os.WNOHANG)
                    continue
            time.sleep(0.002)  # whoever started it is about to wait for it

    def command(self, words, environ, limit):
        """(exit status, or None when it did not end in time; what it printed)"""
        with self.lock:
            process = subprocess.Popen(words, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.own.add(process.pid)
        try:
            output = process.communicate(timeout=limit)[0]
            return process.returncode, output.decode(errors='replace')
        except subprocess.TimeoutExpired:
            process.kill()
            return None, process.communicate()[0].decode(errors='replace')
        finally:
            with self.lock:
                self.own.discard(process.pid)


class Report:
    """What was played and what went wrong, told as it happens and once more at the end."""

    def __init__(self, seed, log):
        self.seed, self.log, self.began, self.lock = seed, log, time.monotonic(), threading.Lock()
        self.played, self.last, self.failures = collections.Counter(), collections.deque(maxlen=15), {}

    def at(self):
        return f'{time.monotonic() - self.began:8.2f}'

    def play(self, kind, text, count=1):
        with self.lock:
            self.played[kind] += count
            self.note(f'{kind}: {text}')

    def note(self, text):
        line = f'{self.at()} {text}'
        self.last.append(line)
        print(line, flush=True)

    def fail(self, invariant, text):
        with self.lock:
            several = self.failures.setdefault(invariant, [])
            several.append(text)
            if len(several) > 5:
                return
            print(f'{self.at()} WRONG, {invariant}: {text}', flush=True)
            if len(several) == 1:
                print(f'  seed {self.seed}; played last:\n    ' + '\n    '.join(self.last) + '\n  the log of the daemon:\n    '
                      + '\n    '.join(tail(self.log, 25)), flush=True)


def tail(path, lines):
    try:
        with open(path, 'rb') as f:
            f.seek(max(0, os.fstat(f.fileno()).st_size - 16384))
            return f.read().decode(errors='replace').split('\n')[-lines:]
    except OSError as e:
        return [str(e)]


class Chaos:
    def __init__(self, given, folder):
        self.given, self.folder, self.token = given, folder, crash.Token()
        self.socket, self.log, self.config = folder + '/d.sock', folder + '/daemon.log', folder + '/supervisord.conf'
        self.report = Report(given.seed, self.log)
        self.random = random.Random(given.seed)
        self.ended = threading.Event()
        self.state = threading.RLock()      # of all that follows
        self.killed = set()                 # (name, pid, ns): may have ended by SIGKILL from then on
        self.daemons_killed = set()         # pids
        self.deaths = collections.deque()
        self.asked = collections.defaultdict(list)  # name or '*' -> [begin, end] in ns: a SIGTERM is in order
        self.disturbances = []              # [kind, begin, end]
        self.held = set()                   # names that a client is about to stop or start
        self.calls = collections.Counter()
        self.samples, self.keeper_killed = [], 0
        self.spans = []                     # (when, name, what ends it)
        self.mounted, self.not_played = False, {}
        self.stalled = {}                   # name of a listener -> pid
        self.reloads = []                   # ns
        for name in ('logs', 'runs', 'small'):
            os.mkdir(f'{folder}/{name}')
        with open(folder + '/token', 'w') as f:
            f.write(self.token.value)
        subprocess.run(['gcc', '-O2', '-Wall', '-o', folder + '/kid', HERE + '/kid.c'], check=True)
        with open(folder + '/moment', 'w+b') as f:
            f.truncate(mmap.PAGESIZE)
            self.moment = mmap.mmap(f.fileno(), mmap.PAGESIZE)
        self.mount()
        kinds = 'xrddwcwvwwxrwwwqwwww' if self.mounted else 'xrwwwcwvwwxrwwwqwwww'
        self.model = {f'{kinds[i % 20]}{i:04d}': 0 for i in range(given.programs)}  # name -> version of its configuration
        self.every = set(self.model)        # all names there ever were
        self.spare = 9000
        self.write_config()
        self.environ = dict(os.environ, STEWARD_CRASH=self.token.value)

    # ------------------------------------------------------------------------------------------------------- configuration

    def mount(self):
        if 'disk' not in self.given.kinds:
            return
        done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m,mode=700', 'chaos', self.folder + '/small'], capture_output=True, text=True)
        self.mounted = done.returncode == 0
        if not self.mounted:
            self.given.kinds.remove('disk')
            self.not_played['disk'] = 'no tmpfs can be mounted: ' + (done.stderr.strip().split('\n')[0] or 'mount failed') + (
                '' if os.geteuid() == 0 else ' (it needs root)')
            print('NOT PLAYED, disk: ' + self.not_played['disk'], flush=True)

    def program(self, name, version):
        kind, number = name[0], int(name[1:])
        ends = kind in 'xc' and 'exits' in self.given.kinds
        work = {'x': 'exit 50000', 'c': 'crash 50000', 'q': 'write 1000000', 'r': 'write 20000', 'd': 'write 20000', 'v': 'write 200000'}.get(kind, 'write 50000')
        if kind in 'xc' and not ends:
            work = 'write 50000'
        # Rotated logs must be there to the end to be counted: 3 KB a second, with as much again in reserve.
        size, backups = {'r': (65536, 4 + int(self.given.seconds * 6000 / 65536)), 'd': (16384, 1)}.get(kind, (0, 0))
        return f'''[program:{name}]
command={self.folder}/kid {self.folder}/runs {work} {number // 5}
environment=VERSION="{version}"
autorestart=true
startsecs={0 if ends else 1}
startretries=1000
stopwaitsecs=20
redirect_stderr=true
stdout_logfile={self.folder}/{'small' if kind == 'd' else 'logs'}/{name}.log
stdout_logfile_maxbytes={size}
stdout_logfile_backups={backups}
stdout_events_enabled={'true' if kind == 'v' else 'false'}
'''

    def write_config(self):
        text = f'''[supervisord]
logfile={self.log}
logfile_maxbytes=0
pidfile={self.folder}/d.pid
childlogdir={self.folder}/logs
minfds=4096
keeper=true
[unix_http_server]
file={self.socket}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{self.socket}
'''
        for name, (events, size) in LISTENERS.items():
            text += f'''[eventlistener:{name}]
command={self.folder}/kid {self.folder}/runs listen
events={events}
buffer_size={size}
autorestart=true
startretries=1000
stopwaitsecs=20
stderr_logfile={self.folder}/logs/{name}.err
stderr_logfile_maxbytes=0
'''
        text += ''.join(self.program(*item) for item in self.model.items())
        with open(self.config + '.new', 'w') as f:
            f.write(text)
        os.rename(self.config + '.new', self.config)

    # --------------------------------------------------------------------------------------------------------- the daemon

    def start(self):
        subprocess.Popen([self.given.bin + '/supervisord', '-n', '-c', self.config], env=self.environ, start_new_session=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.folder + '/stderr', 'ab'))

    def call(self, method, *parameters, limit=PATIENCE):
        """The answer, or OSError, or xmlrpc.client.Fault."""
        body = xmlrpc.client.dumps(parameters, method).encode()
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(limit)
            s.connect(self.socket)
            s.sendall(b'POST /RPC2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n' % len(body) + body)
            answer = b''.join(iter(lambda: s.recv(1 << 16), b''))
        head, _, text = answer.partition(b'\r\n\r\n')
        if not answer:
            raise OSError(errno.ECONNRESET, 'the connection was closed without an answer')
        if b' 200 ' not in head.split(b'\r\n')[0]:
            raise OSError(errno.EPROTO, 'answered ' + head.split(b'\r\n')[0].decode(errors='replace'))
        length = re.search(rb'(?im)^content-length: *(\d+)', head)
        if length is None or int(length[1]) != len(text):
            raise OSError(errno.ECONNRESET, 'the connection was closed in the middle of an answer')
        return xmlrpc.client.loads(text)[0][0]

    def ctl(self, *words):
        return self.reaper.command([self.given.bin + '/supervisorctl', '-c', self.config, *words], os.environ, PATIENCE)

    def roles(self):
        """(keeper, daemon), or None while one is missing."""
        # A child that has not executed its program yet looks like the daemon, and a rehearsal of an upgrade nearly: both are its children.
        lines = {pid: read(f'/proc/{pid}/cmdline').split(b'\0') for pid, name in self.token.all().items() if name is None}
        parents = {pid: stat(pid)[1] for pid in lines}
        both = [(parents[pid], pid) for pid, line in lines.items() if parents[pid] in lines and parents[parents[pid]] not in lines
                and line[1:2] and line[1] in (b'--kept', b'--resume', b'--gone-back')]
        return both[0] if len(both) == 1 else None

    @contextlib.contextmanager
    def disturbed(self, kind, grace=1.0):
        """While this lasts, and for some seconds after it, clients may be left without an answer."""
        entry = [kind, time.monotonic(), float('inf')]
        with self.state:
            self.disturbances.append(entry)
        try:
            yield
        finally:
            entry[2] = time.monotonic() + grace

    def was_disturbed(self, since, kinds=('daemon', 'keeper', 'reload', 'socket', 'descriptors')):
        with self.state:
            return any(kind in kinds and end >= since for kind, _, end in self.disturbances)

    @contextlib.contextmanager
    def asking(self, *names):
        """From here on a stop of these is in order, and for half a minute after a call that was left without an answer."""
        entry = [time.monotonic_ns(), float('inf')]
        with self.state:
            for name in names:
                self.asked[name].append(entry)
        began = time.monotonic()
        try:
            yield
        finally:
            late = self.was_disturbed(began, ('daemon', 'keeper', 'descriptors')) and '*' not in names
            entry[1] = time.monotonic_ns() + (40 if late else 2) * 1000000000

    def what_is_missing(self):
        """None when every program is as it should be, else why not."""
        try:
            infos = self.call('supervisor.getAllProcessInfo')
        except (OSError, xmlrpc.client.Error, xmlrpc.client.expat.ExpatError) as e:
            return f'getAllProcessInfo: {e}'
        names = {info['name'] for info in infos}
        if names != self.model.keys() | LISTENERS.keys():
            return 'the names differ: ' + ' '.join(sorted(names ^ (self.model.keys() | LISTENERS.keys()))[:10])
        with self.state:
            held = set(self.held)
        for info in infos:
            name, state, pid = info['name'], info['statename'], info['pid']
            if name in held:
                continue
            if name[0] in 'xc':  # it may have ended since
                if state not in ('RUNNING', 'STARTING', 'EXITED', 'BACKOFF'):
                    return f'{name} is {state}'
            elif state != 'RUNNING':
                return f"{name} is {state} {info['spawnerr']}"
            elif self.token.look(pid)[1] != name or not lives(pid):
                return f'{name} is {state} with pid {pid}, which is {stat(pid)[0]} and belongs to {self.token.look(pid)[1]}'
        return None

    def wait(self, what, condition, limit=PATIENCE):
        """Waits for a condition that gives None, or what is missing; that it does not come is a failure."""
        deadline = time.monotonic() + limit
        while True:
            missing = condition()
            if missing is None:
                return True
            if time.monotonic() > deadline:
                self.report.fail(what, f'not within {limit} s: {missing}')
                return False
            time.sleep(0.02)

    def settle(self, what):
        if not self.wait(what, self.what_is_missing):
            raise Lost(what)

    def both(self):
        found = []

        def look():
            roles = self.roles()
            if roles:
                found.append(roles)
                return None
            return 'a keeper and a daemon are not both there'
        if not self.wait('keeper and daemon are there', look):
            raise Lost('keeper and daemon')
        return found[-1]

    def kill(self, pid, number, name=None):
        """Signals a process of this run, and no other one."""
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            ours, found = self.token.look(pid)
            if not ours or found != name or not lives(pid):
                return False
            if name and number == signal.SIGKILL:
                with self.state:
                    self.killed.add((name, pid, time.monotonic_ns()))
            signal.pidfd_send_signal(descriptor, number)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)

    # ------------------------------------------------------------------------------------------------------------- faults

    def exits_now(self):
        """A quarter of those that end by themselves does so around the fault that is played now."""
        if 'exits' in self.given.kinds and self.random.random() < 0.6:
            at = time.monotonic() + 0.06
            struct.pack_into('QQ', self.moment, 0, int(at * 1e9), self.random.randrange(4))
            time.sleep(max(0, at + self.random.uniform(-0.003, 0.006) - time.monotonic()))
            self.report.played['exits at the moment of a fault'] += 1

    def children(self):
        several = self.random.choice((1, 1, 1, 2, 5, 20))
        living = [(pid, name) for pid, name in self.token.all().items() if name and name not in self.stalled]
        victims = self.random.sample(living, min(several, len(living)))
        self.exits_now()
        dead = [name for pid, name in victims if self.kill(pid, signal.SIGKILL, name)]
        self.report.play('children', 'SIGKILL to ' + ' '.join(dead), len(dead))

    def may_die(self):
        """Whether the keeper will start the next daemon at once, or, now and then, only after a pause."""
        now = time.monotonic()
        while self.deaths and now - self.deaths[0] > 60:
            self.deaths.popleft()
        return len(self.deaths) < FREE_DEATHS or (len(self.deaths) == FREE_DEATHS and self.random.random() < 0.1)

    def strike(self, daemon):
        with self.state:
            self.daemons_killed.add(daemon)
        self.deaths.append(time.monotonic())
        return self.kill(daemon, signal.SIGKILL)

    def daemon(self):
        if not self.may_die():
            return
        daemon = self.both()[1]
        self.exits_now()
        with self.disturbed('daemon'):
            began = time.monotonic()
            self.strike(daemon)
            self.report.play('daemon', f'SIGKILL to the daemon, pid {daemon}')
            self.wait('the daemon is gone after SIGKILL', lambda: 'it lives' if lives(daemon) else None)
            if self.random.random() < 0.3:  # once more, while the next one takes over
                time.sleep(self.random.uniform(0.0, 0.3))
                if self.may_die():
                    roles = self.roles()
                    if roles and self.strike(roles[1]):
                        self.report.play('daemon', f'SIGKILL to the one that takes over, pid {roles[1]}')
            self.recover('full control after the daemon died', began)

    def keeper(self):
        keeper, daemon = self.both()
        self.exits_now()
        with self.disturbed('keeper'):
            began = time.monotonic()
            if not self.kill(keeper, signal.SIGKILL):
                return
            self.keeper_killed += 1
            self.deaths.clear()  # the next keeper has not seen them
            self.report.play('keeper', f'SIGKILL to the keeper, pid {keeper}')
            self.wait('the daemon takes the place of the keeper', lambda: None if (self.roles() or (0,))[0] == daemon else 'it does not')
            self.recover('full control after the keeper died', began)

    def recover(self, what, began):
        if self.spans:  # the disk is full or descriptors are short: only that it answers
            self.wait(what, lambda: None if self.answers() else 'no answer')
        else:
            self.settle(what)
        self.report.note(f'{what}: {time.monotonic() - began:.2f} s')

    def answers(self):
        try:
            return self.call('supervisor.getState', limit=5)['statename'] == 'RUNNING'
        except (OSError, xmlrpc.client.Error, xmlrpc.client.expat.ExpatError):
            return False

    @contextlib.contextmanager
    def perhaps_killed(self):
        """Now and then the daemon is killed over what is done in here. Gives a list that is empty unless it is."""
        if 'daemon' not in self.given.kinds or self.random.random() > 0.25 or not self.may_die():
            yield []
            return
        daemon, delay = self.both()[1], self.random.uniform(0, 0.4)

        def strike():
            time.sleep(delay)
            if self.strike(daemon):
                self.report.play('daemon', f'SIGKILL to the daemon over that, pid {daemon}')
        with self.disturbed('daemon'):
            thread = threading.Thread(target=strike)
            thread.start()
            try:
                yield [daemon]
            finally:
                thread.join()
                self.recover('full control after the daemon died over that', time.monotonic())

    def upgrade(self):
        daemon = self.both()[1]
        with self.perhaps_killed() as struck:
            self.exits_now()
            self.report.play('upgrade', f'of pid {daemon}' + (', and a SIGKILL over it' if struck else ''))
            began = time.monotonic()
            try:
                if self.random.random() < 0.3:
                    status, output = self.ctl('upgrade')
                    if status != 0 and not self.was_disturbed(began):
                        self.report.fail('upgrades', f'supervisorctl upgrade ended with {status}: {output}')
                elif self.call('steward.upgrade') is not True:
                    self.report.fail('upgrades', 'steward.upgrade did not answer true')
            except (OSError, xmlrpc.client.Fault) as e:
                if not self.was_disturbed(began):
                    self.report.fail('upgrades', f'steward.upgrade: {e!r}')
        if not struck and not self.was_disturbed(began) and self.both()[1] != daemon:
            self.report.fail('upgrades', f'the daemon was pid {daemon} before the upgrade and is {self.both()[1]} now')
        self.recover('full control after an upgrade', began)

    def update(self):
        before = dict(self.model)
        plain = [name for name in self.model if name[0] in 'wvrqx']
        self.random.shuffle(plain)
        changed = plain[:self.random.randint(0, 3)]
        more = len(self.model) - self.given.programs
        removed = plain[3:3 + self.random.randint(0, 2 if more > -5 else 0)]
        added = []
        for _ in range(self.random.randint(0, 2 if more < 5 else 0)):
            gone = sorted(self.every - self.model.keys())
            if gone and self.random.random() < 0.5:
                added.append(self.random.choice(gone))
            else:
                added.append(f'w{self.spare}')
                self.spare += 1
        added = [name for name in dict.fromkeys(added) if name not in removed]
        if not changed + removed + added:
            return
        with self.state:
            while self.held & set(changed + removed):  # a client is about to stop and start one of them: wait
                self.state.release()
                time.sleep(0.05)
                self.state.acquire()
            self.held |= set(changed + removed + added)
        try:
            with self.disturbed('update'), self.asking(*changed, *removed, *added):
                for name in changed:
                    self.model[name] += 1
                for name in removed:
                    del self.model[name]
                for name in added:
                    self.model[name] = 0
                self.every |= set(added)
                self.write_config()
                with self.perhaps_killed() as struck:
                    self.exits_now()
                    self.report.play('update', f"changed {' '.join(changed)}; removed {' '.join(removed)}; added {' '.join(added)}"
                                     + ('; and a SIGKILL over it' if struck else ''))
                    self.reread(changed, removed, added, before)
            with self.state:
                self.held -= set(changed + removed + added)
            self.recover('full control after an update', time.monotonic())
            for name in changed:
                self.is_changed(name)
        finally:
            with self.state:
                self.held -= set(changed + removed + added)

    def reread(self, changed, removed, added, before):
        for attempt in range(20):
            began = time.monotonic()
            status, output = self.ctl('reread')
            expected = {f'{n}: changed' for n in changed} | {f'{n}: disappeared' for n in removed} | {f'{n}: available' for n in added}
            clean = not self.was_disturbed(began) and attempt == 0
            if clean and (status != 0 or set(output.split('\n')) - {''} != expected):
                self.report.fail('reread', f'ended with {status} and said {output!r} instead of {sorted(expected)}')
            status, output = self.ctl('update')
            if status == 0 and not self.was_disturbed(began):
                return
            if clean and not self.was_disturbed(began):
                self.report.fail('update', f'ended with {status} and said {output!r}')
                return
            try:
                names = {info['name'] for info in self.call('supervisor.getAllProcessInfo')}
                if names == self.model.keys() | LISTENERS.keys() and self.ctl('reread') == (0, 'No config updates to processes\n'):
                    return
            except (OSError, xmlrpc.client.Error, xmlrpc.client.expat.ExpatError):
                pass
            time.sleep(0.3)
        self.report.fail('update', f'it did not come to its end in 20 attempts; the last one ended with {status} and said {output!r}')

    def is_changed(self, name):
        """A program that was changed runs with what it was changed to."""
        try:
            pid = self.call('supervisor.getProcessInfo', name)['pid']
        except (OSError, xmlrpc.client.Error):
            return  # the next look at all of them tells
        environ = read(f'/proc/{pid}/environ').split(b'\0')
        if pid and b'SUPERVISOR_PROCESS_NAME=' + name.encode() in environ and b'VERSION=%d' % self.model[name] not in environ:
            self.report.fail('update', f'{name} (pid {pid}) does not run with VERSION={self.model[name]}')

    def reload(self):
        keeper = self.both()[0]
        probe = next((name for name in self.model if name[0] in 'wq'), None)
        if probe is None:
            return
        try:
            old = self.call('supervisor.getProcessInfo', probe)['pid']
        except (OSError, xmlrpc.client.Error):
            return
        with self.disturbed('reload', 3.0), self.asking('*'):
            with self.state:
                self.reloads.append(time.monotonic_ns())
            how = self.random.choice(('SIGHUP', 'reload'))
            self.report.play('reload', how)
            began = time.monotonic()
            if how == 'SIGHUP':
                self.kill(keeper, signal.SIGHUP)
            else:
                status, output = self.ctl('reload')
                if status != 0:
                    self.report.fail('reload', f'ended with {status}: {output}')
            if not self.wait('a reload stops the programs', lambda: f'{probe} (pid {old}) lives' if lives(old) else None):
                raise Lost('a reload')
            self.recover('full control after a reload', began)

    def socket_file(self):
        with self.disturbed('socket'):
            began = time.monotonic()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.socket)
            self.report.play('socket', 'the file of the control socket is removed')
            self.recover('full control after the socket was removed', began)

    # --------------------------------------------------------------------------------------- faults that last for a while

    def span(self, seconds, name, end):
        self.spans.append((time.monotonic() + seconds, name, end))

    def end_spans(self, everything=False, of=None):
        for entry in list(self.spans):
            if entry in self.spans and (everything or entry[1] == of or time.monotonic() >= entry[0]):  # one may end another
                self.spans.remove(entry)
                entry[2]()

    def disk(self):
        if any(name == 'disk' for _, name, _ in self.spans):
            return
        fill, at, free = self.folder + '/small/fill', os.path.getsize(self.log), threading.Event()

        def fill_up():
            # Again and again: a log that is rotated frees what the one before it took.
            with open(fill, 'wb', buffering=0) as f:
                while not free.wait(0.02):
                    try:
                        while True:
                            f.write(bytes(4096))
                    except OSError as e:
                        if e.errno != errno.ENOSPC:
                            raise
        thread = threading.Thread(target=fill_up, daemon=True)
        thread.start()
        self.report.play('disk', 'the small disk is full')
        self.span(self.random.uniform(3, 10), 'disk', lambda: self.disk_is_free(fill, at, free, thread))

    def disk_is_free(self, fill, at, free, thread):
        def is_said():
            with open(self.log, 'rb') as f:
                f.seek(at)
                return None if b'/small/' in f.read() else 'the log tells of no log file that could not be written'
        self.wait('a full disk is said', is_said, 30)
        free.set()
        thread.join()
        os.unlink(fill)
        since = time.monotonic_ns()
        self.report.note('disk: it has space again')
        waiting = {name for name in self.model if name[0] == 'd'}

        def is_written():
            for name in list(waiting):
                for path in (f'{self.folder}/small/{name}.log', f'{self.folder}/small/{name}.log.1'):
                    for match in reversed(list(LINE.finditer(read(path)[-600:]))):
                        # 50 lines a second: a line of that number was written after the space was there
                        if int(match[3]) + int(match[4]) * 20000000 > since:
                            waiting.discard(name)
            return 'no new lines of ' + ' '.join(sorted(waiting)) if waiting else None
        self.end_spans(of='descriptors')  # without them nobody is started again, nor answered
        self.wait('lines are written again after a full disk', is_written)
        self.recover('full control after a full disk', time.monotonic())

    def descriptors(self):
        if any(name == 'descriptors' for _, name, _ in self.spans):
            return
        daemon = self.both()[1]
        disturbance = contextlib.ExitStack()
        disturbance.enter_context(self.disturbed('descriptors'))
        try:
            count = len(os.listdir(f'/proc/{daemon}/fd'))
            before = resource.prlimit(daemon, resource.RLIMIT_NOFILE)
            # New descriptors have the lowest free numbers, so the lower the limit the fewer of those that are closed can be used again.
            low = self.random.choice((8, count // 4, count // 2, count + 2))
            resource.prlimit(daemon, resource.RLIMIT_NOFILE, (low, before[1]))
        except OSError:
            disturbance.close()
            return
        at, worked, since = os.path.getsize(self.log), processor_time(daemon), time.monotonic()
        self.report.play('descriptors', f'pid {daemon} has {count} and may have {low}')
        living = [(pid, name) for pid, name in self.token.all().items() if name and name[0] in 'wq']
        for pid, name in self.random.sample(living, min(8, len(living))):
            self.kill(pid, signal.SIGKILL, name)

        def end():
            with disturbance:
                with open(self.log, 'rb') as f:
                    f.seek(at)
                    failed = len(re.findall(rb'spawnerr|EMFILE|oo many open files', f.read()))
                took, share = time.monotonic() - since, 0
                if worked is not None and (now := processor_time(daemon)) is not None and took > 2:
                    share = (now - worked) / took
                if share > 0.6:  # a few percent are the work; what is more is a loop without a pause
                    self.report.fail('a want of descriptors is waited for', f'the daemon took {share:.0%} of a processor for {took:.1f} s')
                try:
                    resource.prlimit(daemon, resource.RLIMIT_NOFILE, before)
                except ProcessLookupError:
                    if daemon not in self.daemons_killed:
                        self.report.fail('the daemon survives a want of descriptors', f'pid {daemon} is gone')
                self.report.note(f'descriptors: the limit is {before[0]} again; {failed} failures were logged')
                self.report.played['failures logged for want of descriptors'] += failed
                self.recover('full control after a want of descriptors', time.monotonic())
        self.span(self.random.uniform(3, 8), 'descriptors', end)

    def listeners(self):
        name = self.random.choice([name for name in LISTENERS if name != COMPLETE])
        if name in self.stalled:
            return
        pid = next((pid for pid, found in self.token.all().items() if found == name), None)
        if pid is None or not self.kill(pid, signal.SIGSTOP, name):
            return
        with self.state:
            self.stalled[name] = pid
            self.killed.add((name, pid, time.monotonic_ns()))  # a stop of it ends in SIGKILL
        self.report.play('listeners', f'{name} reads no more')

        def end():
            self.kill(pid, signal.SIGCONT, name)
            with self.state:
                del self.stalled[name]
            self.report.note(f'listeners: {name} reads again')
        self.span(self.random.uniform(2, 15), 'listeners', end)

    # ------------------------------------------------------------------------------------------------------------ control

    def control(self, seed):
        rng = random.Random(seed)
        jobs = ((self.ask_all, 4), (self.ask_state, 3), (self.ask_one, 3), (self.restart_one, 3), (self.signal_one, 3), (self.tail_one, 3),
                (self.read_one, 2), (self.ask_many, 2), (self.use_ctl, 0.5))
        while not self.ended.wait(rng.uniform(0.05, 0.4)):
            job = rng.choices([job for job, _ in jobs], [weight for _, weight in jobs])[0]
            began = time.monotonic()
            try:
                job(rng)
                self.calls[job.__name__] += 1
            except OSError as e:  # a limit of descriptors that is lowered keeps clients waiting for as long as it lasts
                self.calls['without an answer'] += 1
                if not self.was_disturbed(began):
                    self.report.fail('every call is answered', f'{job.__name__}: {e!r} after {time.monotonic() - began:.2f} s, nothing being played that explains it')
            except xmlrpc.client.Fault as e:
                self.calls['answered with a fault'] += 1
                late = self.was_disturbed(began, ('update',)) and e.faultCode == BAD_NAME
                if not late and not (self.was_disturbed(began) and e.faultCode in (SHUTDOWN, FAILED, SPAWN_ERROR, ABNORMAL, BAD_NAME)):
                    self.report.fail('answers are right', f'{job.__name__}: {e!r}')
            except Exception:
                self.report.fail('answers are right', f'{job.__name__}: {traceback.format_exc()}')

    def any_name(self, rng, kinds='wqrv'):
        names = [name for name in list(self.model) if name[0] in kinds]
        return rng.choice(names)

    def expect(self, right, what):
        if not right:
            self.report.fail('answers are right', what)

    def is_fair(self, code, began, name):
        """Whether a fault is a right answer to a question about a program: it is not there, or a reload is under way."""
        if code == BAD_NAME:
            return name not in self.model or self.was_disturbed(began, ('update', 'reload'))
        return code == SHUTDOWN and self.was_disturbed(began, ('reload',))

    def ask_all(self, rng):
        began, model = time.monotonic(), set(self.model)
        names = [info['name'] for info in self.call('supervisor.getAllProcessInfo')]
        self.expect(len(names) == len(set(names)), f'getAllProcessInfo names one twice: {names}')
        if not self.was_disturbed(began, ('update', 'reload')):
            self.expect(set(names) == model | LISTENERS.keys(), f'getAllProcessInfo differs: {set(names) ^ (model | LISTENERS.keys())}')

    def ask_state(self, rng):
        began = time.monotonic()
        state = self.call('supervisor.getState')
        self.expect(state['statename'] == 'RUNNING' or self.was_disturbed(began, ('reload',)), f'getState: {state}')
        before = self.roles()
        pid = self.call('supervisor.getPID')
        after = self.roles()
        if before and before == after and not self.was_disturbed(began, ('keeper', 'daemon', 'upgrade')):
            self.expect(pid == before[0], f'getPID: {pid}; the keeper is {before[0]}, the daemon {before[1]}')

    def ask_one(self, rng):
        name = self.any_name(rng)
        info = self.call('supervisor.getProcessInfo', f'{name}:{name}')
        self.expect(info['name'] == name and info['group'] == name and (info['statename'] != 'RUNNING' or info['pid'] > 0), f'getProcessInfo {name}: {info}')

    def ask_many(self, rng):
        names, began = [self.any_name(rng) for _ in range(3)], time.monotonic()
        answer = self.call('system.multicall', [{'methodName': 'supervisor.getProcessInfo', 'params': [name]} for name in names]
                           + [{'methodName': 'supervisor.getProcessInfo', 'params': ['nobody']}])
        for name, info in zip(names, answer):
            self.expect(info.get('name') == name or self.is_fair(info.get('faultCode'), began, name), f'multicall, {name}: {info}')
        self.expect(len(answer) == 4 and self.is_fair(answer[3].get('faultCode'), began, 'nobody'), f'multicall: {answer}')

    def restart_one(self, rng):
        name = self.any_name(rng)
        with self.state:
            if name in self.held:
                return
            self.held.add(name)
        try:
            with self.asking(name):
                began = time.monotonic()
                try:
                    pid = self.call('supervisor.getProcessInfo', name)['pid']
                    self.call('supervisor.stopProcess', name)
                    if pid and self.token.look(pid)[1] == name and lives(pid):
                        self.report.fail('answers are right', f'stopProcess {name} was answered and pid {pid} lives')
                except xmlrpc.client.Fault as e:
                    self.expect(e.faultCode == NOT_RUNNING or self.was_disturbed(began) or (e.faultCode == BAD_NAME and name not in self.model),
                                f'stopProcess {name}: {e!r}')
                except OSError as e:
                    self.expect(self.was_disturbed(began), f'stopProcess {name}: {e!r}')
                deadline = time.monotonic() + PATIENCE
                while time.monotonic() < deadline:
                    if self.ended.is_set():
                        return
                    began = time.monotonic()
                    try:
                        self.call('supervisor.startProcess', name)
                        return
                    except xmlrpc.client.Fault as e:
                        if e.faultCode == ALREADY or (e.faultCode == BAD_NAME and name not in self.model):
                            return
                        # It was killed as soon as it was started, or there was a fault that explains it.
                        self.expect(e.faultCode in (ABNORMAL, SPAWN_ERROR) or self.was_disturbed(began), f'startProcess {name}: {e!r}')
                    except OSError as e:
                        self.expect(self.was_disturbed(began), f'startProcess {name}: {e!r}')
                    time.sleep(0.3)
                self.report.fail('answers are right', f'startProcess {name} did not succeed in {PATIENCE} s')
        finally:
            with self.state:
                self.held.discard(name)

    def run_of(self, name, pid):
        """The account of the run that has this pid now: its file, or None before its main. Pids come round again."""
        return max(glob.glob(f'{self.folder}/runs/{name}.{pid}.*'), key=lambda path: int(path.rpartition('.')[2]), default=None)

    def signal_one(self, rng):
        name, began = self.any_name(rng), time.monotonic()
        pid = self.call('supervisor.getProcessInfo', name)['pid']
        path = pid and self.run_of(name, pid)
        if not path:
            return
        before = account_of(path)
        if not before:
            return
        try:
            self.call('supervisor.signalProcess', name, 'USR1')
        except xmlrpc.client.Fault as e:
            self.expect(e.faultCode == NOT_RUNNING or self.was_disturbed(began) or (e.faultCode == BAD_NAME and name not in self.model), f'signalProcess {name}: {e!r}')
            return
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            if account_of(path)[4] > before[4] or self.token.look(pid)[1] != name or not lives(pid):
                return
            time.sleep(0.02)
        # The program may have been replaced between the two calls, and then another one had the signal; but this one is alive.
        self.report.fail('signals arrive', f'SIGUSR1 to {name} was answered, and pid {pid} lives and has not had it')

    def are_lines(self, name, text, what):
        for line in text.encode().split(b'\n')[1:-1]:
            match = LINE.fullmatch(line)
            self.expect(match and match[1].decode() == name, f'{what} {name} has a line {line!r}')

    def tail_one(self, rng):
        name = self.any_name(rng, 'wqrvx')
        text, offset, _ = self.call('supervisor.tailProcessStdoutLog', name, 0, 700)
        self.expect(offset >= len(text), f'tailProcessStdoutLog {name}: offset {offset} of {len(text)} bytes')
        self.are_lines(name, text, 'tailProcessStdoutLog')

    def read_one(self, rng):
        name = self.any_name(rng, 'wqvx')
        try:
            self.are_lines(name, self.call('supervisor.readProcessStdoutLog', name, -500, 0), 'readProcessStdoutLog')
        except xmlrpc.client.Fault as e:
            if 'NO_FILE' not in e.faultString or os.path.exists(f'{self.folder}/logs/{name}.log'):
                raise

    def use_ctl(self, rng):
        name, began, model = self.any_name(rng), time.monotonic(), set(self.model)
        words = rng.choice((('status',), ('status', name), ('tail', '-300', name), ('pid', name), ('pid',)))
        status, output = self.ctl(*words)
        if self.was_disturbed(began) or self.was_disturbed(began, ('update',)):
            return
        shown = {line.split()[0] for line in output.split('\n') if line}
        if words == ('status',):
            self.expect(status in (0, 3) and shown == model | LISTENERS.keys(), f'supervisorctl status: {status}, {shown ^ (model | LISTENERS.keys())}')
        elif words[0] == 'status':
            self.expect(status in (0, 3) and shown == {name}, f'supervisorctl status {name}: {status}, {output}')
        elif words[0] == 'tail':
            self.expect(status == 0, f'supervisorctl tail {name}: {status}, {output}')
            self.are_lines(name, output.rstrip('\n') + '\n', 'supervisorctl tail')
        else:
            self.expect(status in (0, 1) and output.strip().isdigit(), f"supervisorctl {' '.join(words)}: {status}, {output}")

    # ---------------------------------------------------------------------------------------------------------- the watch

    def watch(self):
        """Every few seconds: descriptors and memory of keeper and daemon; zombies and strangers that stay."""
        strangers, zombies = {}, {}
        while not self.ended.wait(2.5):
            now = time.monotonic()
            roles = self.roles()
            if not roles or self.was_disturbed(now - 0.5, ('daemon', 'keeper', 'reload', 'descriptors', 'update')):
                strangers, zombies = {}, {}
                continue
            try:
                infos = self.call('supervisor.getAllProcessInfo', limit=20)
            except (OSError, xmlrpc.client.Error, xmlrpc.client.expat.ExpatError):
                continue
            known = {info['pid'] for info in infos}
            present = {pid for pid, name in self.token.all().items() if name and pid not in known}
            strangers = {pid: strangers.get(pid, now) for pid in present}
            for pid, first in list(strangers.items()):
                if now - first > QUIET:
                    self.report.fail('no strangers', f'pid {pid} of {self.token.look(pid)[1]} has lived for {now - first:.0f} s and is not reported')
                    strangers[pid] = float('inf')
            states = {pid: stat(pid) for pid in crash.pids()}
            present = {(pid, parent) for pid, (state, parent) in states.items() if state == 'Z' and parent in roles}
            zombies = {key: zombies.get(key, now) for key in present}
            for (pid, parent), first in list(zombies.items()):
                if now - first > QUIET:
                    self.report.fail('no zombies', f"pid {pid}, a child of the {'keeper' if parent == roles[0] else 'daemon'}, has been one for {now - first:.0f} s")
                    zombies[pid, parent] = float('inf')
            sample = {'at': now, 'programs': len(infos), 'running': sum(info['pid'] > 0 for info in infos)}
            for role, pid in zip(('keeper', 'daemon'), roles):
                try:
                    kinds = collections.Counter(os.path.basename(target_of(f'/proc/{pid}/fd/{fd}')) for fd in os.listdir(f'/proc/{pid}/fd'))
                except OSError:
                    break
                # A program that is no child is watched by a pidfd, which is gone when it is started again: they come and go with the kills.
                pidfds = kinds.pop('anon_inode:[pidfd]', 0)
                sample[role + ' descriptors'] = sum(kinds.values())
                sample[role + ' pidfds beyond programs'] = max(0, pidfds - sample['running'])
                sizes = re.findall(r'(?m)^(Pss|Pss_Anon|Private_Dirty):\s+(\d+) kB', read(f'/proc/{pid}/smaps_rollup').decode())
                anonymous = re.search(r'(?m)^RssAnon:\s+(\d+) kB', read(f'/proc/{pid}/status').decode())
                if not anonymous or not sizes:
                    break
                sample[role + ' RssAnon, KB'] = int(anonymous[1])
                sample[role + ' Pss, KB'] = int(dict(sizes)['Pss'])
            else:
                if self.roles() == roles:
                    self.samples.append(sample)

    # ------------------------------------------------------------------------------------------------------------ the run

    def run(self):
        self.reaper = Reaper()
        self.start()
        self.reaper.start()
        self.settle('the first start')
        twins = crash.Twins(self.token)
        twins.start()
        began = time.monotonic()
        threads = [threading.Thread(target=self.watch)]
        if 'control' in self.given.kinds:
            threads += [threading.Thread(target=self.control, args=(self.random.random(),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        faults = [kind for kind in KINDS if kind in self.given.kinds and kind in WEIGHTS]
        first = list(faults)  # each of them is played once at least
        self.random.shuffle(first)
        try:
            while time.monotonic() - began < self.given.seconds:
                time.sleep(self.random.uniform(0.2, 2.0))
                self.end_spans()
                if not faults:
                    continue
                kind = first.pop() if first else self.random.choices(faults, [WEIGHTS[kind] for kind in faults])[0]
                if kind in ('update', 'upgrade', 'reload', 'keeper', 'socket'):
                    # A daemon that is short of descriptors takes no calls, and as the keeper it would hand that on for good.
                    self.end_spans(of='descriptors')
                (self.socket_file if kind == 'socket' else getattr(self, kind))()
            self.end_spans(everything=True)
            self.settle('full control at the end')
        except Lost as e:
            self.report.fail('the daemon comes back', f'{e}: nothing further is played')
        finally:
            self.ended.set()
            for _, pid in list(self.stalled.items()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        for thread in threads:
            thread.join(PATIENCE * 2)
        return self.finish(twins, began)

    def finish(self, twins, began):
        took = time.monotonic() - began
        twins.ended.set()
        twins.join()
        living = {(name, pid) for pid, name in self.token.all().items() if name}
        with self.asking('*'):
            self.stopped = time.monotonic_ns()
            try:
                self.call('supervisor.shutdown')
            except (OSError, xmlrpc.client.Error) as e:
                self.report.fail('shutdown', repr(e))
                roles = self.roles()
                if roles:  # the other way to ask for it
                    self.kill(roles[0], signal.SIGTERM)
            deadline, left = time.monotonic() + 40, self.token.all()
            while left and time.monotonic() < deadline:
                time.sleep(0.1)
                left = self.token.all()
        result = {'seed': self.given.seed, 'seconds': round(took), 'programs': len(self.model), 'kinds': ' '.join(self.given.kinds)}
        if left:
            self.report.fail('nothing is left behind', f'40 s after the shutdown {len(left)} processes live: ' + ' '.join(
                f'{pid} ({name})' for pid, name in list(left.items())[:10]))
            for pid, name in left.items():  # first those that write: what they wrote is not to be lost by our own doing
                if name:
                    self.kill(pid, signal.SIGKILL, name)
            time.sleep(2)
            self.token.kill_all()
        for path in (self.socket, self.folder + '/d.pid'):
            if os.path.lexists(path):
                self.report.fail('nothing is left behind', os.path.basename(path) + ' is there after the shutdown')
        for (name, pair), (first, last) in twins.found.items():
            self.report.fail('no twins', f'{name}: pids {pair} lived at once, seen for {(last - first) * 1000:.0f} ms')
        result['looks for twins'] = twins.looks
        result.update({f'calls, {name}': count for name, count in sorted(self.calls.items())})
        Accounts(self, living, result).all()
        self.flatness(result)
        self.unmount()
        return result

    def unmount(self):
        if self.mounted:
            if self.given.keep:
                shutil.copytree(self.folder + '/small', self.folder + '/small.copy', dirs_exist_ok=True)
            for way in ((), ('-l',)):
                if subprocess.run(['umount', *way, self.folder + '/small'], capture_output=True).returncode == 0:
                    self.mounted = False
                    return
            self.report.fail('nothing is left behind', self.folder + '/small is still mounted')

    # How much a figure may have grown from the second fifth of a run to the last one. The number of programs stays the same but for a few,
    # which is taken out; what is left is connections, calls under way and the moments in which a program that has ended is not yet started
    # again: a dozen descriptors. A leak of one descriptor in a hundred faults is seen in an hour. Memory is a managed heap, which is
    # collected when it is worth it: a quarter and some MB more are nothing, and growth without end is more in an hour.
    MARGINS = {'daemon descriptors': (16, 0), 'keeper descriptors': (16, 0), 'daemon pidfds beyond programs': (16, 0), 'keeper pidfds beyond programs': (16, 0),
               'daemon RssAnon, KB': (8192, 0.25), 'keeper RssAnon, KB': (2048, 0.25),
               'daemon Pss, KB': (8192, 0.25), 'keeper Pss, KB': (4096, 0.25)}

    def flatness(self, result):
        if len(self.samples) < 10:
            result['samples'] = len(self.samples)
            self.not_played['leaks'] = f'{len(self.samples)} quiet samples are too few to judge'
            return
        width = (self.samples[-1]['at'] - self.samples[0]['at']) / 5 or 1
        fifths = [[] for _ in range(5)]
        for sample in self.samples:
            fifths[min(4, int((sample['at'] - self.samples[0]['at']) / width))].append(sample)
        result['samples'] = len(self.samples)
        for what, (margin, share) in self.MARGINS.items():
            # A program has three descriptors in the daemon (two pipes and a log file) and its two pipes in the keeper.
            each = {'daemon descriptors': 3, 'keeper descriptors': 2}.get(what, 0)
            values = [[sample[what] - each * (sample['programs'] - self.given.programs - len(LISTENERS)) for sample in fifth] for fifth in fifths]
            result[f'{what}, min/median/max of each fifth'] = '  '.join(
                f'{min(v)}/{round(statistics.median(v))}/{max(v)}' if v else '-' for v in values)
            if self.given.seconds >= 600 and values[1] and values[4]:
                early, late = statistics.median(values[1]), statistics.median(values[4])
                if late > early * (1 + share) + margin:
                    self.report.fail('nothing grows', f'{what}: {early:.0f} in the second fifth, {late:.0f} in the last')
        if self.given.seconds < 600:
            self.not_played['leaks'] = 'growth is judged in runs of ten minutes and more'


def target_of(link):
    try:
        return os.readlink(link)
    except FileNotFoundError:  # it is closed by now
        return ''


def processor_time(pid):
    """Seconds of processor time of a process, or None when it is gone."""
    fields = read(f'/proc/{pid}/stat').rpartition(b') ')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK') if fields else None


def account_of(path):
    """(tried, written, ended, plan, signals), or None when it was killed before it had an account."""
    data = read(path)
    return struct.unpack('QQQqQ', data) if len(data) == 40 else None


class Run:
    __slots__ = ('name', 'pid', 'start', 'tried', 'written', 'ended', 'plan', 'told', 'last', 'missing')

    def __init__(self, name, pid, start, account):
        self.name, self.pid, self.start = name, pid, start
        self.tried, self.written, self.ended, self.plan, _ = account
        self.told, self.last, self.missing = None, 0, []

    def key(self):
        return self.name, self.pid, self.start

    def ends(self):
        if not self.plan:
            return None
        return f'exit status {self.plan - 1}' if self.plan < 1000 else f'terminated by {SIGNALS[self.plan - 1000]}'

    def __str__(self):
        return f'{self.name}, pid {self.pid}, start {self.start / 1e9:.3f}, {self.written} lines written, {self.ends() or "no end of its own"}'


class Accounts:
    """Holds the log files and the activity log against what the programs know of themselves."""

    def __init__(self, chaos, living, result):
        self.chaos, self.living, self.result, self.fail = chaos, living, result, chaos.report.fail
        self.runs, self.by_name = {}, collections.defaultdict(list)
        for entry in os.scandir(chaos.folder + '/runs'):
            name, pid, *rest = entry.name.split('.')
            account = pid != 'events' and account_of(entry.path)
            if account:
                run = Run(name, int(pid), int(rest[0]), account)
                self.runs[name.encode(), run.pid, run.start] = run
                self.by_name[name].append(run)
        for several in self.by_name.values():
            several.sort(key=lambda run: run.start)
        self.text = read(chaos.log).decode(errors='replace')
        # Pids come round again: whose was it then?
        self.killed = set()
        for name, pid, at in chaos.killed:
            starts = [run.start for run in self.by_name[name] if run.pid == pid and run.start <= at]
            if starts:
                self.killed.add((name, pid, max(starts)))

    def all(self):
        self.result['runs'] = len(self.runs)
        self.ends()
        self.lines()
        self.exits()
        self.events()
        deaths = {(int(pid), how) for pid, how in DIED.findall(self.text)}
        for pid, how in deaths:
            if pid not in self.chaos.daemons_killed:
                self.fail('the daemon dies only when it is killed', f'pid {pid} died, {how}')
        for word in ('CRIT', 'Unhandled exception', 'invariant'):
            for line in [line for line in self.text.split('\n') if word in line][:3]:
                if 'is running as root' not in line and 'without any HTTP authentication' not in line:
                    self.fail('nothing critical is logged', line)
        stderr = read(self.chaos.folder + '/stderr').decode(errors='replace')
        if 'Unhandled' in stderr or 'Fatal' in stderr:
            self.fail('nothing critical is logged', 'on standard error: ' + stderr[-1500:])

    def ends(self):
        """No run may end for another reason than its own, a SIGKILL that was played, or a stop that somebody asked for."""
        nobody = unasked = 0
        # A listener that may have a part of an event in hand when its daemon dies is started again, and the log says so.
        distrusted = {(name, int(pid)) for name, pid in re.findall(r'listener (\w+) \((\d+)\) is killed: the daemon before died', self.text)}
        for run in self.runs.values():
            if run.plan == 1000 + signal.SIGTERM:
                windows = self.chaos.asked[run.name] + self.chaos.asked['*']
                if not any(begin <= run.ended <= end for begin, end in windows):
                    unasked += 1
                    self.fail('only what was asked to is stopped', f'{run}; at {run.ended / 1e9 - self.chaos.report.began:.2f}')
            elif not run.plan and run.start < self.chaos.stopped and run.key() not in self.killed \
                    and (run.name, run.pid) not in self.living | distrusted:
                nobody += 1
                self.fail('no run ends by the daemon’s fault', str(run))
        self.result['runs stopped that nobody asked for'] = unasked
        self.result['runs ended by nobody'] = nobody
        self.result['listeners distrusted after a death of the daemon'] = len(distrusted)

    def lines(self):
        total = collections.Counter()
        for name in sorted(self.chaos.every):
            small = name[0] == 'd'
            base = f"{self.chaos.folder}/{'small' if small else 'logs'}/{name}.log"
            older = sorted((path for path in glob.glob(base + '.*')), key=lambda path: -int(path.rpartition('.')[2]))
            kind = 'small disk' if small else 'lines'
            rest = b''
            for path in older + [base]:
                text = (rest + read(path)).split(b'\n')
                rest = text.pop()
                for line in text:
                    self.line(name, line, kind, total)
            if rest:
                total[kind, 'torn'] += 1
                if not small:
                    self.fail('no line is torn', f'{name}: the log ends with {rest[-100:]!r}')
            for run in self.by_name.get(name, ()):
                if run.last < run.written:
                    run.missing.append((run.last + 1, run.written))
                lost = sum(last - first + 1 for first, last in run.missing)
                total[kind, 'lost'] += lost
                total[kind, 'written'] += run.written
                if lost and not small:
                    total[kind, 'runs that lost some'] += 1
                    self.fail('no line is lost', f'{lost} of {run}: {run.missing[:5]}')
        for kind in ('lines', 'small disk'):
            for what in ('written', 'found', 'lost', 'runs that lost some', 'doubled', 'torn', 'out of order'):
                self.result[f'{kind}, {what}' + (' or rotated away' if kind == 'small disk' and what == 'lost' else '')] = total[kind, what]

    def line(self, name, line, kind, total):
        match = LINE.fullmatch(line)
        run = match and self.runs.get((match[1], int(match[2]), int(match[3])))
        number = int(match[4]) if match else 0
        if not run or run.name != name or not 1 <= number <= run.tried:
            total[kind, 'torn'] += 1
            if kind == 'lines':
                self.fail('no line is torn', f'{name}: {line[:200]!r}')
            return
        total[kind, 'found'] += 1
        if number > run.last:
            if number > run.last + 1:
                run.missing.append((run.last + 1, number - 1))
            run.last = number
            return
        at = bisect.bisect_right(run.missing, (number, float('inf'))) - 1
        if at >= 0 and run.missing[at][0] <= number <= run.missing[at][1]:
            first, last = run.missing[at]
            run.missing[at:at + 1] = [piece for piece in ((first, number - 1), (number + 1, last)) if piece[0] <= piece[1]]
            total[kind, 'out of order'] += 1
            self.fail('no line is out of order', f'{number} after {run.last} of {run}')
        else:
            total[kind, 'doubled'] += 1
            self.fail('no line is doubled', f'{number} of {run}')

    def may_end_so(self, run, told):
        return told == run.ends() or (told == 'terminated by SIGKILL' and run.key() in self.killed)

    def exits(self):
        current, twice, untold, seen = {}, 0, 0, set()
        for line in self.text.splitlines():
            match = TOLD.search(line)
            if not match:
                continue
            if line in seen:
                # To the millisecond the same: lines that were out when the daemon died and that its successor did not know of.
                twice += not match['new']
                continue
            seen.add(line)
            if match['new']:
                name, after, pid = match['new'], current.get(match['new']), int(match['pid'])
                again = after and after.pid == pid and (match['how'] == 'adopted' or after.told is None)
                # The first run of this pid that comes after the one before it.
                current[name] = after if again else next((run for run in self.by_name.get(name, ()) if run.pid == pid and run.told is None
                                                          and (not after or run.start >= after.start)), None)
                continue
            run = current.get(match['name'])
            if run is None:
                continue  # killed before its main began: it has no account
            if run.told is None:
                run.told = match['end']
            elif run.told == match['end']:
                twice += 1
            elif later := next((other for other in self.by_name[run.name] if other.start > run.start and other.told is None
                                and self.may_end_so(other, match['end'])), None):
                # Its start is not in the log: the daemon was killed between the two.
                untold += 1
                if not self.chaos.daemons_killed and not self.chaos.keeper_killed:
                    self.fail('starts are told', str(later))
                later.told = match['end']
                current[run.name] = later
            else:
                self.fail('exits are told right', f"{match['name']}: {match['end']} was told of {run}, of which {run.told} was told before")
        told = collections.Counter()
        for run in self.runs.values():
            was_killed = run.key() in self.killed
            if not run.plan and not was_killed:
                continue
            if run.told is None:
                if was_killed and not run.plan and (run.name, run.pid) in self.living:
                    continue  # it only may have been killed: a listener that was stalled
                told['never'] += 1
                self.fail('every exit is told', str(run))
            elif self.may_end_so(run, run.told):
                told['right'] += 1
            elif run.told == 'unobserved':
                told['unobserved'] += 1
                if not self.chaos.keeper_killed:
                    self.fail('exits are observed', str(run))
            else:
                told['wrong'] += 1
                self.fail('exits are told right', f'{run.told} was told of {run}')
        for what in ('right', 'wrong', 'unobserved', 'never'):
            self.result[f'exits told {what}'] = told[what]
        self.result['exits told twice'] = twice
        self.result['starts not told'] = untold

    def events(self):
        """Each pool numbers its events: a number that is missing must have been said to be dropped, and the large pool drops none."""
        dropped = collections.defaultdict(set)
        for pool, serial in OVERFLOW.findall(self.text):
            dropped[pool].add(int(serial))
        seen_exits = set()
        for pool in LISTENERS:
            received = missing = anew = 0
            last = -1  # numbers begin at 0
            serials = set()
            for line in read(f'{self.chaos.folder}/runs/{pool}.events').decode(errors='replace').split('\n')[:-1]:
                match = EVENT.fullmatch(line)
                if not match or match[4] != pool:
                    self.fail('events are whole', f'{pool}: {line[:300]}')
                    continue
                at, serial, number = int(match[1]), int(match[3]), int(match[5])
                received += 1
                if number < last - 20 and sum(reload <= at for reload in self.chaos.reloads) > anew:
                    last, anew = -1, anew + 1  # a reload makes the pools anew; what is a little lower is given once more, after a death
                if number > last + 1:
                    missing += number - last - 1
                    if pool == COMPLETE:
                        self.fail('every event reaches its listener', f'{pool}: {number} after {last}')
                last = max(last, number)
                serials.add(serial)
                if pool == COMPLETE and match[6] == 'PROCESS_STATE_EXITED':
                    fields = dict(pair.split(':', 1) for pair in match[7].split())
                    seen_exits.add((fields['processname'], int(fields['pid'])))
            self.result[f'events, {pool}'] = f'{received} received, {missing} missing, {len(dropped[pool])} said to be dropped'
            if missing > len(dropped[pool]):
                self.fail('dropped events are said', f'{pool}: {missing} are missing, {len(dropped[pool])} were said to be dropped')
            if not self.chaos.reloads and (both := dropped[pool] & serials):
                self.fail('dropped events are said', f'{pool}: {len(both)} were said to be dropped and arrived: {sorted(both)[:10]}')
        if dropped[COMPLETE]:
            self.fail('every event reaches its listener', f'{COMPLETE} dropped {len(dropped[COMPLETE])}')
        unseen = [run for run in self.runs.values() if run.name[0] in 'xc' and run.plan and run.plan != 1015 and run.ended < self.chaos.stopped - 5000000000
                  and run.told and (run.name, run.pid) not in seen_exits]
        # A stop that came first makes the end a STOPPED, and a full reload ends the listeners themselves.
        unseen = [run for run in unseen if not any(begin - 5000000000 <= run.ended <= end for begin, end in self.chaos.asked[run.name] + self.chaos.asked['*'])]
        self.result['exits without their event'] = len(unseen)
        for run in unseen:
            self.fail('every exit has its event', str(run))


def sweep(folder):
    """Ends what a run left behind that was itself killed."""
    token = crash.Token()
    token.value = read(folder + '/token').decode()
    if token.value:
        token._mark = b'STEWARD_CRASH=' + token.value.encode()
        token.kill_all()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    length = parser.add_mutually_exclusive_group()
    length.add_argument('--minutes', type=float, default=10)
    length.add_argument('--seconds', type=float)
    parser.add_argument('--programs', type=int, default=200)
    parser.add_argument('--seed', type=int, help='default: a new one, which is printed')
    parser.add_argument('--only', help='these kinds of faults')
    parser.add_argument('--without', help='all but these kinds of faults')
    parser.add_argument('--json', help='a file for the figures')
    parser.add_argument('--keep', action='store_true', help='leave the folder with logs and accounts behind')
    parser.add_argument('--folder', help='an empty folder for everything; default: a new one')
    parser.add_argument('--sweep', metavar='FOLDER', help='end what a run that was killed left behind in its folder, and nothing else')
    given = parser.parse_args()
    given.seconds = given.seconds or given.minutes * 60
    given.seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    only, without = ((text or '').split(',') if text else [] for text in (given.only, given.without))
    for kind in only + without:
        if kind not in KINDS:
            parser.error(f"there is no kind of fault called '{kind}'; there are: {' '.join(KINDS)}")
    given.kinds = [kind for kind in KINDS if (not only or kind in only) and kind not in without]
    given.bin = os.path.abspath(os.environ.get('STEWARD_BIN', os.path.join(ROOT, 'artifacts/bin')))
    return given


def main():
    given = arguments()
    if given.sweep:
        sweep(given.sweep)
        return
    print(f"seed {given.seed}: {given.programs} programs, {given.seconds:.0f} s, {' '.join(given.kinds)}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # cleans up
    folder, chaos, result = given.folder or tempfile.mkdtemp(prefix='steward-chaos.'), None, {}
    try:
        chaos = Chaos(given, folder)
        result = chaos.run()
    finally:
        if chaos:
            chaos.ended.set()
            chaos.token.kill_all()
            chaos.unmount()
        else:
            subprocess.run(['umount', folder + '/small'], capture_output=True)
        if given.keep:
            print('kept: ' + folder, flush=True)
        elif not os.path.ismount(folder + '/small'):
            shutil.rmtree(folder)
    print()
    for name, value in result.items():
        print(f'{name:<50} {value}')
    print()
    for kind, count in sorted(chaos.report.played.items()):
        print(f'{count:6d} {kind}')
    faults = sum(chaos.report.played[kind] for kind in WEIGHTS)
    by_kind = ', '.join(f'{chaos.report.played[kind]} {kind}' for kind in WEIGHTS if kind in given.kinds)
    print(f'{faults} faults played by kind: {by_kind}')
    for what, why in chaos.not_played.items():
        print(f'not played, {what}: {why}')
    if given.json:
        with open(given.json, 'w') as f:
            json.dump({**result, 'played': chaos.report.played, 'not played': chaos.not_played, 'failures': chaos.report.failures,
                       'all samples': chaos.samples}, f, indent=1)
    if chaos.report.failures:
        print(f'FAILED (seed {given.seed}): ' + ', '.join(f'{name} ({len(several)})' for name, several in chaos.report.failures.items()))
        sys.exit(1)
    print('nothing was wrong')


if __name__ == '__main__':
    main()
