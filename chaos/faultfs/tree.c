/* Folders of the backing folder, as a whole: removed, or searched for files. */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules.h"
#include "volume.h"

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static DIR *open_folder(int folder, const char *name)
{
    int descriptor = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *opened = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (opened == NULL && descriptor >= 0)
        close(descriptor);
    return opened;
}

static int remove_contents(int folder, const char *name)
{
    DIR *opened = open_folder(folder, name);
    if (opened == NULL)
        return errno;
    int err = 0;
    struct dirent *entry;
    while (err == 0 && (entry = readdir(opened)) != NULL)
        if (!is_dots(entry->d_name))
            err = tree_remove(dirfd(opened), entry->d_name);
    closedir(opened);
    return err;
}

int tree_remove(int folder, const char *name)
{
    if (unlinkat(folder, name, 0) == 0)
        return 0;
    if (errno != EISDIR)
        return errno;
    int err = remove_contents(folder, name);
    if (err != 0)
        return err;
    return unlinkat(folder, name, AT_REMOVEDIR) == 0 ? 0 : errno;
}

static int add_path(struct tree_paths *found, const char *path)
{
    if (found->count == found->capacity) {
        size_t capacity = found->capacity == 0 ? 64 : found->capacity * 2;
        char **paths = realloc(found->paths, capacity * sizeof *paths);
        if (paths == NULL)
            return ENOMEM;
        found->paths = paths;
        found->capacity = capacity;
    }
    found->paths[found->count] = strdup(path);
    return found->paths[found->count] == NULL ? ENOMEM : (found->count++, 0);
}

static int find_below(int folder, const char *name, const char *path, const char *glob,
                      struct tree_paths *found);

static int find_at(int folder, const char *name, const char *path, const char *glob,
                   struct tree_paths *found)
{
    struct stat status;
    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : errno;
    if (S_ISDIR(status.st_mode))
        return find_below(folder, name, path, glob, found);
    bool is_wanted = S_ISREG(status.st_mode) && status.st_size > 0 &&
                     rules_path_matches(glob, path);
    return is_wanted ? add_path(found, path) : 0;
}

static int find_below(int folder, const char *name, const char *path, const char *glob,
                      struct tree_paths *found)
{
    DIR *opened = open_folder(folder, name);
    if (opened == NULL)
        return errno;
    int err = 0;
    struct dirent *entry;
    while (err == 0 && (entry = readdir(opened)) != NULL) {
        char below[PATH_MAX];
        int length = snprintf(below, sizeof below, "%s%s%s", path, path[0] ? "/" : "",
                              entry->d_name);
        if (length < 0 || (size_t)length >= sizeof below)
            err = ENAMETOOLONG;
        else if (!is_dots(entry->d_name) && strcmp(below, VOLUME_REMOVED_NAME) != 0)
            err = find_at(dirfd(opened), entry->d_name, below, glob, found);
    }
    closedir(opened);
    return err;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int tree_find(int folder, const char *glob, struct tree_paths *found)
{
    *found = (struct tree_paths){0};
    int err = find_below(folder, ".", "", glob, found);
    if (found->count > 0)
        qsort(found->paths, found->count, sizeof *found->paths, compare_paths);
    return err;
}

void tree_paths_free(struct tree_paths *found)
{
    for (size_t i = 0; i < found->count; i++)
        free(found->paths[i]);
    free(found->paths);
    *found = (struct tree_paths){0};
}
