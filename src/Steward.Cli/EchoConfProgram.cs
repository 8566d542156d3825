namespace Steward.Cli;

/// <summary>
/// <c>echo_supervisord_conf</c>: prints a configuration to begin with. It can be used as it is: what is not needed stands behind
/// semicolons, each key with its default.
/// </summary>
public static class EchoConfProgram
{
    /// <summary>Prints it.</summary>
    /// <param name="output">Standard output.</param>
    /// <returns>0, or 1 when it could not be written.</returns>
    public static int Run(Stream output)
    {
        try
        {
            var screen = new ScreenOutput(output);
            screen.Text(Sample);
            screen.Flush();
            return ExitStatus.Success;
        }
        catch (IOException)
        {
            return ExitStatus.Generic;
        }
    }

    /// <summary>The text.</summary>
    internal const string Sample =
        """
        ; A configuration for supervisord to begin with.
        ;
        ; How it is read:
        ;  - A line that begins with ; or # is a comment, and so is what stands behind a blank and a semicolon.
        ;  - %(here)s is the directory of this file, %(ENV_HOME)s the variable HOME of the daemon's environment. A percent sign that
        ;    is meant as such is written twice.
        ;  - Quotes belong to commands and to environment lists; elsewhere they are part of the value.
        ;  - A key that stands behind a semicolon here shows its default, or an example where it has none.

        [unix_http_server]
        file=/tmp/supervisor.sock   ; where supervisorctl finds the daemon
        ;chmod=0700                 ; who may connect: permissions of the socket
        ;chown=nobody:nogroup       ; its owner as user or user:group; default: the daemon's
        ;username=user              ; a login that every client has to give; default: none
        ;password=123               ; in plain, or {SHA} and the hexadecimal SHA-1

        ; The same over TCP, with a page for browsers. Whoever can connect controls everything: give it a login.
        ;[inet_http_server]
        ;port=127.0.0.1:9001        ; host:port; *:port listens on all interfaces
        ;username=user              ; default: no login
        ;password=123               ; default: no login

        [supervisord]
        logfile=/tmp/supervisord.log ; the daemon's own log; default: supervisord.log in the working directory
        logfile_maxbytes=50MB        ; when to rotate it; 0: never
        logfile_backups=10           ; how many rotated files to keep; 0: none
        loglevel=info                ; critical, error, warn, info, debug, trace or blather
        pidfile=/tmp/supervisord.pid ; default: supervisord.pid in the working directory
        nodaemon=false               ; true: stay in the foreground
        silent=false                 ; true: in the foreground, do not show the log
        minfds=1024                  ; file descriptors that must be available at start
        minprocs=200                 ; processes that must be available at start
        ;umask=022                   ; of the daemon and, by default, of its programs
        ;user=nobody                 ; who the daemon becomes when root starts it; default: it stays root
        ;identifier=supervisor       ; what this daemon calls itself to clients and event listeners
        ;directory=/tmp              ; where the daemon changes to; default: it stays where it was started
        ;nocleanup=true              ; true: leave old logs with generated names alone at start; default: false
        ;childlogdir=/tmp            ; where logs with generated names go; default: the directory for temporary files
        ;environment=KEY="value"     ; variables that are added to every program's environment
        ;strip_ansi=false            ; true: take escape sequences out of the programs' logs
        ; journal=AUTO               ; what happened and why, for `steward why`: a file; AUTO: beside the log; NONE
        ; journal_maxbytes=256MB     ; the oldest entries go at this size
        ; journal_maxdays=30         ; and at this age
        ; orphan_policy=adopt        ; programs that a killed daemon left behind: adopt, or stop and start anew

        ; What supervisorctl speaks. Without this section it finds nobody to talk to.
        [rpcinterface:supervisor]
        supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

        [supervisorctl]
        serverurl=unix:///tmp/supervisor.sock ; the socket above; for TCP http://127.0.0.1:9001
        ;username=user                ; the login of the socket, if it asks for one
        ;password=123                 ; likewise
        ;prompt=mysupervisor          ; what stands before the cursor in the shell; default: supervisor
        ;history_file=~/.sc_history   ; remembers what was typed there; default: nothing is kept

        ; A program to be kept running. The name behind the colon is what supervisorctl calls it. Only command is needed.
        ;[program:theprogramname]
        ;command=/bin/cat              ; what to run, in the foreground; found in PATH unless it has a slash
        ;process_name=%(program_name)s ; with more than one process it needs %(process_num)02d or the like
        ;numprocs=1                    ; how many of them
        ;directory=/tmp                ; where it runs; default: where the daemon does
        ;umask=022                     ; default: the daemon's
        ;priority=999                  ; lower ones start first and stop last
        ;autostart=true                ; start it with the daemon
        ;startsecs=1                   ; how many seconds it must stay up to count as running
        ;startretries=3                ; how often to try again when it does not
        ;autorestart=unexpected        ; when it exits: true always, false never, unexpected by its exit code
        ;exitcodes=0                   ; the exit codes that are expected, with commas between them
        ;stopsignal=QUIT               ; what asks it to end; default: TERM
        ;stopwaitsecs=10               ; how long it may take until it is killed
        ;stopasgroup=false             ; send the stop signal to its whole process group
        ;killasgroup=false             ; kill its whole process group; default: as stopasgroup
        ;user=deploy                   ; who runs it; only root can choose
        ;redirect_stderr=true          ; put stderr into the log of stdout; default: false
        ;stdout_logfile=/a/path        ; AUTO makes up a name, NONE keeps nothing; default: AUTO
        ;stdout_logfile_maxbytes=1MB   ; when to rotate it, 0: never; default: 50MB
        ;stdout_logfile_backups=10     ; how many rotated files to keep
        ;stdout_capture_maxbytes=1MB   ; room for what stands between communication tags; default: 0, off
        ;stdout_events_enabled=false   ; an event for everything it writes
        ;stdout_syslog=false           ; its lines to syslog as well
        ;stderr_logfile=/a/path        ; and all of it again for stderr
        ;stderr_logfile_maxbytes=1MB
        ;stderr_logfile_backups=10
        ;stderr_capture_maxbytes=1MB
        ;stderr_events_enabled=false
        ;stderr_syslog=false
        ;environment=A="1",B="2"       ; variables added to its environment
        ;serverurl=AUTO                ; what it finds in SUPERVISOR_SERVER_URL

        ; A program that is told what happens to the others, over its stdin and stdout. It takes the keys of a program, but its stdout
        ; is taken for the protocol: redirect_stderr has to stay false.
        ;[eventlistener:theeventlistenername]
        ;command=/bin/eventlistener    ; the program
        ;process_name=%(program_name)s
        ;numprocs=1                    ; several share the events between them
        ;events=EVENT                  ; which events, with commas between them; needed
        ;buffer_size=10                ; how many events wait while none of them is ready
        ;directory=/tmp
        ;umask=022
        ;priority=-1                   ; listeners start before the programs they listen to
        ;autostart=true
        ;startsecs=1
        ;startretries=3
        ;autorestart=unexpected
        ;exitcodes=0
        ;stopsignal=QUIT
        ;stopwaitsecs=10
        ;stopasgroup=false
        ;killasgroup=false
        ;user=deploy
        ;redirect_stderr=false
        ;stdout_logfile=/a/path
        ;stdout_logfile_maxbytes=1MB
        ;stdout_logfile_backups=10
        ;stdout_events_enabled=false
        ;stdout_syslog=false
        ;stderr_logfile=/a/path
        ;stderr_logfile_maxbytes=1MB
        ;stderr_logfile_backups=10
        ;stderr_events_enabled=false
        ;stderr_syslog=false
        ;environment=A="1",B="2"
        ;serverurl=AUTO

        ; Programs under one name, to be started and stopped together: thegroupname:*. They have no group of their own then.
        ;[group:thegroupname]
        ;programs=progname1,progname2  ; each is the x of a [program:x]
        ;priority=999                  ; where the group stands among the others

        ; More files, read as if they stood here. Relative to this one; * and ? match; a pattern that matches nothing is a warning.
        ;[include]
        ;files = relative/directory/*.ini

        """;
}
