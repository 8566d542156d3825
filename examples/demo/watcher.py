"""An event listener: READY, one event in, one line into a file, RESULT."""
import sys


def fields(text):
    return dict(pair.split(':', 1) for pair in text.split())


def main():
    with open(sys.argv[1], 'a', buffering=1) as out:
        while True:
            sys.stdout.write('READY\n')
            sys.stdout.flush()
            line = sys.stdin.readline()
            if not line:
                return
            header = fields(line)
            body = fields(sys.stdin.read(int(header['len'])))
            out.write('{:24} {:12} <- {}\n'.format(
                header['eventname'], body.get('processname', ''), body.get('from_state', '')))
            sys.stdout.write('RESULT 2\nOK')
            sys.stdout.flush()


if __name__ == '__main__':
    main()
