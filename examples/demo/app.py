"""The demo's web application: plain WSGI, so that gunicorn and waitress can serve it.

Run as `python3 app.py PORT` it serves itself with Python's reference server, for machines with neither.
"""
import os
import sys
import time
from wsgiref.simple_server import make_server

STARTED = time.time()


def application(environ, start_response):
    body = 'pid {} up {:.0f} s, supervised as {}\n'.format(
        os.getpid(), time.time() - STARTED, os.environ.get('SUPERVISOR_PROCESS_NAME', '(nobody)')).encode()
    start_response('200 OK', [('Content-Type', 'text/plain; charset=utf-8'), ('Content-Length', str(len(body)))])
    return [body]


if __name__ == '__main__':
    make_server('127.0.0.1', int(sys.argv[1]), application).serve_forever()
