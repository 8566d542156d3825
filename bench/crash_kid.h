/* What the supervised programs of crash.py and chaos.py share: how they fail, the clock, and accounts that no crash of the daemon can touch. */
#ifndef STEWARD_KID_H
#define STEWARD_KID_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct moment { uint64_t at, turn; };  /* at: ns; slots with slot % 4 == turn % 4 end then */

static void fail(const char *what)
{
    fprintf(stderr, KID ": %s: %s\n", what, strerror(errno));
    _exit(111);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *map(const char *path, int flags, size_t size, int protection)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0) fail(path);
    if ((flags & O_CREAT) && ftruncate(fd, (off_t)size) < 0) fail(path);
    void *at = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) fail("mmap");
    close(fd);
    return at;
}

#endif
