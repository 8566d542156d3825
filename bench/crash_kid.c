/* The supervised program of crash.py, which compiles it at every run.
 *
 *   crash_kid FOLDER INTERVAL EXITS SLOT
 *
 * Writes a numbered line every INTERVAL microseconds ("NAME PID START NUMBER.", START in ns of CLOCK_MONOTONIC) and keeps its own
 * account of it in FOLDER/NAME.PID.START, which no crash of the daemon can touch. With EXITS 1 it ends after 1 to 3 s with a random
 * exit status, or at the moment that FOLDER/../moment names when SLOT is among those that are asked to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define KID "crash_kid"
#include "crash_kid.h"

struct account { uint64_t tried, written, ended; int64_t code; };  /* ended: ns, 0 = not by itself; code: planned status + 1 */

int main(int argc, char **argv)
{
    const char *name = getenv("SUPERVISOR_PROCESS_NAME");
    if (argc != 5 || !name) {
        fprintf(stderr, "crash_kid: usage: crash_kid FOLDER INTERVAL EXITS SLOT, under a supervisor\n");
        return 111;
    }
    uint64_t start = now(), interval = strtoull(argv[2], NULL, 10) * 1000, slot = strtoull(argv[4], NULL, 10);
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.%d.%llu", argv[1], name, (int)getpid(), (unsigned long long)start);
    struct account *account = map(path, O_RDWR | O_CREAT | O_EXCL, sizeof *account, PROT_READ | PROT_WRITE);
    snprintf(path, sizeof path, "%s/../moment", argv[1]);
    volatile struct moment *moment = map(path, O_RDONLY, sizeof *moment, PROT_READ);
    srandom((unsigned)(start ^ (start >> 32) ^ (uint64_t)getpid()));
    uint64_t end = argv[3][0] == '1' ? start + 1000000000u + (uint64_t)random() % 2000000000u : UINT64_MAX;

    for (uint64_t number = 1, next = start;; number++) {
        char line[256];
        int size = snprintf(line, sizeof line, "%s %d %llu %llu.\n", name, (int)getpid(), (unsigned long long)start, (unsigned long long)number);
        __atomic_store_n(&account->tried, number, __ATOMIC_SEQ_CST);
        ssize_t n;  /* a pipe takes so short a line whole or not at all */
        while ((n = write(1, line, (size_t)size)) < 0 && errno == EINTR) { }
        if (n != size) fail("write");
        __atomic_store_n(&account->written, number, __ATOMIC_SEQ_CST);

        if (now() >= end) {
            sigset_t all;  /* from here on the plan holds: no SIGTERM comes between it and the exit */
            sigfillset(&all);
            sigprocmask(SIG_BLOCK, &all, NULL);
            int code = (int)(random() % 100);
            __atomic_store_n(&account->code, code + 1, __ATOMIC_SEQ_CST);
            __atomic_store_n(&account->ended, now(), __ATOMIC_SEQ_CST);
            _exit(code);
        }
        next += interval;
        if (next < now()) next = now();
        uint64_t until = next, asked = moment->at;
        if (end != UINT64_MAX && asked > now() && slot % 4 == moment->turn % 4 && asked < end) end = asked;
        if (end < until) until = end;
        struct timespec t = { (time_t)(until / 1000000000u), (long)(until % 1000000000u) };
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) { }
    }
}
