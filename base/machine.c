/* How much memory there is for us.
 *
 * A control group limits what its processes hold and the page cache of the files they touch. The
 * kernel names the group by its path from the root of the hierarchy, each level may have a limit,
 * the least holds. Within a container the path may lead outside of what is mounted: then the
 * mount's own root is the container's group. */
#include "base/machine.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE 4096

/* UINT64_MAX where there is no limit, or none that can be read ("max"). */
static uint64_t read_limit(const char *path)
{
    unsigned long long limit;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return UINT64_MAX;
    int count = fscanf(file, "%llu", &limit);
    fclose(file);
    return count == 1 && limit > 0 ? limit : UINT64_MAX;
}

/* The least limit from the group up to the mount's root. `path` is used up. */
static uint64_t least_on_way(const char *mount, const char *hierarchy, char *path, const char *name)
{
    uint64_t least = UINT64_MAX;
    bool is_root = false;
    while (!is_root) {
        char file[3 * PATH_SIZE];
        is_root = path[0] == '\0';
        snprintf(file, sizeof file, "%s%s%s/%s", mount, hierarchy, path, name);
        uint64_t limit = read_limit(file);
        least = limit < least ? limit : least;
        char *slash = strrchr(path, '/');
        if (slash != NULL)
            *slash = '\0';
        else
            path[0] = '\0';
    }
    return least;
}

/* A line of /proc/self/cgroup: "number:controllers:path"; version 2 has no controllers. */
static uint64_t limit_of_line(char *line, const char *mount)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (path == NULL)
        return UINT64_MAX;
    *path++ = '\0';
    if (strcmp(controllers + 1, "memory") == 0)
        return least_on_way(mount, "/memory", path, "memory.limit_in_bytes");
    return controllers[1] == '\0' ? least_on_way(mount, "", path, "memory.max") : UINT64_MAX;
}

uint64_t machine_memory_limit(const char *groups, const char *mount, uint64_t machine_bytes)
{
    uint64_t least = machine_bytes;
    char line[PATH_SIZE];
    FILE *file = fopen(groups, "re");
    if (file == NULL)
        return least;
    while (fgets(line, sizeof line, file) != NULL) {
        uint64_t limit = limit_of_line(line, mount);
        least = limit < least ? limit : least;
    }
    fclose(file);
    return least;
}

uint64_t machine_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t all = pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes
                                               : UINT64_MAX;
    return machine_memory_limit("/proc/self/cgroup", "/sys/fs/cgroup", all);
}

uint64_t machine_resident_bytes(void)
{
    char text[128];
    unsigned long long pages_total, pages_resident = 0;
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    text[size > 0 ? size : 0] = '\0';
    if (sscanf(text, "%llu %llu", &pages_total, &pages_resident) != 2)
        return 0;
    return pages_resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
