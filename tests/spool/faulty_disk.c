/* A disk that fails: the n-th call of one function answers with an error, and so do the ones after it, as many as asked for.
   FAULT_CALL is fsync, pwrite or write; FAULT_AT counts from 1; FAULT_TIMES says how many fail; FAULT_ERRNO is the error.
   Only files whose name contains FAULT_FOLDER count.  fsync stands for fdatasync as well. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int calls;

static int fails(const char *call, int descriptor)
{
    char link[64], path[4096];
    const char *wanted = getenv("FAULT_CALL"), *folder = getenv("FAULT_FOLDER");
    ssize_t length;
    int at, times;

    if (wanted == NULL || folder == NULL || strcmp(wanted, call) != 0)
        return 0;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof(path) - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    if (strstr(path, folder) == NULL || strstr(path, "-shm") != NULL)
        return 0;
    at = atoi(getenv("FAULT_AT"));
    times = atoi(getenv("FAULT_TIMES"));
    calls = __sync_add_and_fetch(&calls, 1);
    if (calls < at || calls >= at + times)
        return 0;
    errno = atoi(getenv("FAULT_ERRNO"));
    return 1;
}

int fsync(int descriptor)
{
    static int (*real)(int);
    if (real == NULL)
        real = dlsym(RTLD_NEXT, "fsync");
    return fails("fsync", descriptor) ? -1 : real(descriptor);
}

int fdatasync(int descriptor)
{
    static int (*real)(int);
    if (real == NULL)
        real = dlsym(RTLD_NEXT, "fdatasync");
    return fails("fsync", descriptor) ? -1 : real(descriptor);
}

ssize_t pwrite64(int descriptor, const void *octets, size_t size, off64_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (real == NULL)
        real = dlsym(RTLD_NEXT, "pwrite64");
    return fails("pwrite", descriptor) ? -1 : real(descriptor, octets, size, offset);
}

ssize_t pwrite(int descriptor, const void *octets, size_t size, off_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (real == NULL)
        real = dlsym(RTLD_NEXT, "pwrite");
    return fails("pwrite", descriptor) ? -1 : real(descriptor, octets, size, offset);
}

ssize_t write(int descriptor, const void *octets, size_t size)
{
    static ssize_t (*real)(int, const void *, size_t);
    if (real == NULL)
        real = dlsym(RTLD_NEXT, "write");
    return fails("write", descriptor) ? -1 : real(descriptor, octets, size);
}
