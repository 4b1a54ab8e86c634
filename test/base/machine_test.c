#include "base/machine.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char root[64];

static void begin(void)
{
    snprintf(root, sizeof root, "/tmp/trilog-machine-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static void end(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    cr_assert_eq(system(command), 0);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s%s", root, name);
    return path;
}

static void folder(const char *name)
{
    cr_assert_eq(mkdir(path_of(name), 0750), 0);
}

static void file(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");
    cr_assert_not_null(f);
    cr_assert_geq(fputs(text, f), 0);
    cr_assert_eq(fclose(f), 0);
}

static uint64_t limit_of(const char *groups)
{
    char path[256];
    file("/groups", groups);
    snprintf(path, sizeof path, "%s", path_of("/groups"));
    return machine_memory_limit(path, root, 1000);
}

Test(machine, has_the_least_limit_on_the_way_to_its_group_of_version_1)
{
    begin();
    folder("/memory");
    folder("/memory/a");
    folder("/memory/a/b");
    file("/memory/memory.limit_in_bytes", "9223372036854771712\n");
    file("/memory/a/memory.limit_in_bytes", "300\n");
    file("/memory/a/b/memory.limit_in_bytes", "400\n");
    cr_assert_eq(limit_of("5:cpu:/a/b\n4:memory:/a/b\n0::/\n"), 300);
    cr_assert_eq(limit_of("4:memory:/\n"), 1000, "the root's is beyond the machine's");
    cr_assert_eq(limit_of("4:memory:/gone/from/here\n"), 1000);
    end();
}

Test(machine, has_the_limit_of_its_group_of_version_2)
{
    begin();
    folder("/a");
    folder("/a/b");
    file("/a/memory.max", "max\n");
    file("/a/b/memory.max", "500\n");
    cr_assert_eq(limit_of("0::/a/b\n"), 500);
    cr_assert_eq(limit_of("0::/a\n"), 1000, "no limit there");
    end();
}

Test(machine, has_all_its_memory_where_nothing_tells_of_a_limit)
{
    begin();
    cr_assert_eq(limit_of(""), 1000);
    cr_assert_eq(limit_of("nonsense\n:\n::\n1:memory\n"), 1000);
    cr_assert_eq(machine_memory_limit(path_of("/none"), root, 1000), 1000);
    cr_assert_gt(machine_memory_bytes(), 1 << 20);
    end();
}
