/* A library to load before libc (LD_PRELOAD): the CHAOS_CALLth change of files below CHAOS_FOLDER meets CHAOS_FAULT.
 *
 *   kill      the process dies inside that call, a write after its first half
 *   full      that call and all further ones but deletions fail as on a full disk, a write after its first half
 *   readonly  that call and all further ones fail as on a disk that the system has made read-only
 *   clock     the clock of the wall jumps by CHAOS_SECONDS
 *
 * tests/faults.py builds it and sets the environment, which is read at every call: a child is armed after its fork.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))
enum { CHANGE, DELETION, WRITE };

static atomic_long calls;

static int is_below(int folder, const char *path) {
    const char *root = getenv("CHAOS_FOLDER");
    char link[64], place[PATH_MAX];
    if (!root) return 0;
    if (path && path[0] == '/') return strncmp(path, root, strlen(root)) == 0;
    if (folder == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, place, sizeof place - 1);
    if (length < 0) return 0;
    place[length] = 0;
    return strncmp(place, root, strlen(root)) == 0;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Count a change; die, or return the error that it must fail with. */
static int strike(int kind, int folder, const char *path) {
    if (!is_below(folder, path)) return 0;
    long call = atomic_fetch_add(&calls, 1) + 1, struck = atol(getenv("CHAOS_CALL"));
    const char *fault = getenv("CHAOS_FAULT");
    if (call == struck && !strcmp(fault, "kill")) {
        if (kind != WRITE) die();
        return EINTR;
    }
    if (call >= struck && !strcmp(fault, "full") && kind != DELETION) return ENOSPC;
    if (call >= struck && !strcmp(fault, "readonly")) return EROFS;
    return 0;
}

#define STRUCK(kind, folder, path)                    \
    do {                                              \
        int error = strike(kind, folder, path);       \
        if (error) { errno = error; return -1; }      \
    } while (0)

ssize_t write(int file, const void *bytes, size_t count) {
    int error = strike(WRITE, file, NULL);
    if (!error) return NEXT(write)(file, bytes, count);
    if (error != EROFS && count > 1) NEXT(write)(file, bytes, count / 2);
    if (error == EINTR) die();
    errno = error;
    return -1;
}

#define OPENS(name)                                                                     \
    int name(const char *path, int flags, ...) {                                        \
        va_list more;                                                                   \
        va_start(more, flags);                                                          \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;       \
        va_end(more);                                                                   \
        if (flags & (O_CREAT | O_WRONLY | O_RDWR)) STRUCK(CHANGE, AT_FDCWD, path);      \
        return NEXT(name)(path, flags, mode);                                           \
    }
OPENS(open)
OPENS(open64)

#define CHANGES(kind, name, parameters, arguments, folder, path) \
    int name parameters {                                        \
        STRUCK(kind, folder, path);                              \
        return NEXT(name) arguments;                             \
    }
CHANGES(CHANGE, fsync, (int file), (file), file, NULL)
CHANGES(CHANGE, rename, (const char *old, const char *new), (old, new), AT_FDCWD, new)
CHANGES(CHANGE, mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
CHANGES(CHANGE, ftruncate, (int file, off_t size), (file, size), file, NULL)
CHANGES(CHANGE, ftruncate64, (int file, off64_t size), (file, size), file, NULL)
CHANGES(DELETION, unlink, (const char *path), (path), AT_FDCWD, path)
CHANGES(DELETION, unlinkat, (int folder, const char *path, int flags), (folder, path, flags), folder, path)
CHANGES(DELETION, rmdir, (const char *path), (path), AT_FDCWD, path)

static long jumped(void) {
    const char *seconds = getenv("CHAOS_SECONDS");
    return seconds && atomic_load(&calls) >= atol(getenv("CHAOS_CALL")) ? atol(seconds) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int code = NEXT(clock_gettime)(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += jumped();
    return code;
}

time_t time(time_t *now) {
    time_t found = NEXT(time)(NULL) + jumped();
    if (now) *now = found;
    return found;
}
