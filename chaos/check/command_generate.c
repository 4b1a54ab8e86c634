/* check generate [--seed N] [--sends N] [--partitions N] [--producers N] [--groups N] FOLDER
 *
 * Writes the history of a made run into a folder that is not there yet. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "generate.h"

static const char usage_text[] =
    "usage: check generate [--seed N] [--sends N] [--partitions N] [--producers N] [--groups N]"
    " FOLDER\n"
    "  writes the history of a run that is made up, and in which nothing is wrong\n"
    "  --seed N (1)  --sends N (2000)  --partitions N (6)  --producers N (6)  --groups N (2)\n";

static int usage(void)
{
    fputs(usage_text, stderr);
    return -1;
}

static int parse(struct generate_options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"seed", required_argument, NULL, 0},       {"sends", required_argument, NULL, 1},
        {"partitions", required_argument, NULL, 2}, {"producers", required_argument, NULL, 3},
        {"groups", required_argument, NULL, 4},     {NULL, 0, NULL, 0}};
    static const long long least[] = {0, 1, 1, 1, 0};
    static const long long most[] = {1000000000, 10000000, 1000, 100, GENERATE_GROUPS_MAX};
    long long numbers[] = {1, 2000, 6, 6, 2};
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        char *end = NULL;
        if (option < 0 || option > 4)
            return usage();
        numbers[option] = strtoll(optarg, &end, 10);
        if (*optarg == '\0' || *end != '\0' || numbers[option] < least[option] ||
            numbers[option] > most[option])
            return usage();
    }
    *o = (struct generate_options){.seed = (uint64_t)numbers[0],
                                   .sends = (uint64_t)numbers[1],
                                   .partitions = (unsigned)numbers[2],
                                   .producers = (unsigned)numbers[3],
                                   .groups = (unsigned)numbers[4]};
    return optind + 1 == argc ? 0 : usage();
}

static int fail(const char *path)
{
    fprintf(stderr, "check: %s: %s\n", path, strerror(errno));
    return 2;
}

static int open_files(const char *folder, FILE *files[GENERATE_FILES])
{
    char path[4096] = "";
    if (mkdir(folder, 0777) != 0)
        return fail(folder);
    for (unsigned i = 0; i < GENERATE_FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, generate_file_name(i));
        files[i] = fopen(path, "w");
        if (files[i] == NULL)
            return fail(path);
    }
    return 0;
}

int command_generate(int argc, char **argv)
{
    struct generate_options options;
    FILE *files[GENERATE_FILES];
    if (parse(&options, argc, argv) != 0 || open_files(argv[optind], files) != 0)
        return 2;
    generate(&options, files);
    bool is_written = true;
    for (unsigned i = 0; i < GENERATE_FILES; i++) {
        is_written &= !ferror(files[i]);
        is_written &= fclose(files[i]) == 0;
    }
    return is_written ? 0 : fail(argv[optind]);
}
