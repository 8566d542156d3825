namespace Steward.EndToEnd;

/// <summary>
/// Listeners in Python as people have them: what the programs of superlance do, written for these tests over Supervisor's own
/// <c>supervisor.childutils</c>.
/// </summary>
internal static class ListenerScripts
{
    /// <summary>Restarts what is larger than so many bytes: <c>memmon NAME=BYTES</c>.</summary>
    public const string MemMon = """
        import os, subprocess, sys
        from supervisor import childutils
        name, limit = sys.argv[1].split('=')
        rpc = childutils.getRPCInterface(os.environ)
        while True:
            headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
            if headers['eventname'].startswith('TICK'):
                for info in rpc.supervisor.getAllProcessInfo():
                    if info['name'] != name or not info['pid']:
                        continue
                    rss = subprocess.run(['ps', '-o', 'rss=', '-p', str(info['pid'])], capture_output=True, text=True).stdout.strip()
                    if rss and int(rss) * 1024 > int(limit):
                        spec = info['group'] + ':' + info['name']
                        sys.stderr.write('Restarting %s\n' % spec)
                        sys.stderr.flush()
                        rpc.supervisor.stopProcess(spec)
                        rpc.supervisor.startProcess(spec)
            childutils.listener.ok(sys.stdout)
        """;

    /// <summary>Restarts a process that does not answer 200: <c>httpok NAME URL</c>.</summary>
    public const string HttpOk = """
        import os, sys, urllib.error, urllib.request
        from supervisor import childutils
        name, url = sys.argv[1:]
        rpc = childutils.getRPCInterface(os.environ)
        while True:
            headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
            try:
                act = urllib.request.urlopen(url, timeout=3).status != 200
            except (urllib.error.URLError, OSError) as why:
                act = True
            if act and rpc.supervisor.getProcessInfo(name)['statename'] == 'RUNNING':
                sys.stderr.write('%s is in RUNNING state, restarting\n' % name)
                sys.stderr.flush()
                rpc.supervisor.stopProcess(name)
                rpc.supervisor.startProcess(name)
            childutils.listener.ok(sys.stdout)
        """;

    /// <summary>Mails what ended unexpectedly: <c>crashmail SENDMAIL</c>.</summary>
    public const string CrashMail = """
        import os, sys
        from supervisor import childutils
        while True:
            headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
            if headers['eventname'] == 'PROCESS_STATE_EXITED':
                pheaders, pdata = childutils.eventdata(payload + '\n')
                if not int(pheaders['expected']):
                    with os.popen(sys.argv[1], 'w') as mail:
                        mail.write('Subject: %s crashed\n\nProcess %s in group %s exited unexpectedly (pid %s) from state %s\n' % (
                            pheaders['processname'], pheaders['processname'], pheaders['groupname'], pheaders['pid'], pheaders['from_state']))
            childutils.listener.ok(sys.stdout)
        """;

    /// <summary>Mails at a tick what became FATAL since the last one: <c>fatalmailbatch SENDMAIL</c>.</summary>
    public const string FatalMailBatch = """
        import os, sys
        from supervisor import childutils
        batch = []
        while True:
            headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
            if headers['eventname'] == 'PROCESS_STATE_FATAL':
                pheaders, pdata = childutils.eventdata(payload + '\n')
                batch.append('Process %(groupname)s:%(processname)s failed to start too many times' % pheaders)
            elif headers['eventname'].startswith('TICK') and batch:
                with os.popen(sys.argv[1], 'w') as mail:
                    mail.write('Subject: %d fatal\n\n%s\n' % (len(batch), '\n'.join(batch)))
                batch = []
            childutils.listener.ok(sys.stdout)
        """;

    /// <summary>Collects every change of a state and writes them down at each tick: <c>process_state_monitor FILE</c>.</summary>
    public const string ProcessStateMonitor = """
        import sys
        from supervisor import childutils
        class Monitor:
            def __init__(self, path):
                self.path, self.batch = path, []
            def handle(self, headers, payload):
                if headers['eventname'].startswith('TICK'):
                    with open(self.path, 'a') as out:
                        out.writelines(line + '\n' for line in self.batch)
                    self.batch = []
                elif headers['eventname'].startswith('PROCESS_STATE_'):
                    pheaders, pdata = childutils.eventdata(payload + '\n')
                    self.batch.append('%s %s' % (pheaders['processname'], headers['eventname'][len('PROCESS_STATE_'):]))
        monitor = Monitor(sys.argv[1])
        while True:
            headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
            monitor.handle(headers, payload)
            childutils.listener.ok(sys.stdout)
        """;

    /// <summary>Answers 500 in its first run and 200 in every other: <c>web PORT FILE</c>.</summary>
    public const string Web = """
        import http.server, os, sys
        healthy = os.path.exists(sys.argv[2])
        open(sys.argv[2], 'w').close()
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if healthy else 500)
                self.send_header('Content-Length', '0')
                self.end_headers()
        http.server.HTTPServer.allow_reuse_address = True
        http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
        """;

    /// <summary>Holds 64 MB in its first run and nothing in every other: <c>hog FILE</c>.</summary>
    public const string Hog = """
        import os, sys, time
        memory = b'' if os.path.exists(sys.argv[1]) else b'x' * (64 << 20)
        open(sys.argv[1], 'w').close()
        time.sleep(100000)
        """;

    /// <summary>Writes each event's numbers, type and data to a file: <c>recorder FILE</c>. Nothing but the protocol, for speed.</summary>
    public const string Recorder = """
        import sys
        out = open(sys.argv[1], 'a')
        while True:
            sys.stdout.write('READY\n'); sys.stdout.flush()
            line = sys.stdin.readline()
            if not line:
                break
            header = dict(token.split(':') for token in line.split())
            payload = sys.stdin.read(int(header['len']))
            out.write('%s %s %s %s\n' % (header['serial'], header['poolserial'], header['eventname'], payload.replace('\n', ' '))); out.flush()
            sys.stdout.write('RESULT 2\nOK'); sys.stdout.flush()
        """;

    /// <summary>Takes an event, writes it down and dies over it without an answer every third time: <c>dying FILE</c>.</summary>
    public const string Dying = """
        import os, sys
        count = 0
        while True:
            sys.stdout.write('READY\n'); sys.stdout.flush()
            header = dict(token.split(':') for token in sys.stdin.readline().split())
            payload = sys.stdin.read(int(header['len']))
            count += 1
            if count == 3:
                os._exit(1)
            with open(sys.argv[1], 'a') as out:
                out.write('%s %s %s %s\n' % (header['serial'], header['poolserial'], header['eventname'], payload.replace('\n', ' ')))
            sys.stdout.write('RESULT 2\nOK'); sys.stdout.flush()
        """;

    /// <summary>Writes what nobody asked for.</summary>
    public const string Garbage = """
        import os, time
        while True:
            os.write(1, os.urandom(4096))
            time.sleep(0.01)
        """;

    /// <summary>Takes an event and never answers.</summary>
    public const string Stalling = """
        import sys, time
        sys.stdout.write('READY\n'); sys.stdout.flush()
        sys.stdin.readline()
        time.sleep(100000)
        """;
}
