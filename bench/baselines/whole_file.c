/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/baselines/whole_file.h"

/* Where the file is to lie: what links lead to. False: errno. */
static bool resolve(const char *path, char resolved[PATH_MAX])
{
    if (strlen(path) + sizeof ".XXXXXX" > PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    struct stat link;
    if (realpath(path, resolved))
        return true;
    int why = errno;
    if (*path != '\0' && lstat(path, &link) != 0) {
        strcpy(resolved, path); /* there is none yet */
        return true;
    }
    errno = why; /* a link to nowhere */
    return false;
}

/* With the rights it is to have. */
static bool is_replaced(const char *path, mode_t *rights)
{
    struct stat there;
    mode_t mask = umask(0);
    umask(mask);
    *rights = 0666 & ~mask;
    if (stat(path, &there) != 0)
        return true;
    *rights = there.st_mode & 0777;
    return S_ISREG(there.st_mode);
}

int whole_file_check(const char *path)
{
    char resolved[PATH_MAX];
    struct stat there;
    if (!resolve(path, resolved))
        return errno;
    if (stat(resolved, &there) == 0 && S_ISDIR(there.st_mode))
        return EISDIR;
    mode_t rights;
    if (!is_replaced(resolved, &rights))
        return access(resolved, W_OK) == 0 ? 0 : errno;
    char *slash = strrchr(resolved, '/');
    if (slash)
        slash[slash == resolved] = '\0';
    return access(slash ? resolved : ".", W_OK | X_OK) == 0 ? 0 : errno;
}

static int write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0) {
            text += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

int whole_file_write(const char *path, const char *text, size_t size)
{
    char place[PATH_MAX];
    char beside[PATH_MAX + sizeof ".XXXXXX"] = "";
    if (!resolve(path, place))
        return errno;
    int fd;
    mode_t rights;
    if (is_replaced(place, &rights)) {
        snprintf(beside, sizeof beside, "%s.XXXXXX", place);
        fd = mkostemp(beside, O_CLOEXEC);
    } else {
        fd = open(place, O_WRONLY | O_CLOEXEC);
    }
    if (fd < 0)
        return errno;
    int rc = write_all(fd, text, size);
    if (beside[0] != '\0' && rc == 0 && fchmod(fd, rights) != 0)
        rc = errno;
    if (close(fd) != 0 && rc == 0)
        rc = errno;
    if (beside[0] != '\0' && rc == 0 && rename(beside, place) != 0)
        rc = errno;
    if (beside[0] != '\0' && rc != 0)
        unlink(beside);
    return rc;
}
