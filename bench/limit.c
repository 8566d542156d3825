/* What the machine allows: the same work with nothing around it. Compiled by bench.py at every run.
 *
 *   limit hold N DIR RESTART PROGRAM ARGS...   keep N copies of PROGRAM running, their output in DIR/<number>.log;
 *                                              RESTART=1 starts a new one for each that ends; SIGTERM stops all
 *   limit serve SOCKET BYTES                   answer every request on a unix socket with a fixed answer of BYTES bytes
 *   limit ask SOCKET FILE SECONDS              send the request in FILE again and again for SECONDS; prints
 *                                              "<requests> <nanoseconds> <connections>" (fails on a status that is not 200)
 *   limit show SOCKET FILE                     send the request in FILE once and print the answer's body
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what)
{
    fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
    exit(111);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ------------------------------------------------------------------------------------------------------------ hold */

struct slot { pid_t pid; int out, log; };
static struct slot *slots;
static char **program;
static int poller;

static void start(int i)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) fail("pipe2");
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t pid = vfork();
    if (pid < 0) fail("vfork");
    if (pid == 0) {
        setpgid(0, 0);
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execv(program[0], program);
        _exit(127);
    }
    close(ends[1]);
    slots[i].pid = pid;
    slots[i].out = ends[0];
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = (uint32_t)i };
    if (epoll_ctl(poller, EPOLL_CTL_ADD, ends[0], &event) < 0) fail("epoll_ctl");
}

static void copy(int i)
{
    static char buffer[131072];
    ssize_t n = read(slots[i].out, buffer, sizeof buffer);
    if (n > 0) {
        if (write(slots[i].log, buffer, (size_t)n) != n) fail("write to log");
        /* Little came: give the writer the time to fill half a pipe, or every line costs a system call of ours. */
        if (n < 32768) nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
    } else if (n == 0 || errno != EAGAIN) {
        close(slots[i].out);
        slots[i].out = -1;
    }
}

static int hold(int count, const char *dir, int restart)
{
    const uint32_t signals = 0xffffffff;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int sfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    poller = epoll_create1(EPOLL_CLOEXEC);
    slots = calloc((size_t)count, sizeof *slots);
    if (sfd < 0 || poller < 0 || !slots) fail("set-up");
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = signals };
    epoll_ctl(poller, EPOLL_CTL_ADD, sfd, &event);
    int alive = 0, stopping = 0, reap = 0;
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%d.log", dir, i);
        slots[i].log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (slots[i].log < 0) fail(path);
        start(i);
        alive++;
    }
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(poller, events, 64, reap ? 0 : -1);
        for (int e = 0; e < n; e++) {
            if (events[e].data.u32 != signals) {
                if (slots[events[e].data.u32].out >= 0) copy((int)events[e].data.u32);
                continue;
            }
            reap = 1;
            struct signalfd_siginfo info;
            while (read(sfd, &info, sizeof info) == sizeof info) {
                if (info.ssi_signo != SIGTERM || stopping) continue;
                stopping = 1;
                for (int i = 0; i < count; i++)
                    if (slots[i].pid > 0) kill(slots[i].pid, SIGTERM);
            }
        }
        /* At most 64 in one go: in a storm there is always one more, and signals and output must be read as well. */
        for (int left = 64; reap && left > 0; left--) {
            int status, i = 0;
            pid_t pid = waitpid(-1, &status, WNOHANG);
            if (pid <= 0) {
                reap = 0;
                break;
            }
            while (i < count && slots[i].pid != pid) i++;
            if (i == count) continue;
            slots[i].pid = 0;
            if (slots[i].out >= 0) copy(i);
            if (slots[i].out >= 0) close(slots[i].out);
            slots[i].out = -1;
            alive--;
            if (restart && !stopping) {
                start(i);
                alive++;
            }
        }
        if (stopping && alive == 0) return 0;
    }
}

/* ----------------------------------------------------------------------------------------------------------- serve */

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof a.sun_path) {
        errno = ENAMETOOLONG;
        fail(path);
    }
    strcpy(a.sun_path, path);
    return a;
}

static _Noreturn void serve(const char *path, size_t bytes)
{
    struct sockaddr_un a = address(path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(listener, 64) < 0) fail(path);
    char *answer = malloc(bytes + 200);
    if (!answer) fail("malloc");
    int head = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %zu\r\n\r\n", bytes);
    memset(answer + head, 'x', bytes);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) continue;
        char request[65536];
        /* The asker sends one request in one write and waits: one read is one request. */
        while (read(fd, request, sizeof request) > 0) {
            size_t sent = 0, all = (size_t)head + bytes;
            while (sent < all) {
                ssize_t n = send(fd, answer + sent, all - sent, MSG_NOSIGNAL);
                if (n <= 0) break;
                sent += (size_t)n;
            }
            if (sent < all) break;
        }
        close(fd);
    }
}

/* ------------------------------------------------------------------------------------------------------------- ask */

static char *request;
static size_t request_size;
static char buffer[1 << 16];

static void load(const char *file)
{
    int fd = open(file, O_RDONLY);
    request = malloc(1 << 20);
    ssize_t n = fd < 0 || !request ? -1 : read(fd, request, 1 << 20);
    if (n <= 0) fail(file);
    request_size = (size_t)n;
    close(fd);
}

static int dial(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)a, sizeof *a) < 0) fail("connect");
    return fd;
}

/* One exchange. Returns 1 when the connection can be used again, 0 when it can not, -1 when it had been closed before
 * the first byte of an answer. */
static int exchange(int fd, int print)
{
    size_t sent = 0, got = 0;
    while (sent < request_size) {
        ssize_t n = send(fd, request + sent, request_size - sent, MSG_NOSIGNAL);
        if (n <= 0) return -1;
        sent += (size_t)n;
    }
    char *end = NULL;
    while (!end) {
        if (got == sizeof buffer - 1) { errno = EMSGSIZE; fail("answer's head"); }
        ssize_t n = read(fd, buffer + got, sizeof buffer - 1 - got);
        if (n <= 0 && got == 0) return -1;
        if (n <= 0) { errno = EPIPE; fail("answer's head"); }
        got += (size_t)n;
        buffer[got] = 0;
        end = strstr(buffer, "\r\n\r\n");
    }
    if (strncmp(buffer, "HTTP/1.", 7) != 0 || strncmp(buffer + 8, " 200", 4) != 0) {
        fprintf(stderr, "limit: answer is %.60s\n", buffer);
        exit(112);
    }
    *end = 0;
    char *length = strcasestr(buffer, "\r\nContent-Length:");
    int again = strcasestr(buffer, "\r\nConnection: close") == NULL
        && (buffer[7] == '1' || strcasestr(buffer, "\r\nConnection: keep-alive"));
    if (!length) { fprintf(stderr, "limit: answer has no Content-Length\n"); exit(112); }
    size_t left = strtoull(length + 17, NULL, 10), have = got - (size_t)(end + 4 - buffer);
    if (print) fwrite(end + 4, 1, have, stdout);
    for (left -= have < left ? have : left; left > 0;) {
        ssize_t n = read(fd, buffer, left < sizeof buffer ? left : sizeof buffer);
        if (n <= 0) { errno = EPIPE; fail("answer's body"); }
        if (print) fwrite(buffer, 1, (size_t)n, stdout);
        left -= (size_t)n;
    }
    return again;
}

static int ask(const char *path, const char *file, double seconds, int print)
{
    struct sockaddr_un a = address(path);
    load(file);
    uint64_t begin = now_ns(), limit = (uint64_t)(seconds * 1e9), done = 0, dialled = 0;
    int fd = -1, fresh = 0;
    do {
        if (fd < 0) { fd = dial(&a); dialled++; fresh = 1; }
        int result = exchange(fd, print);
        if (result < 0 && fresh) { errno = ECONNRESET; fail("exchange"); }
        if (result >= 0) done++;
        fresh = 0;
        if (result <= 0) { close(fd); fd = -1; }
    } while (now_ns() - begin < limit || done == 0);
    if (!print) printf("%llu %llu %llu\n", (unsigned long long)done, (unsigned long long)(now_ns() - begin), (unsigned long long)dialled);
    return 0;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc > 5 && strcmp(argv[1], "hold") == 0) {
        signal(SIGPIPE, SIG_DFL);
        program = argv + 5;
        return hold(atoi(argv[2]), argv[3], atoi(argv[4]));
    }
    if (argc == 4 && strcmp(argv[1], "serve") == 0) serve(argv[2], (size_t)atoll(argv[3]));
    if (argc == 5 && strcmp(argv[1], "ask") == 0) return ask(argv[2], argv[3], atof(argv[4]), 0);
    if (argc == 4 && strcmp(argv[1], "show") == 0) return ask(argv[2], argv[3], 0, 1);
    fprintf(stderr, "limit: usage: limit hold|serve|ask|show ... (see limit.c)\n");
    return 111;
}
