/* A client's settings: read, refused with the line, printed. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "conf/client_conf.h"

#define HEAD "site: b\nbootstrap: [127.0.0.1:9192, 127.0.0.2:9192]\n"

static void assert_refused(const char *text, const char *why)
{
    struct client_settings c;
    struct err_note note = {0};
    cr_assert_eq(client_conf_parse(bytes_of_text(text), "test.yaml", &c, &note), ERR_INVALID);
    cr_assert_str_eq(note.text, why);
}

Test(client_conf, wants_a_site_and_addresses_and_nothing_else)
{
    struct client_settings c;
    struct err_note note = {0};
    cr_assert_eq(client_conf_parse(bytes_of_text(HEAD), "test.yaml", &c, &note), 0, "%s",
                 note.text);
    cr_assert_str_eq(c.site, "b");
    cr_assert_eq(c.bootstrap.count, 2);
    cr_assert_str_empty(c.spool_directory);
    cr_assert_eq(c.send_timeout_ms, 30000);
    cr_assert(c.spool_is_durable);
    assert_refused("site: b\n",
                   "test.yaml: bootstrap must be set (Routers, or nodes where there are none, "
                   "each as host:port, some of every site: any one that answers tells of all the "
                   "others)");
}

Test(client_conf, refuses_what_it_does_not_know_and_what_can_not_work)
{
    assert_refused(HEAD "node_id: 1\n", "test.yaml:3: 'node_id' is not a setting");
    assert_refused("site: b\nbootstrap: ['h:1', 'h:1']\n",
                   "test.yaml:2: bootstrap: h:1 stands there twice");
    assert_refused(HEAD "record_bytes_max: 2 MiB\nqueue_bytes_max: 1 MiB\n",
                   "test.yaml:3: record_bytes_max: is too large for queue_bytes_max: the largest "
                   "record must fit the queue");
}

Test(client_conf, prints_a_file_with_the_same_settings)
{
    struct client_settings settings, again;
    cr_assert_eq(client_conf_parse(bytes_of_text(HEAD "spool_directory: /a b\n"), "test.yaml",
                                   &settings, NULL),
                 0);
    char *text = NULL;
    size_t size = 0;
    FILE *into = open_memstream(&text, &size);
    cr_assert_eq(client_conf_print(&settings, into), 0);
    fclose(into);
    cr_assert_eq(client_conf_parse(bytes_of(text, size), "test.yaml", &again, NULL), 0, "%s", text);
    memcpy(again.lines, settings.lines, sizeof again.lines); /* where they stand differs */
    cr_assert_eq(memcmp(&settings, &again, sizeof again), 0, "%s", text);
    free(text);
}

#define NAME_OF(kind, field, name, ...) name,
static const char *const names[] = {CLIENT_TABLE(NAME_OF)}; /* of headings: "" */

/* The sample with all that is commented out. */
static size_t read_whole_sample(char *text, size_t size)
{
    FILE *from = fopen("conf/samples/client.yaml", "r");
    cr_assert_not_null(from);
    char line[256];
    size_t used = 0;
    while (fgets(line, sizeof line, from) != NULL) {
        size_t name = strspn(line + 2, "abcdefghijklmnopqrstuvwxyz_.");
        bool is_setting = strncmp(line, "# ", 2) == 0 && name > 0 && line[2 + name] == ':';
        used += (size_t)snprintf(text + used, size - used, "%s", line + (is_setting ? 2 : 0));
        cr_assert_lt(used, size);
    }
    fclose(from);
    return used;
}

Test(client_conf, the_sample_names_each_setting_and_its_default)
{
    static char text[8192];
    struct client_settings c, defaults;
    struct err_note note = {0};
    size_t size = read_whole_sample(text, sizeof text);
    cr_assert_eq(client_conf_parse(bytes_of(text, size), "all", &c, &note), 0, "%s", note.text);
    for (int id = 0; id < CLIENT_SETTING_COUNT; id++)
        cr_assert(c.lines[id] != 0 || names[id][0] == '\0', "%s is not there", names[id]);
    client_conf_init(&defaults);
    bytes_copy_text(defaults.site, sizeof defaults.site, c.site);
    defaults.bootstrap = c.bootstrap;
    bytes_copy_text(defaults.spool_directory, sizeof defaults.spool_directory, c.spool_directory);
    bytes_copy_text(defaults.failure_directory, sizeof defaults.failure_directory,
                    c.failure_directory);
    memcpy(defaults.lines, c.lines, sizeof c.lines);
    memcpy(defaults.source, c.source, sizeof c.source);
    cr_assert_eq(memcmp(&defaults, &c, sizeof c), 0);
}

Test(client_conf, accepts_the_sample)
{
    struct client_settings c;
    struct err_note note = {0};
    cr_assert_eq(client_conf_load("conf/samples/client.yaml", &c, &note), 0, "%s", note.text);
    cr_assert_eq(c.bootstrap.count, 3);
}
