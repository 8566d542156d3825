/* The supervised programs of chaos.py, which compiles this at every run.
 *
 *   kid FOLDER write INTERVAL        a numbered line every INTERVAL microseconds: "NAME PID START NUMBER."
 *   kid FOLDER exit INTERVAL SLOT    the same, and ends after 1 to 5 s with a random exit status
 *   kid FOLDER crash INTERVAL SLOT   the same, and ends with SIGSEGV
 *   kid FOLDER listen                an event listener; each event becomes a line of FOLDER/NAME.events
 *
 * Each run keeps an account of its own in FOLDER/NAME.PID.START (START: ns of CLOCK_MONOTONIC), which no crash of the daemon can touch:
 * what it tried to write, what write() took, how many SIGUSR1 came and how it is about to end. Those with a SLOT end at the moment that
 * FOLDER/../moment names when their slot is among those that are asked to. SIGTERM ends every one of them, after it is written down.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define KID "kid"
#include "../../bench/crash_kid.h"

struct account { uint64_t tried, written, ended; int64_t plan; uint64_t signals; };  /* ended: ns; plan: status + 1, or 1000 + signal */

static struct account *account;
static sigset_t waited;

static void end(int64_t plan)
{
    __atomic_store_n(&account->plan, plan, __ATOMIC_SEQ_CST);
    __atomic_store_n(&account->ended, now(), __ATOMIC_SEQ_CST);
    if (plan < 1000) _exit((int)plan - 1);
    int number = (int)plan - 1000;
    sigset_t it;
    sigemptyset(&it);
    sigaddset(&it, number);
    signal(number, SIG_DFL);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &it, NULL);
    _exit(112);  /* not reached */
}

static void take(int number)
{
    if (number == SIGUSR1) __atomic_add_fetch(&account->signals, 1, __ATOMIC_SEQ_CST);
    else if (number == SIGTERM) end(1000 + SIGTERM);
}

/* Every signal that has come, without a wait. */
static void look(void)
{
    struct timespec none = { 0, 0 };
    int number;
    while ((number = sigtimedwait(&waited, NULL, &none)) > 0) take(number);
}

/* ------------------------------------------------------------------------------------------------------------------ listener */

/* Bytes of stdin; a SIGTERM ends the wait. */
static void get(char *into, size_t size)
{
    sigset_t open_mask;
    sigemptyset(&open_mask);
    while (size > 0) {
        struct pollfd p = { .fd = 0, .events = POLLIN };
        struct timespec tenth = { 0, 100000000 };
        look();
        int ready = ppoll(&p, 1, &tenth, NULL);
        if (ready < 0 && errno != EINTR) fail("ppoll");
        if (ready <= 0) continue;
        ssize_t n = read(0, into, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail("read");
        if (n == 0) for (;;) take(sigwaitinfo(&waited, NULL));  /* its pipe is gone: the daemon ends it, or it is found as a stranger */
        into += n;
        size -= (size_t)n;
    }
}

static void say(const char *text)
{
    size_t size = strlen(text);
    ssize_t n;
    while ((n = write(1, text, size)) < 0 && errno == EINTR) { }
    if (n != (ssize_t)size) fail("write");
}

static void listen_for_events(const char *folder, const char *name, uint64_t start)
{
    char path[4096], head[1024];
    static char body[1 << 16], line[(1 << 16) + 2048];
    snprintf(path, sizeof path, "%s/%s.events", folder, name);
    int events = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (events < 0) fail(path);
    for (;;) {
        say("READY\n");
        size_t at = 0;
        do {
            if (at == sizeof head - 1) { errno = EMSGSIZE; fail("head"); }
            get(head + at, 1);
        } while (head[at++] != '\n');
        head[at - 1] = 0;
        const char *length = strstr(head, " len:");
        size_t size = length ? strtoul(length + 5, NULL, 10) : sizeof body;
        if (size >= sizeof body) { errno = EMSGSIZE; fail(head); }
        get(body, size);
        for (size_t i = 0; i < size; i++) if (body[i] == '\n') body[i] = '|';
        body[size] = 0;
        int n = snprintf(line, sizeof line, "%llu %llu %s %s\n", (unsigned long long)now(), (unsigned long long)start, head, body);
        if (write(events, line, (size_t)n) != n) fail("events");
        account->tried++;
        say("RESULT 2\nOK");
        account->written++;
    }
}

/* ---------------------------------------------------------------------------------------------------------------------- main */

int main(int argc, char **argv)
{
    sigemptyset(&waited);
    sigaddset(&waited, SIGTERM);
    sigaddset(&waited, SIGUSR1);
    sigprocmask(SIG_BLOCK, &waited, NULL);
    struct rlimit none = { 0, 0 };
    setrlimit(RLIMIT_CORE, &none);
    const char *name = getenv("SUPERVISOR_PROCESS_NAME");
    if (argc < 3 || !name) {
        fprintf(stderr, "kid: usage: kid FOLDER write|exit|crash|listen [INTERVAL [SLOT]], under a supervisor\n");
        return 111;
    }
    uint64_t start = now();
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.%d.%llu", argv[1], name, (int)getpid(), (unsigned long long)start);
    account = map(path, O_RDWR | O_CREAT | O_EXCL, sizeof *account, PROT_READ | PROT_WRITE);
    if (strcmp(argv[2], "listen") == 0) listen_for_events(argv[1], name, start);

    uint64_t interval = argc > 3 ? strtoull(argv[3], NULL, 10) * 1000 : 1000000000, slot = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    snprintf(path, sizeof path, "%s/../moment", argv[1]);
    volatile struct moment *moment = map(path, O_RDONLY, sizeof *moment, PROT_READ);
    srandom((unsigned)(start ^ (start >> 32) ^ (uint64_t)getpid()));
    int crashes = strcmp(argv[2], "crash") == 0, ends = crashes || strcmp(argv[2], "exit") == 0;
    uint64_t last = ends ? start + 1000000000u + (uint64_t)random() % 4000000000u : UINT64_MAX;

    for (uint64_t number = 1, next = start;; number++) {
        char line[256];
        int size = snprintf(line, sizeof line, "%s %d %llu %llu.\n", name, (int)getpid(), (unsigned long long)start, (unsigned long long)number);
        __atomic_store_n(&account->tried, number, __ATOMIC_SEQ_CST);
        ssize_t n;  /* a pipe takes so short a line whole or not at all */
        while ((n = write(1, line, (size_t)size)) < 0 && errno == EINTR) { }
        if (n != size) fail("write");
        __atomic_store_n(&account->written, number, __ATOMIC_SEQ_CST);

        if (now() >= last) {
            look();  /* from here on the plan holds: a SIGTERM that comes later is blocked and changes nothing */
            end(crashes ? 1000 + SIGSEGV : 1 + random() % 100);
        }
        next += interval;
        if (next < now()) next = now();
        for (;;) {
            uint64_t until = next, asked = moment->at, at = now();
            if (ends && asked > at && slot % 4 == moment->turn % 4 && asked < last) last = asked;
            if (last < until) until = last;
            if (until <= at) break;
            struct timespec t = { (time_t)((until - at) / 1000000000u), (long)((until - at) % 1000000000u) };
            int signal = sigtimedwait(&waited, NULL, &t);
            if (signal > 0) take(signal);
        }
        look();
    }
}
