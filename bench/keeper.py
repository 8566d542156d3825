#!/usr/bin/python3
"""What the keeper costs: the same runs without and with `keeper=true`, taking turns, and the ratio of the medians.

    bench/keeper.py [--programs 500] [--runs 5] [--lines 2000000] [--idle 10] [--daemon PATH] [--json FILE]

Each run: a daemon is started until it answers; a group of programs until all of them run; one program is killed until its successor runs; the
daemon and its keeper are left alone (processor time, wake-ups); their memory is read; a program writes lines as fast as they are taken.
Needs root for nothing, and a machine with nothing else to do: the ratios bear some noise, the figures themselves none.
"""
import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import xmlrpc.client

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
METRICS = {
    'start': 'start until it answers, ms', 'spawn': 'start of all programs until they run, ms', 'spawn cpu': 'processor time of that, ms',
    'restart': 'killed program until its successor runs, ms', 'idle cpu': 'processor time when idle, ms/s', 'wakeups': 'wake-ups when idle, 1/s',
    'pss': 'memory (Pss), MB', 'private': 'private memory, MB', 'lines': 'lines written, million/s',
}


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('localhost')
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Transport(xmlrpc.client.Transport):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def make_connection(self, host):
        return Connection(self.path)


def until(what, look, within=120, pause=0.0005):
    end = time.monotonic() + within
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(pause)
    raise SystemExit(f'keeper.py: {what} did not come within {within} s')


def processor(pid):
    """Nanoseconds on a processor, of all threads: those of the scheduler, not of its ticks."""
    total = 0
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/schedstat') as file:
            total += int(file.read().split()[0])
    return total


def wakeups(pid):
    total = 0
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/status') as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith('voluntary_ctxt'))
    return total


def memory(pid):
    sizes = {}
    with open(f'/proc/{pid}/smaps_rollup') as file:
        for line in file.readlines()[1:]:
            sizes[line.split(':')[0]] = int(line.split()[1]) / 1024
    return sizes['Pss'], sizes['Private_Clean'] + sizes['Private_Dirty']


def daemons(pid):
    """The process that was started, and the daemon that is its child when it is a keeper."""
    found = [pid]
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/children') as file:
            for child in file.read().split():
                with open(f'/proc/{child}/cmdline', 'rb') as line:
                    if b'--kept' in line.read().split(b'\0'):
                        found.append(int(child))
    return found


def measure(given, keeper):
    folder = tempfile.mkdtemp(prefix='steward-keeper.')
    path = f'{folder}/s'
    with open(f'{folder}/c', 'w') as file:
        file.write(f'''
[supervisord]
keeper={str(keeper).lower()}
logfile={folder}/log
pidfile={folder}/pid
childlogdir={folder}
minfds={given.programs * 4 + 500}
[unix_http_server]
file={path}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[program:many]
command=/bin/sleep 100000
process_name=%(process_num)d
numprocs={given.programs}
autostart=false
startsecs=0
[program:one]
command=/bin/sleep 100000
startsecs=0
autorestart=true
[program:lines]
command=/bin/sh -c 'yes "a line of eighty bytes, as programs write them to their logs, more or less......" | head -n {given.lines}'
autostart=false
autorestart=false
startsecs=0
stdout_logfile_maxbytes=0
''')
    result = {}
    before = time.monotonic()
    process = subprocess.Popen([given.daemon, '-n', '-c', f'{folder}/c'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        server = xmlrpc.client.ServerProxy('http://localhost', Transport(path)).supervisor

        def answers():
            if process.poll() is not None:
                raise SystemExit(f'keeper.py: the daemon ended with {process.returncode}')
            try:
                return server.getState()['statecode'] == 1
            except (OSError, http.client.HTTPException):
                return False

        def one():
            info = server.getProcessInfo('one')
            return info['pid'] if info['statename'] == 'RUNNING' else 0

        until('the daemon', answers)
        result['start'] = (time.monotonic() - before) * 1000
        pids = daemons(process.pid)
        assert len(pids) == (2 if keeper else 1), pids
        used, before = sum(map(processor, pids)), time.monotonic()
        server.startProcessGroup('many')
        result['spawn'] = (time.monotonic() - before) * 1000
        result['spawn cpu'] = (sum(map(processor, pids)) - used) / 1e6
        times = []
        for _ in range(15):
            pid = until('a program', one)
            before = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            until('its successor', lambda: one() not in (0, pid))
            times.append((time.monotonic() - before) * 1000)
        result['restart'] = statistics.median(times)
        time.sleep(2)
        used, woken = sum(map(processor, pids)), sum(map(wakeups, pids))
        time.sleep(given.idle)
        result['idle cpu'] = (sum(map(processor, pids)) - used) / 1e6 / given.idle
        result['wakeups'] = (sum(map(wakeups, pids)) - woken) / given.idle
        result['pss'], result['private'] = (sum(sizes) for sizes in zip(*map(memory, pids)))
        if keeper:
            result['keeper pss'], result['keeper private'] = memory(pids[0])
        before = time.monotonic()
        server.startProcess('lines')
        until('the end of the lines', lambda: server.getProcessInfo('lines')['statename'] == 'EXITED', pause=0.01)
        result['lines'] = given.lines / (time.monotonic() - before) / 1e6
        server.shutdown()
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        shutil.rmtree(folder)
    return result


def main():
    parser = argparse.ArgumentParser(description='Measures what keeper=true costs.')
    parser.add_argument('--programs', type=int, default=500)
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--lines', type=int, default=2_000_000)
    parser.add_argument('--idle', type=float, default=10)
    parser.add_argument('--daemon', default=f'{ROOT}/artifacts/bin/supervisord')
    parser.add_argument('--json')
    given = parser.parse_args()
    results = {False: [], True: []}
    for run in range(given.runs):
        for keeper in ((False, True), (True, False))[run % 2]:  # neither always comes first
            results[keeper].append(measure(given, keeper))
    print(f'{given.programs} programs, {given.runs} runs each, load {os.getloadavg()[0]:.1f} at the end\n')
    print('| | without | with keeper | ratio |\n|---|---|---|---|')
    for key, title in METRICS.items():
        without, kept = (statistics.median(run[key] for run in results[keeper]) for keeper in (False, True))
        print(f'| {title} | {without:.2f} | {kept:.2f} | {f"{kept / without:.2f}" if without else "-"} |')
    for key in ('keeper pss', 'keeper private'):
        print(f'\n{key}: {statistics.median(run[key] for run in results[True]):.2f} MB')
    if given.json:
        with open(given.json, 'w') as file:
            json.dump({str(keeper): runs for keeper, runs in results.items()}, file, indent=1)


if __name__ == '__main__':
    main()
