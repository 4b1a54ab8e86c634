#include "conf/conf.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const char *const sample = "cluster_name: trilog\n"
                                  "node_id: 2\n"
                                  "site: 'true'\n"
                                  "data_directory: '/a \"b\" \\ : # c'\n"
                                  "listen: '[::1]:9092'\n"
                                  "nodes: [{id: 1, site: a, peer: '[fe80::1]:9093'},\n"
                                  "        {id: 2, site: 'true', peer: 'h:9093'}]\n"
                                  "log.retention.ms: 90 min\n"
                                  "log.segment.bytes: 1025\n"
                                  "auto.create.topics.enable: false\n"
                                  "log.message.timestamp.type: LogAppendTime\n";

static char *printed(const struct conf_settings *settings)
{
    char *text = NULL;
    size_t size = 0;
    FILE *into = open_memstream(&text, &size);
    cr_assert_eq(conf_print(settings, into), 0);
    fclose(into);
    return text;
}

Test(conf_print, gives_a_file_with_the_same_settings)
{
    static struct conf_settings settings, again;
    struct err_note note = {0};
    cr_assert_eq(conf_parse(bytes_of_text(sample), "x", &settings, &note), 0, "%s", note.text);
    char *text = printed(&settings);
    cr_assert_eq(conf_parse(bytes_of_text(text), "x", &again, &note), 0, "%s\n%s", note.text, text);
    memcpy(again.lines, settings.lines, sizeof again.lines); /* where they stand differs */
    cr_assert_eq(memcmp(&settings, &again, sizeof again), 0, "%s", text);
    free(text);
}

Test(conf_print, says_meaning_unit_range_and_default)
{
    static struct conf_settings settings;
    conf_init(&settings);
    char *text = printed(&settings);
    cr_assert_not_null(strstr(text, "# Size of a WAL file; files are preallocated and recycled\n"
                                    "#   bytes, 1 MiB to 4 GiB; default 64 MiB\n"
                                    "wal_file_bytes: 64 MiB\n"),
                       "%s", text);
    cr_assert_not_null(strstr(text, "#   CreateTime|LogAppendTime; default CreateTime\n"));
    cr_assert_not_null(strstr(text, "log.retention.bytes: -1\n"));
    free(text);
}

Test(conf_print, leaves_out_what_must_be_set_and_is_not)
{
    static struct conf_settings settings;
    conf_init(&settings);
    char *text = printed(&settings);
    cr_assert_not_null(strstr(text, "; must be set\n# node_id:\n"));
    cr_assert_not_null(strstr(text, "; must be set\n# nodes:\n"));
    cr_assert_not_null(strstr(text, "; follows from others\n# advertised:\n"));
    free(text);
}

Test(conf_print, reports_a_file_that_takes_no_more)
{
    static struct conf_settings settings;
    conf_init(&settings);
    FILE *full = fopen("/dev/full", "w");
    cr_assert_not_null(full);
    cr_assert_eq(conf_print(&settings, full), UV_ENOSPC);
    fclose(full);
}
