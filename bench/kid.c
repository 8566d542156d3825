/* The supervised program of the benchmark. Compiled by bench.py at every run.
 *
 *   kid mark FILE LINES        stamp FILE, write LINES lines of 120 bytes, rest until killed
 *   kid write FILE SIZE TOTAL  stamp FILE, write TOTAL bytes in pieces of SIZE, stamp again, rest until killed
 *   kid exit FILE              stamp FILE, end at once
 *
 * FILE is a table that bench.py has made: a counter, then pairs (CLOCK_MONOTONIC in ns, pid). A stamp takes the next
 * pair; what comes after the last pair is only counted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct table { uint64_t count, unused; struct { uint64_t ns, pid; } at[]; };

static struct table *table;
static uint64_t room;

static void fail(const char *what)
{
    fprintf(stderr, "kid: %s: %s\n", what, strerror(errno));
    exit(111);
}

static void stamp(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t i = __atomic_fetch_add(&table->count, 1, __ATOMIC_SEQ_CST);
    if (i >= room) return;
    table->at[i].pid = (uint64_t)getpid();
    /* The time last: a reader that sees it may believe the rest. */
    __atomic_store_n(&table->at[i].ns, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, __ATOMIC_SEQ_CST);
}

static void write_all(const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(1, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail("write");
        data += n;
        size -= (size_t)n;
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "kid: usage: kid mark|write|exit FILE ...\n");
        return 111;
    }
    int fd = open(argv[2], O_RDWR | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0) fail(argv[2]);
    table = mmap(NULL, (size_t)info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (table == MAP_FAILED) fail("mmap");
    close(fd);
    room = ((uint64_t)info.st_size - sizeof *table) / sizeof table->at[0];
    stamp();

    static char line[1 << 20];
    if (strcmp(argv[1], "exit") == 0) return 0;
    if (strcmp(argv[1], "mark") == 0) {
        memset(line, 'x', 119);
        line[119] = '\n';
        for (long n = argc > 3 ? atol(argv[3]) : 0; n > 0; n--) write_all(line, 120);
    } else if (strcmp(argv[1], "write") == 0 && argc > 4) {
        size_t size = (size_t)atol(argv[3]);
        long long total = atoll(argv[4]);
        if (size == 0 || size > sizeof line) {
            fprintf(stderr, "kid: a piece has 1 to %zu bytes\n", sizeof line);
            return 111;
        }
        memset(line, 'x', size);
        for (size_t i = 119; i < size; i += 120) line[i] = '\n';
        for (; total > 0; total -= (long long)size)
            write_all(line, total < (long long)size ? (size_t)total : size);
        stamp();
    }
    for (;;) pause();
}
