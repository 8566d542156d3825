#!/usr/bin/python3
"""Measures Steward and Python Supervisor side by side, interleaved in one run, and prints a markdown table.

    bench/bench.py                        everything, three rounds (about ten minutes)
    bench/bench.py --only launch,crash    only these parts (see --help)
    bench/bench.py --smoke                everything small, one round: that it works, not what it measures
    bench/bench.py --json results.json    every single measurement as well

Steward is artifacts/bin of this repository or $STEWARD_BIN; Supervisor is /usr/bin/supervisord (Debian: apt-get
install supervisor). Both get the same configuration file. A column "C limit" shows what the machine allows: a few
hundred lines of C that do the same work with nothing around it (limit.c). gcc is needed.

Exit status: 0 when every part was measured, 1 when one failed, 2 when something needed is missing.
"""
import argparse
import contextlib
import ctypes
import json
import mmap
import os
import platform
import random
import resource
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import xmlrpc.client

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
MEGA, GIGA = 1e6, 1e9


class Failed(Exception):
    """A measurement that could not be made, with its reason."""


# ------------------------------------------------------------------------------------------------------- the process table

def children_of(pid):
    """Direct children, by the kernel's own list of each thread (a child belongs to the thread that forked it)."""
    found = []
    try:
        threads = os.listdir('/proc/%d/task' % pid)
    except OSError:
        return found
    for tid in threads:
        with contextlib.suppress(OSError):
            with open('/proc/%d/task/%s/children' % (pid, tid)) as f:
                found += [int(word) for word in f.read().split()]
    return found


def descendants_of(pid):
    found, todo = [], [pid]
    while todo:
        for child in children_of(todo.pop()):
            found.append(child)
            todo.append(child)
    return found


def executable_of(pid):
    try:
        return os.readlink('/proc/%d/exe' % pid)
    except OSError:
        return None


def become_subreaper():
    """Whatever a daemon leaves behind becomes our child, so that nothing can outlive the benchmark."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(36, 1, 0, 0, 0) != 0:  # PR_SET_CHILD_SUBREAPER
        raise OSError(ctypes.get_errno(), 'prctl(PR_SET_CHILD_SUBREAPER)')


def sweep(within=20.0):
    """Kills and reaps every descendant of this process. They are all ours: nothing else is started while one runs."""
    end = time.monotonic() + within
    while True:
        left = descendants_of(os.getpid())
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not left:
            return
        if time.monotonic() > end:
            raise Failed('processes %s do not die' % left)
        time.sleep(0.01)


def cpu_ns(pids):
    """CPU time used so far by these processes: nanoseconds by thread where the kernel keeps them, else its 10 ms ticks."""
    by_thread = {}
    for pid in pids:
        try:
            for tid in os.listdir('/proc/%d/task' % pid):
                with contextlib.suppress(OSError):
                    with open('/proc/%d/task/%s/schedstat' % (pid, tid)) as f:
                        by_thread[tid] = int(f.read().split()[0])
        except OSError as e:
            raise Failed('the daemon is gone: %s' % e)
    return by_thread


def cpu_ticks_ns(pids):
    total = 0
    for pid in pids:
        with open('/proc/%d/stat' % pid) as f:
            fields = f.read().rpartition(')')[2].split()
        total += (int(fields[11]) + int(fields[12])) * (10 ** 9 // os.sysconf('SC_CLK_TCK'))
    return total


def since(before, after):
    return sum(value - before.get(tid, 0) for tid, value in after.items())


def switches(pids):
    total = 0
    for pid in pids:
        for tid in os.listdir('/proc/%d/task' % pid):
            with contextlib.suppress(OSError):
                with open('/proc/%d/task/%s/status' % (pid, tid)) as f:
                    total += sum(int(line.split()[1]) for line in f if 'ctxt_switches' in line)
    return total


def pss_kb(pids):
    total = 0
    for pid in pids:
        with open('/proc/%d/smaps_rollup' % pid) as f:
            total += next(int(line.split()[1]) for line in f if line.startswith('Pss:'))
    return total


# ------------------------------------------------------------------------------------------------------- stamps of children

class Stamps:
    """The table kid.c writes into: a counter and (monotonic ns, pid) pairs."""

    def __init__(self, directory, room=70000):
        self.path = os.path.join(directory, 'stamps')
        with open(self.path, 'wb') as f:
            f.truncate(16 + 16 * room)
        with open(self.path, 'r+b') as f:
            self.map = mmap.mmap(f.fileno(), 0)

    def count(self):
        return struct.unpack_from('Q', self.map, 0)[0]

    def entry(self, i):
        """(ns, pid) of stamp i, or None while it is not there."""
        ns, pid = struct.unpack_from('QQ', self.map, 16 + 16 * i)
        return (ns, pid) if ns else None

    def wait(self, i, within, poll=0.0005):
        end = time.monotonic() + within
        while True:
            found = self.entry(i)
            if found:
                return found
            if time.monotonic() > end:
                raise Failed('only %d of %d children came within %g s' % (self.count(), i + 1, within))
            time.sleep(poll)


# ----------------------------------------------------------------------------------------------------------------- subjects

class Subject:
    def __init__(self, key, title, daemon, ctl):
        self.key, self.title, self.daemon, self.ctl = key, title, daemon, ctl


class Programs:
    """What a daemon shall run: `count` programs with one command, as one section with numprocs."""

    def __init__(self, count, command, startsecs=1, autorestart='unexpected'):
        self.count, self.command, self.startsecs, self.autorestart = count, command, startsecs, autorestart


class Running:
    """A started daemon. Supervisor and Steward read the same file; the C limit gets the same programs by arguments."""

    def __init__(self, bench, subject, directory, programs):
        self.bench, self.subject, self.directory = bench, subject, directory
        self.socket = os.path.join(directory, 'd.sock')
        self.log = os.path.join(directory, 'daemon.log')
        self.config = os.path.join(directory, 'supervisord.conf')
        logs = os.path.join(directory, 'logs')
        os.mkdir(logs)
        if subject.key == 'limit':
            restart = '1' if programs.autorestart == 'true' else '0'
            argv = [bench.limit, 'hold', str(programs.count), logs, restart] + programs.command
        else:
            self.write_config(programs, logs)
            argv = [subject.daemon, '-n', '-c', self.config]
        self.logs = [os.path.join(logs, '%d.log' % i) for i in range(programs.count)]
        self.output = open(os.path.join(directory, 'output'), 'w+b')
        environment = {'PATH': os.environ.get('PATH', '/usr/bin:/bin'), 'LANG': 'C.UTF-8', 'HOME': directory, 'TMPDIR': directory}
        self.t0 = time.monotonic_ns()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT,
                                        cwd=directory, env=environment, start_new_session=True, close_fds=True)
        self.pid = self.process.pid

    def write_config(self, programs, logs):
        lines = ['[supervisord]', 'nodaemon=true', 'silent=true', 'logfile=' + self.log, 'logfile_maxbytes=0',
                 'pidfile=' + os.path.join(self.directory, 'd.pid'), 'childlogdir=' + logs,
                 'minfds=%d' % max(1024, 4 * programs.count + 256),
                 '[unix_http_server]', 'file=' + self.socket,
                 '[rpcinterface:supervisor]',
                 'supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface',
                 '[supervisorctl]', 'serverurl=unix://' + self.socket]
        lines += ['[program:p]', 'command=' + ' '.join(programs.command), 'redirect_stderr=true',
                  'numprocs=%d' % programs.count, 'process_name=%(process_num)d',
                  'startsecs=%d' % programs.startsecs, 'autorestart=' + programs.autorestart,
                  'stdout_logfile=%s/%%(process_num)d.log' % logs, 'stdout_logfile_maxbytes=0']
        with open(self.config, 'w') as f:
            f.write('\n'.join(lines) + '\n')

    def daemon_pids(self):
        """The daemon and its helpers: descendants that run the same executable."""
        own = executable_of(self.pid)
        return [self.pid] + [pid for pid in descendants_of(self.pid) if own and executable_of(pid) == own]

    def check(self):
        status = self.process.poll()
        if status is not None:
            raise Failed('%s ended with status %d: %s' % (self.subject.title, status, self.last_words()))

    def last_words(self):
        words = []
        for path in (self.output.name, self.log):
            with contextlib.suppress(OSError):
                with open(path, errors='replace') as f:
                    words += f.read().splitlines()[-4:]
        return ' | '.join(words) or '(nothing said)'

    def post(self, body):
        """One request on a connection of its own; the answer's bytes. Raises OSError while nobody listens."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(120)
            s.connect(self.socket)
            s.sendall(request_bytes(body, keep=False))
            answer = b''
            while True:
                piece = s.recv(65536)
                if not piece:
                    return answer
                answer += piece
                head, found, rest = answer.partition(b'\r\n\r\n')
                if found:
                    for line in head.split(b'\r\n'):
                        name, _, value = line.partition(b':')
                        if name.lower() == b'content-length' and len(rest) >= int(value):
                            return answer

    def first_answer(self, within):
        """Nanoseconds from launch to the first answered request."""
        body = call('supervisor.getState')
        end = time.monotonic() + within
        while True:
            try:
                answer = self.post(body)
                if b' 200 ' not in answer.split(b'\r\n', 1)[0] or b'RUNNING' not in answer:
                    raise Failed('the first answer is %r' % answer[:200])
                return time.monotonic_ns() - self.t0
            except OSError:
                self.check()
                if time.monotonic() > end:
                    raise Failed('no answer on %s within %g s; %s' % (self.socket, within, self.last_words()))
                time.sleep(0.0002)

    def rpc(self, method, *arguments):
        answer = self.post(call(method, *arguments))
        return xmlrpc.client.loads(answer.partition(b'\r\n\r\n')[2])[0][0]

    def wait_running(self, count, within):
        end = time.monotonic() + within
        while True:
            states = [p['statename'] for p in self.rpc('supervisor.getAllProcessInfo')]
            if states.count('RUNNING') == count:
                return
            if time.monotonic() > end:
                raise Failed('%d of %d programs are RUNNING after %g s' % (states.count('RUNNING'), count, within))
            time.sleep(0.2)

    def status(self, lines, times, budget=60):
        """Milliseconds of the whole command `supervisorctl status`, several times."""
        taken = []
        begin = time.monotonic()
        for _ in range(times):
            t0 = time.monotonic_ns()
            done = subprocess.run([self.subject.ctl, '-c', self.config, 'status'], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180)
            taken.append((time.monotonic_ns() - t0) / MEGA)
            shown = done.stdout.count(b'\n')
            if done.returncode not in (0, 3) or shown != lines:
                raise Failed('`%s status` ended with %d and %d lines instead of %d: %s'
                             % (self.subject.ctl, done.returncode, shown, lines, done.stdout[:300].decode(errors='replace')))
            if time.monotonic() - begin > budget:
                break
        return taken

    def rate(self, body, seconds):
        """Answers a second to one client that asks again and again, with keep-alive where the server grants it."""
        path = os.path.join(self.directory, 'request')
        with open(path, 'wb') as f:
            f.write(request_bytes(body, keep=True))
        done, ns, _ = self.bench.ask(self.socket, path, seconds)
        return done * GIGA / ns

    def stop(self, within=90):
        """SIGTERM, wait for the end; seconds it took. What is left after `within` is killed, and that is a failure."""
        t0 = time.monotonic_ns()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise Failed('%s is still there %g s after SIGTERM' % (self.subject.title, within))
        taken = (time.monotonic_ns() - t0) / GIGA
        left = descendants_of(os.getpid())
        if status != 0:
            raise Failed('%s ended with %d after SIGTERM: %s' % (self.subject.title, status, self.last_words()))
        if left:
            raise Failed('%s left %d processes behind' % (self.subject.title, len(left)))
        return taken

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()
        sweep()


def call(method, *arguments):
    return xmlrpc.client.dumps(arguments, method).encode()


def request_bytes(body, keep):
    return (b'POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nContent-Type: text/xml\r\n'
            b'Connection: %s\r\nContent-Length: %d\r\n\r\n' % (b'keep-alive' if keep else b'close', len(body))) + body


# -------------------------------------------------------------------------------------------------------------- measurements

class Metric:
    """One row of the table. better: -1 less is better, +1 more is better."""

    def __init__(self, key, title, unit, better, digits=1):
        self.key, self.title, self.unit, self.better, self.digits = key, title, unit, better, digits


METRICS = [
    Metric('launch', 'launch → first answer', 'ms', -1),
    Metric('spawn', 'launch → {many} children run', 's', -1, 3),
    Metric('pss', 'memory (PSS) at {many} logging programs', 'MB', -1),
    Metric('slope', 'memory a program ({few} → {many})', 'KB', -1),
    Metric('idle_cpu', 'CPU per idle second, {many} programs', 'ms', -1, 3),
    Metric('idle_switches', 'context switches per idle second', '', -1),
    Metric('crash', 'crash → successor runs, median', 'ms', -1, 2),
    Metric('crash_p99', 'crash → successor runs, 99th percentile', 'ms', -1, 2),
    Metric('log120_rate', 'log, 120-byte writes', 'MB/s', 1, 0),
    Metric('log120_cpu', 'log, 120-byte writes: CPU per GB', 's', -1, 2),
    Metric('log64k_rate', 'log, 64 KiB writes', 'MB/s', 1, 0),
    Metric('log64k_cpu', 'log, 64 KiB writes: CPU per GB', 's', -1, 2),
    Metric('status_few', '`status`, whole command, 10 programs', 'ms', -1),
    Metric('status_many', '`status`, whole command, {many} programs', 'ms', -1),
    Metric('rate_one', 'getProcessInfo, 1 client, unix', '/s', 1, 0),
    Metric('rate_all', 'getAllProcessInfo of {many}, 1 client, unix', '/s', 1, 1),
    Metric('stop', 'SIGTERM → all of {many} gone', 's', -1, 3),
    Metric('storm_status', '`status` while {storm} programs exit at once, again and again', 'ms', -1),
    Metric('storm_starts', 'starts a second meanwhile', '/s', 1, 0),
]


class Part:
    """A scenario: one daemon, started once per subject and round, gives one or more metrics."""

    def __init__(self, key, metrics, run, limit, summary):
        self.key, self.metrics, self.run, self.limit, self.summary = key, metrics, run, limit, summary


class Bench:
    def __init__(self, arguments, work, subjects):
        self.smoke, self.work, self.subjects = arguments.smoke, work, subjects
        self.random = random.Random(4)
        self.many = 60 if self.smoke else 1000
        self.few = 20 if self.smoke else 100
        self.storm = 20 if self.smoke else 200
        self.samples = {}
        self.errors = []
        self.kid = self.compile('kid')
        self.limit = self.compile('limit')
        self.serial = 0

    def compile(self, name):
        target = os.path.join(self.work, name)
        source = os.path.join(HERE, name + '.c')
        for static in (['-static'], []):
            done = subprocess.run(['gcc', '-O2', '-Wall'] + static + ['-o', target, source], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
            if done.returncode == 0:
                return target
        raise SystemExit('bench.py: gcc could not compile %s:\n%s' % (source, done.stdout))

    @contextlib.contextmanager
    def running(self, subject, make):
        """A daemon in a directory of its own; `make` gets the stamps and returns its Programs."""
        self.serial += 1
        directory = os.path.join(self.work, '%s-%d' % (subject.key, self.serial))
        os.mkdir(directory)
        stamps = Stamps(directory)
        daemon = None
        try:
            daemon = Running(self, subject, directory, make(stamps))
            daemon.stamps = stamps
            yield daemon
        finally:
            try:
                if daemon:
                    daemon.close()
            finally:
                stamps.map.close()
                shutil.rmtree(directory, ignore_errors=True)

    def ask(self, path, request, seconds):
        done = subprocess.run([self.limit, 'ask', path, request, str(seconds)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds + 120)
        if done.returncode != 0:
            raise Failed(done.stderr.strip())
        return [int(word) for word in done.stdout.split()]

    def add(self, metric, subject, *values):
        self.samples.setdefault(metric, {}).setdefault(subject.key, []).extend(values)

    # ---- parts

    def launch(self, subject):
        """Ten programs; launch to the first answer, then `status` as a whole command."""
        with self.running(subject, lambda s: Programs(10, [self.kid, 'mark', s.path, '0'])) as daemon:
            self.add('launch', subject, daemon.first_answer(60) / MEGA)
            daemon.wait_running(10, 60)
            self.add('status_few', subject, *daemon.status(10, 3 if self.smoke else 10))
            daemon.stop()

    @contextlib.contextmanager
    def serving(self, size):
        path = os.path.join(self.work, 'limit.sock')
        t0 = time.monotonic_ns()
        process = subprocess.Popen([self.limit, 'serve', path, str(size)], stdin=subprocess.DEVNULL)
        try:
            while True:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                    try:
                        s.connect(path)
                        s.sendall(b'x')
                        s.recv(1)
                        break
                    except OSError:
                        if process.poll() is not None or time.monotonic_ns() - t0 > 10 * GIGA:
                            raise Failed('limit serve does not answer')
                        time.sleep(0.0002)
            yield path, (time.monotonic_ns() - t0) / MEGA
        finally:
            process.kill()
            process.wait()
            with contextlib.suppress(OSError):
                os.unlink(path)

    def show(self, path, times):
        taken = []
        with open(os.path.join(self.work, 'request'), 'wb') as f:
            f.write(request_bytes(b'x' * 120, keep=True))
        for _ in range(times):
            t0 = time.monotonic_ns()
            subprocess.run([self.limit, 'show', path, f.name], stdout=subprocess.PIPE, check=True)
            taken.append((time.monotonic_ns() - t0) / MEGA)
        return taken

    def limit_launch(self, subject):
        """A C program that answers with a text as long as the information about ten programs, and one that asks for it."""
        with self.serving(10 * 1400) as (path, ms):
            self.add('launch', subject, ms)
            self.add('status_few', subject, *self.show(path, 3 if self.smoke else 10))

    def fleet(self, subject):
        """Many programs that each have written ten lines: spawn, memory, idleness, status, rates, stop."""
        with self.running(subject, lambda s: Programs(self.many, [self.kid, 'mark', s.path, '10'])) as daemon:
            ns, _ = daemon.stamps.wait(self.many - 1, 120, 0.005)
            self.add('spawn', subject, (ns - daemon.t0) / GIGA)
            limit = subject.key == 'limit'
            if not limit:
                daemon.wait_running(self.many, 60)
            time.sleep(0.3 if self.smoke else 3)  # the quiet whose cost is measured next
            pids = daemon.daemon_pids()
            self.add('pss', subject, pss_kb(pids) * 1024 / MEGA)
            cpu, ctx, t0 = cpu_ns(pids), switches(pids), time.monotonic()
            time.sleep(1 if self.smoke else 10)
            seconds = time.monotonic() - t0
            self.add('idle_cpu', subject, since(cpu, cpu_ns(pids)) / MEGA / seconds)
            self.add('idle_switches', subject, (switches(pids) - ctx) / seconds)
            if not limit:
                self.add('status_many', subject, *daemon.status(self.many, 2 if self.smoke else 5))
                seconds = 0.5 if self.smoke else 3
                self.add('rate_one', subject, daemon.rate(call('supervisor.getProcessInfo', 'p:7'), seconds))
                self.add('rate_all', subject, daemon.rate(call('supervisor.getAllProcessInfo'), seconds))
            daemon.check()
            self.add('stop', subject, daemon.stop())
        self.small_fleet(subject)

    def small_fleet(self, subject):
        with self.running(subject, lambda s: Programs(self.few, [self.kid, 'mark', s.path, '10'])) as daemon:
            daemon.stamps.wait(self.few - 1, 60, 0.005)
            if subject.key != 'limit':
                daemon.wait_running(self.few, 60)
            time.sleep(0.3 if self.smoke else 3)  # as above: both memory readings are taken in the same quiet
            few = pss_kb(daemon.daemon_pids()) * 1024
            many = self.samples['pss'][subject.key][-1] * MEGA
            self.add('slope', subject, (many - few) / (self.many - self.few) / 1000)
            daemon.stop()

    def limit_fleet(self, subject):
        self.fleet(subject)
        seconds = 0.5 if self.smoke else 3
        request = os.path.join(self.work, 'request')
        with open(request, 'wb') as f:
            f.write(request_bytes(call('supervisor.getProcessInfo', 'p:7'), keep=True))
        for metric, size in (('rate_one', 1600), ('rate_all', 1400 * self.many)):
            with self.serving(size) as (path, _):
                done, ns, _ = self.ask(path, request, seconds)
                self.add(metric, subject, done * GIGA / ns)
                if metric == 'rate_all':
                    self.add('status_many', subject, *self.show(path, 2 if self.smoke else 5))

    def crash(self, subject):
        """One program with startsecs=0 is killed with SIGKILL; until its successor's main has begun."""
        slow = subject.key == 'supervisor'
        times = (2 if slow else 20) if self.smoke else (10 if slow else 300)
        command = lambda s: Programs(1, [self.kid, 'mark', s.path, '0'], startsecs=0, autorestart='true')
        with self.running(subject, command) as daemon:
            taken = []
            _, pid = daemon.stamps.wait(0, 60)
            for i in range(1, times + 1):
                # A moment of its own length each time, so that no rhythm of the daemon is met or missed.
                time.sleep(self.random.uniform(0.003, 0.02))
                t0 = time.monotonic_ns()
                os.kill(pid, signal.SIGKILL)
                ns, pid = daemon.stamps.wait(i, 30, 0.0002)
                taken.append((ns - t0) / MEGA)
            daemon.stop()
        self.add('crash', subject, *taken)

    def log(self, subject, metric, size, total):
        with self.running(subject, lambda s: Programs(1, [self.kid, 'write', s.path, str(size), str(total)])) as daemon:
            begin, _ = daemon.stamps.wait(0, 60)
            pids = daemon.daemon_pids()
            cpu = cpu_ns(pids)
            end = time.monotonic() + 300
            while True:
                with contextlib.suppress(FileNotFoundError):
                    if os.stat(daemon.logs[0]).st_size >= total:
                        break
                daemon.check()
                if time.monotonic() > end:
                    raise Failed('%d bytes are not in the log after 300 s' % total)
                time.sleep(0.001)
            done = time.monotonic_ns()
            used = since(cpu, cpu_ns(pids))
            if os.stat(daemon.logs[0]).st_size != total:
                raise Failed('the log has %d bytes instead of %d' % (os.stat(daemon.logs[0]).st_size, total))
            self.add(metric + '_rate', subject, total / MEGA / ((done - begin) / GIGA))
            self.add(metric + '_cpu', subject, used / GIGA / (total / GIGA))
            daemon.stop()

    def log120(self, subject):
        """One program writes lines of 120 bytes as fast as it can; until all are in the file."""
        self.log(subject, 'log120', 120, (12 if self.smoke else 720) * 10 ** 6)

    def log64k(self, subject):
        """The same with writes of 64 KiB."""
        self.log(subject, 'log64k', 65536, (512 if self.smoke else 32768) * 65536)

    def storming(self, subject):
        """Programs that exit at once with startsecs=0 and autorestart=true; `status` meanwhile."""
        command = lambda s: Programs(self.storm, [self.kid, 'exit', s.path], startsecs=0, autorestart='true')
        with self.running(subject, command) as daemon:
            daemon.stamps.wait(self.storm - 1, 120, 0.005)
            count, t0 = daemon.stamps.count(), time.monotonic()
            if subject.key == 'limit':
                time.sleep(0.5 if self.smoke else 3)  # what is measured is how much happens in this time
            else:
                self.add('storm_status', subject, *daemon.status(self.storm, 2 if self.smoke else 10, 10))
                more = 1 - (time.monotonic() - t0)
                if more > 0 and not self.smoke:
                    time.sleep(more)  # as above
            self.add('storm_starts', subject, (daemon.stamps.count() - count) / (time.monotonic() - t0))
            daemon.check()
            daemon.stop()

    def parts(self):
        return [
            Part('launch', ['launch', 'status_few'], self.launch, self.limit_launch, self.launch.__doc__),
            Part('fleet', ['spawn', 'pss', 'slope', 'idle_cpu', 'idle_switches', 'status_many', 'rate_one', 'rate_all', 'stop'],
                 self.fleet, self.limit_fleet, self.fleet.__doc__),
            Part('crash', ['crash', 'crash_p99'], self.crash, self.crash, self.crash.__doc__),
            Part('log120', ['log120_rate', 'log120_cpu'], self.log120, self.log120, self.log120.__doc__),
            Part('log64k', ['log64k_rate', 'log64k_cpu'], self.log64k, self.log64k, self.log64k.__doc__),
            Part('storm', ['storm_status', 'storm_starts'], self.storming, self.storming, self.storming.__doc__),
        ]

    def run(self, parts, runs):
        for number in range(runs):
            for part in parts:
                # Nobody is always first or always last.
                order = self.subjects[number % len(self.subjects):] + self.subjects[:number % len(self.subjects)]
                for subject in order:
                    t0 = time.monotonic()
                    try:
                        (part.limit if subject.key == 'limit' else part.run)(subject)
                        outcome = 'done'
                    except (Failed, OSError, subprocess.SubprocessError) as e:
                        outcome = 'FAILED: %s' % e
                        self.errors.append('%s, %s, round %d: %s' % (part.key, subject.title, number + 1, e))
                        sweep()
                    note('round %d of %d  %-7s %-18s %5.1f s  %s' % (number + 1, runs, part.key, subject.title, time.monotonic() - t0, outcome))

    # ---- the table

    def value(self, metric, subject):
        source = 'crash' if metric.key == 'crash_p99' else metric.key
        values = sorted(self.samples.get(source, {}).get(subject.key, []))
        if not values:
            return None
        if metric.key == 'crash_p99':
            return values[min(len(values) - 1, int(len(values) * 0.99))]
        return statistics.median(values)

    def table(self, parts):
        wanted = {key for part in parts for key in part.metrics}
        by_key = {subject.key: subject for subject in self.subjects}
        yield '| | unit | Supervisor | Steward | C limit | Steward against Supervisor |'
        yield '|---|---|--:|--:|--:|---|'
        for metric in METRICS:
            if metric.key not in wanted:
                continue
            values = {key: self.value(metric, subject) for key, subject in by_key.items()}
            cells = ['–' if values.get(key) is None else '{:,.{}f}'.format(values[key], metric.digits)
                     for key in ('supervisor', 'steward', 'limit')]
            yield '| %s | %s | %s | %s |' % (metric.title.format(many='{:,}'.format(self.many), few=self.few, storm=self.storm),
                                             metric.unit, ' | '.join(cells), ratio(metric, values))


def ratio(metric, values):
    theirs, ours = values.get('supervisor'), values.get('steward')
    if theirs is None or ours is None:
        return '–'
    if ours <= 0 or theirs <= 0:
        return 'none at all' if ours <= 0 < theirs else '–'
    factor = theirs / ours if metric.better < 0 else ours / theirs
    word = {-1: ('less', 'more'), 1: ('more', 'less')}[metric.better]
    if metric.unit in ('ms', 's') and 'CPU' not in metric.title:
        word = ('faster', 'slower')
    return '%s× %s' % (digits(factor), word[0]) if factor >= 1 else '**%s× %s**' % (digits(1 / factor), word[1])


def digits(factor):
    return '{:,.0f}'.format(factor) if factor >= 20 else '{:.1f}'.format(factor) if factor >= 2 else '{:.2f}'.format(factor)


def note(text):
    print(text, file=sys.stderr, flush=True)


def machine():
    model = 'unknown processor'
    with contextlib.suppress(OSError, StopIteration):
        with open('/proc/cpuinfo') as f:
            model = next(line.split(':', 1)[1].strip() for line in f if line.startswith('model name'))
    return '%s, %d cores; Linux %s' % (model, os.cpu_count(), platform.release())


def version_of(command):
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run([command, '--version'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, timeout=20).stdout.strip()
    return '?'


def missing(steward, supervisor):
    if not shutil.which('gcc'):
        yield 'gcc is missing, which compiles the supervised programs (Debian: apt-get install gcc libc6-dev)'
    for path, remedy in ((supervisor.daemon, 'Debian: apt-get install supervisor'), (supervisor.ctl, 'Debian: apt-get install supervisor'),
                         (steward.daemon, 'run ./build.sh, or set STEWARD_BIN to the directory of the executables'),
                         (steward.ctl, 'run ./build.sh, or set STEWARD_BIN to the directory of the executables')):
        if not os.access(path, os.X_OK):
            yield '%s is missing (%s)' % (path, remedy)


def main():
    parser = argparse.ArgumentParser(description='Measures Steward and Python Supervisor side by side.')
    parser.add_argument('--smoke', action='store_true', help='everything small, one round: that it works, not what it measures')
    parser.add_argument('--only', default='', metavar='NAME,...', help='parts: launch fleet crash log120 log64k storm; or names of metrics')
    parser.add_argument('--runs', type=int, default=None, metavar='N', help='rounds (default 3; 1 with --smoke)')
    parser.add_argument('--json', metavar='FILE', help='write every measurement to FILE')
    parser.add_argument('--dir', metavar='DIR', help='where daemons and logs live meanwhile (default: the temporary directory; 2 GB are needed)')
    parser.add_argument('--without', default='', metavar='NAME,...', help='leave out subjects: supervisor, steward, limit')
    arguments = parser.parse_args()

    bin_directory = os.path.abspath(os.environ.get('STEWARD_BIN') or os.path.join(ROOT, 'artifacts', 'bin'))
    supervisor = Subject('supervisor', 'Supervisor', '/usr/bin/supervisord', '/usr/bin/supervisorctl')
    steward = Subject('steward', 'Steward', os.path.join(bin_directory, 'supervisord'), os.path.join(bin_directory, 'supervisorctl'))
    without = {word for word in arguments.without.split(',') if word}
    subjects = [s for s in (supervisor, steward, Subject('limit', 'C limit', None, None)) if s.key not in without]
    if without - {'supervisor', 'steward', 'limit'}:
        parser.error('--without takes supervisor, steward and limit')
    lacks = [text for text in missing(steward, supervisor) if not any(s.key in without and s.daemon and (s.daemon in text or s.ctl in text)
                                                                      for s in (supervisor, steward))]
    if lacks:
        for text in lacks:
            note('bench.py: ' + text)
        return 2

    # A thousand programs take several thousand descriptors; the daemons raise their own limit only as far as allowed.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 8192 and not arguments.smoke:
        note('bench.py: 8192 descriptors are needed and the hard limit is %d (ulimit -Hn)' % hard)
        return 2
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if soft < 8192 else soft, hard))

    def leave(number, frame):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)

    become_subreaper()
    work = tempfile.mkdtemp(prefix='steward-bench.', dir=arguments.dir)
    try:
        bench = Bench(arguments, work, subjects)
        parts = bench.parts()
        names = {word for word in arguments.only.split(',') if word}
        unknown = names - {part.key for part in parts} - {metric.key for metric in METRICS}
        if unknown:
            parser.error('no part or metric is called %s' % ', '.join(sorted(unknown)))
        if names:
            parts = [part for part in parts if part.key in names or names & set(part.metrics)]
        runs = arguments.runs or (1 if arguments.smoke else 3)
        bench.run(parts, runs)
        title = 'Supervisor %s, Steward %s; %s; medians of %d round%s' % (
            version_of(supervisor.daemon), version_of(steward.daemon), machine(), runs, '' if runs == 1 else 's')
        print(title + '\n')
        for line in bench.table(parts):
            print(line)
        if arguments.json:
            with open(arguments.json, 'w') as f:
                json.dump({'title': title, 'many': bench.many, 'samples': bench.samples, 'errors': bench.errors}, f, indent=1)
        if bench.errors:
            print('\n%d measurements failed:' % len(bench.errors))
            for error in bench.errors:
                print('- ' + error)
            return 1
        return 0
    finally:
        sweep()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == '__main__':
    sys.exit(main())
