/* check: judges the histories of a run (docs/history-format.md).
 *
 *   check [--figures] [--json] [--max-shown N] [--prompt-ms N] FILE|FOLDER…
 *
 * Ends with 0: nothing wrong; 1: violations; 2: it could not be judged, or not all of it. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "report.h"
#include "source.h"

#define SHOWN_MAX 10

struct options {
    bool has_figures, is_json;
    size_t shown_max;
    int64_t prompt_us;
};

static const char usage_text[] =
    "usage: check [--figures] [--json] [--max-shown N] [--prompt-ms N] FILE|FOLDER...\n"
    "  --figures      also recovery times, gaps, availability, latencies (--json has them always)\n"
    "  --json         the whole result as JSON\n"
    "  --max-shown N  violations shown of each property (10)\n"
    "  --prompt-ms N  a later acknowledgement counts as a disturbance (twice the p99 before the\n"
    "                 first fault, at least 100)\n"
    "       check generate ... FOLDER, check mutate KIND ... IN OUT: histories to try it on\n"
    "ends with 0: nothing wrong, 1: violations, 2: it could not be judged, or not all of it\n";

static int usage(void)
{
    fputs(usage_text, stderr);
    return -1;
}

static int parse_count(const char *text, int64_t max, int64_t *count)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < 0 || number > max)
        return usage();
    *count = number;
    return 0;
}

static int parse_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {{"figures", no_argument, NULL, 'f'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"max-shown", required_argument, NULL, 'm'},
                                          {"prompt-ms", required_argument, NULL, 'p'},
                                          {NULL, 0, NULL, 0}};
    int64_t number = SHOWN_MAX, prompt_ms = 0;
    int option;
    *options = (struct options){.shown_max = SHOWN_MAX};
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'f')
            options->has_figures = true;
        else if (option == 'j')
            options->is_json = options->has_figures = true;
        else if (option == 'm'   ? parse_count(optarg, 1000000, &number) != 0
                 : option == 'p' ? parse_count(optarg, 3600000, &prompt_ms) != 0
                                 : true)
            return usage();
    }
    options->shown_max = (size_t)number;
    options->prompt_us = prompt_ms * 1000;
    return optind < argc ? 0 : usage();
}

static void report(struct history *h, const struct options *options, struct verdict *v)
{
    struct figures f;
    if (options->has_figures)
        figures_make(&f, h, options->prompt_us);
    (options->is_json ? report_json : report_text)(stdout, v, options->has_figures ? &f : NULL);
    if (options->has_figures)
        figures_close(&f);
}

static int check(struct history *h, const struct options *options, char **paths, int count)
{
    struct failure failure;
    for (int i = 0; i < count; i++) {
        if (source_take(h, paths[i], &failure) == 0)
            continue;
        fprintf(stderr, "check: %s\n", failure.text);
        return 2;
    }
    if (h->send_count + h->read_count + h->operation_count == 0) {
        fprintf(stderr, "check: no operation in %zu files: nothing to judge\n", h->files.count);
        return 2;
    }
    struct verdict v;
    verdict_init(&v, h, options->shown_max);
    history_settle(h);
    judge(&v);
    report(h, options, &v);
    int status = report_status(&v);
    verdict_close(&v);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    struct history h;
    if (argc > 1 && strcmp(argv[1], "generate") == 0)
        return command_generate(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "mutate") == 0)
        return command_mutate(argc - 1, argv + 1);
    if (parse_options(&options, argc, argv) != 0)
        return 2;
    history_init(&h);
    int status = check(&h, &options, argv + optind, argc - optind);
    history_close(&h);
    return status;
}
