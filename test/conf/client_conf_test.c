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

Test(client_conf, accepts_the_sample)
{
    struct client_settings c;
    struct err_note note = {0};
    cr_assert_eq(client_conf_load("conf/samples/client.yaml", &c, &note), 0, "%s", note.text);
    cr_assert_eq(c.bootstrap.count, 3);
}
