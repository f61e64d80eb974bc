/* A disk that fails, and that forgets what was never flushed; to be preloaded, and ordered about through ctypes.

   disk_begin: from now on the files below a folder are watched (but for SQLite's shared memory), and of the calls of a kind
   (fsync, or all: fsync, pwrite, write) those from the n-th on fail with an error, as many as asked for.  fsync stands for
   fdatasync as well.  Half of a write that fails is written.
   disk_calls: how many calls there were.
   disk_unplug: puts down in another folder what is left when the power fails now.  A page (4096 octets) survives with what
   it held when it was flushed with success; what is flushed without success counts as clean and is lost, unless it is written
   again.  A name survives once its folder has been flushed with success; that a file was removed always survives. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 1024
#define FILES 64

struct file {
    ino_t inode;
    char path[512];
    int named;
    off_t size;                 /* on stable storage, like the octets */
    unsigned char *octets;
    unsigned char dirty[PAGES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file files[FILES];
static int known, calls, first, times, error, all;
static char folder[512];

void disk_begin(const char *where, int kind_all, int at, int how_often, int with)
{
    snprintf(folder, sizeof(folder), "%s/", where);
    known = calls = 0;
    all = kind_all, first = at, times = how_often, error = with;
}

int disk_calls(void)
{
    return calls;
}

static int watched(int descriptor, char *path, size_t room)
{
    char link[64];
    ssize_t length;

    if (!folder[0])
        return 0;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, room - 2);
    if (length < 0)
        return 0;
    path[length] = 0;
    if (strstr(path, "-shm"))
        return 0;
    strcat(path, "/");
    if (strncmp(path, folder, strlen(folder)))
        return 0;
    path[length] = 0;
    return 1;
}

static int fails(int is_flush)
{
    if (!is_flush && !all)
        return 0;
    calls++;
    return calls >= first && calls < first + times;
}

static struct file *file_of(ino_t inode, const char *path)
{
    int i;

    for (i = 0; i < known; i++)
        if (files[i].inode == inode && !strcmp(files[i].path, path))
            return &files[i];
    if (known == FILES)
        abort();
    memset(&files[known], 0, sizeof(files[0]));
    files[known].inode = inode;
    files[known].octets = calloc(PAGES, PAGE);
    snprintf(files[known].path, sizeof(files[0].path), "%s", path);
    return &files[known++];
}

static void written(int descriptor, const char *path, off_t offset, ssize_t size)
{
    struct stat facts;
    struct file *file;
    off_t page;

    if (size <= 0)
        return;
    fstat(descriptor, &facts);
    file = file_of(facts.st_ino, path);
    if (offset + size > (off_t)PAGES * PAGE)
        abort();
    for (page = offset / PAGE; page <= (offset + size - 1) / PAGE; page++)
        file->dirty[page] = 1;
}

static void name_all(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    struct stat facts;
    char name[1024];

    if (!directory)
        abort();
    while ((entry = readdir(directory))) {
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (!strstr(name, "-shm") && !stat(name, &facts) && S_ISREG(facts.st_mode))
            file_of(facts.st_ino, name)->named = 1;
    }
    closedir(directory);
}

static void flushed(int descriptor, const char *path, int well)
{
    struct stat facts;
    struct file *file;
    off_t page;
    int readable;

    fstat(descriptor, &facts);
    if (S_ISDIR(facts.st_mode)) {
        if (well)
            name_all(path);
        return;
    }
    file = file_of(facts.st_ino, path);
    readable = descriptor;          /* a second one for a database would, when it is closed, take its locks away */
    if ((fcntl(descriptor, F_GETFL) & O_ACCMODE) != O_RDWR)
        readable = open(path, O_RDONLY);
    for (page = 0; page < PAGES; page++)
        if (file->dirty[page]) {
            file->dirty[page] = 0;
            if (well && pread(readable, file->octets + page * PAGE, PAGE, page * PAGE) < 0)
                abort();
        }
    if (well)
        file->size = facts.st_size;
    if (readable != descriptor)
        close(readable);
}

int disk_unplug(const char *where)
{
    struct stat facts;
    char path[1100];
    int i, to;

    for (i = 0; i < known; i++) {
        if (!files[i].named || stat(files[i].path, &facts) || facts.st_ino != files[i].inode)
            continue;
        snprintf(path, sizeof(path), "%s/%s", where, files[i].path + strlen(folder));
        to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (to < 0 || write(to, files[i].octets, files[i].size) != files[i].size)
            return -1;
        close(to);
    }
    return 0;
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) \
        real = dlsym(RTLD_NEXT, name)

static int flush(int descriptor, int (*real)(int))
{
    char path[512];
    int result;

    if (!watched(descriptor, path, sizeof(path)))
        return real(descriptor);
    pthread_mutex_lock(&lock);
    result = fails(1) ? -1 : 0;     /* the disk of the test is not waited for */
    flushed(descriptor, path, !result);
    pthread_mutex_unlock(&lock);
    if (result)
        errno = error;
    return result;
}

int fsync(int descriptor)
{
    REAL(int, "fsync", int);
    return flush(descriptor, real);
}

int fdatasync(int descriptor)
{
    REAL(int, "fdatasync", int);
    return flush(descriptor, real);
}

static ssize_t put(int descriptor, const void *octets, size_t size, off_t offset,
                   ssize_t (*real)(int, const void *, size_t, off_t))
{
    char path[512];
    ssize_t result;
    int failed;

    if (!watched(descriptor, path, sizeof(path)))
        return real(descriptor, octets, size, offset);
    pthread_mutex_lock(&lock);
    failed = fails(0);
    result = real(descriptor, octets, failed ? size / 2 : size, offset);
    written(descriptor, path, offset, result);
    pthread_mutex_unlock(&lock);
    if (!failed)
        return result;
    errno = error;
    return -1;
}

ssize_t pwrite64(int descriptor, const void *octets, size_t size, off64_t offset)
{
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    return put(descriptor, octets, size, offset, real);
}

ssize_t pwrite(int descriptor, const void *octets, size_t size, off_t offset)
{
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return put(descriptor, octets, size, offset, real);
}

ssize_t write(int descriptor, const void *octets, size_t size)
{
    char path[512];
    ssize_t result;
    off_t offset;
    int failed;
    REAL(ssize_t, "write", int, const void *, size_t);

    if (!watched(descriptor, path, sizeof(path)))
        return real(descriptor, octets, size);
    pthread_mutex_lock(&lock);
    failed = fails(0);
    offset = lseek(descriptor, 0, SEEK_CUR);
    result = real(descriptor, octets, failed ? size / 2 : size);
    written(descriptor, path, offset, result);
    pthread_mutex_unlock(&lock);
    if (!failed)
        return result;
    errno = error;
    return -1;
}
