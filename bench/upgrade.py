#!/usr/bin/env python3
"""Upgrades a daemon in place again and again under programs that write numbered lines, and accounts for everything.

    bench/upgrade.py [--programs 500] [--upgrades 10] [--baseline]

Steward is artifacts/bin of this repository or $STEWARD_BIN. Each program writes 20 numbered lines a second and a line that tells of every
signal that can be caught. Meanwhile one client connects, calls and closes without a pause. --baseline restarts Supervisor
(/usr/bin/supervisord) instead, which is its only way to a new version.
"""
import argparse
import glob
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

PROGRAM = ('/bin/bash -c \'for s in HUP INT QUIT USR1 USR2 PIPE CONT TERM; do trap "echo signal" $s; done; exec 3<> <(:); i=0; '
           'while :; do i=$((i+1)); echo line $i; read -t 0.05 -u 3; done\'')


class Daemon:
    def __init__(self, program, folder, count):
        self.folder, self.count, self.socket = folder, count, os.path.join(folder, 'd.sock')
        os.makedirs(os.path.join(folder, 'logs'), exist_ok=True)
        config = os.path.join(folder, 'supervisord.conf')
        with open(config, 'w') as f:
            f.write(f'''
[supervisord]
logfile={folder}/daemon.log
pidfile={folder}/d.pid
childlogdir={folder}/logs
minfds=8192
[unix_http_server]
file={self.socket}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[program:count]
process_name=%(process_num)04d
numprocs={count}
stopsignal=KILL
stdout_logfile={folder}/logs/%(process_num)04d.log
command={PROGRAM}
''')
        self.process = subprocess.Popen([program, '-n', '-c', config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while len(self.pids()) < count:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit('the programs do not come up')
            time.sleep(0.1)

    def call(self, method):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.socket)
            body = f"<?xml version='1.0'?><methodCall><methodName>{method}</methodName></methodCall>".encode()
            s.sendall(b'POST /RPC2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n' % len(body) + body)
            return b''.join(iter(lambda: s.recv(65536), b''))

    def pids(self):
        try:
            answer = self.call('supervisor.getAllProcessInfo').decode()
        except OSError:
            return []
        running = answer.count('<string>RUNNING</string>')
        return sorted(re.findall(r'<name>pid</name>\s*<value><int>([1-9]\d*)<', answer)) if running == self.count else []

    def stop(self):
        self.process.terminate()
        self.process.wait()


def account(folder):
    lines = lost = doubled = signalled = 0
    for name in glob.glob(folder + '/logs/????.log'):
        with open(name) as f:
            text = f.read().split('\n')[:-1]
        numbers = [int(line[5:]) for line in text if line.startswith('line ')]
        signalled += text.count('signal')
        lines += len(numbers)
        lost += max(numbers) - len(set(numbers))
        doubled += len(numbers) - len(set(numbers))
    return f'{lines} lines, {lost} lost, {doubled} doubled, {signalled} signals'


def upgrade(program, folder, count, upgrades):
    daemon = Daemon(program, folder, count)
    before, worst, failures, ended = daemon.pids(), [], [], threading.Event()

    def client():
        while not ended.is_set():
            began = time.monotonic()
            try:
                if b'<int>%d</int>' % daemon.process.pid not in daemon.call('supervisor.getPID'):
                    failures.append('no answer')
            except OSError as e:
                failures.append(str(e))
            worst.append(time.monotonic() - began)

    thread = threading.Thread(target=client)
    thread.start()
    for _ in range(upgrades):
        time.sleep(0.5)
        if b'<boolean>1</boolean>' not in daemon.call('steward.upgrade'):
            failures.append('not upgraded')
    time.sleep(0.5)
    ended.set()
    thread.join()
    after = daemon.pids()
    daemon.stop()
    with open(folder + '/daemon.log') as f:
        gaps = sorted(int(gap) for gap in re.findall(r'upgraded from .* in (\d+) ms', f.read()))
    print(f'{upgrades} upgrades, {count} programs: gap {gaps[0]} to {gaps[-1]} ms, median {gaps[len(gaps) // 2]} ms; '
          f'longest call {max(worst) * 1000:.0f} ms')
    print(f'{len(worst)} calls meanwhile, {len(failures)} without an answer; '
          f'{len(set(before) & set(after))} of {count} pids the same; {account(folder)}')


def baseline(folder, count):
    daemon = Daemon('/usr/bin/supervisord', folder, count)
    before, began = daemon.pids(), time.monotonic()
    daemon.stop()
    daemon = Daemon('/usr/bin/supervisord', folder, count)
    took = time.monotonic() - began
    after = daemon.pids()
    daemon.stop()
    print(f'Supervisor, restarted: {took:.1f} s until all {count} programs run again; {len(set(before) & set(after))} pids the same')


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--programs', type=int, default=500)
    parser.add_argument('--upgrades', type=int, default=10)
    parser.add_argument('--baseline', action='store_true')
    given = parser.parse_args()
    folder = tempfile.mkdtemp(prefix='steward-upgrade.')
    try:
        if given.baseline:
            baseline(folder, given.programs)
        else:
            program = os.path.join(os.environ.get('STEWARD_BIN', os.path.join(root, 'artifacts/bin')), 'supervisord')
            upgrade(program, folder, given.programs, given.upgrades)
    finally:
        shutil.rmtree(folder)


if __name__ == '__main__':
    main()
