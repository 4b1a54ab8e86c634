/* What of a router's settings may change while it runs. */
#include "router/kept_settings.h"
#include "router/open_files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define HEAD                                                                                       \
    "router_id: 1000001\nsite: a\nlisten: 127.0.0.1:9192\nshards: 2\nnodes: [127.0.0.1:9092]\n"

static void read_text(const char *text, struct router_settings *settings)
{
    struct err_note note = {0};
    cr_assert_eq(router_conf_parse(bytes_of_text(text), "next.yaml", settings, &note), 0, "%s",
                 note.text);
}

/* NULL: it may. */
static const char *trouble(const char *next_text)
{
    static struct router_settings now, next;
    static struct err_note note;
    note.text[0] = '\0';
    read_text(HEAD, &now);
    read_text(next_text, &next);
    int err = kept_settings_may_follow(&now, &next, &note);
    cr_assert(err == 0 || err == ERR_CANT_CHANGE);
    return err == 0 ? NULL : note.text;
}

Test(router_settings, what_does_not_say_who_and_where_may_change)
{
    cr_assert_null(trouble(HEAD));
    cr_assert_null(trouble(HEAD "environment: test\nmax.connections: 7\nhold_ms_max: 2 s\n"
                                "event_level: debug\nadvertised: a.example:1234\n"
                                "routers:\n  - {router_id: 1000002, site: a, address: b:1}\n"));
}

Test(router_settings, who_and_where_it_is_can_not)
{
    cr_assert_str_eq(trouble("router_id: 1000002\nsite: a\nlisten: 127.0.0.1:9192\nshards: 2\n"
                             "nodes: [127.0.0.1:9092]\n"),
                     "next.yaml:1: router_id can't change while the router runs: start it again "
                     "for that");
    cr_assert_not_null(trouble("router_id: 1000001\nsite: b\nlisten: 127.0.0.1:9192\nshards: 2\n"
                               "nodes: [127.0.0.1:9092]\n"));
    cr_assert_not_null(trouble("router_id: 1000001\nsite: a\nlisten: 127.0.0.1:9193\nshards: 2\n"
                               "nodes: [127.0.0.1:9092]\n"));
    cr_assert_not_null(trouble(HEAD "admin_listen: 127.0.0.1:7777\n"));
    cr_assert_not_null(trouble(HEAD "admin_token_file: /etc/token\n"));
    cr_assert_not_null(trouble("router_id: 1000001\nsite: a\nlisten: 127.0.0.1:9192\nshards: 3\n"
                               "nodes: [127.0.0.1:9092]\n"));
}

Test(router_settings, stay_as_long_as_somebody_has_them)
{
    static struct router_settings values;
    read_text(HEAD, &values);
    struct kept_settings *k = kept_settings_create(&values, 4, 1000);
    cr_assert_eq(kept_settings_claim(k), k);
    kept_settings_release(k);
    cr_assert_eq(k->number, 4);
    cr_assert_str_eq(k->values.site, "a");
    kept_settings_release(k);
}

static struct router_settings with(const char *more)
{
    static char text[1024];
    static struct router_settings settings;
    snprintf(text, sizeof text, "%s%s", HEAD, more);
    read_text(text, &settings);
    return settings;
}

Test(router_settings, open_files_are_those_of_clients_and_of_each_shard_to_each_node)
{
    struct router_settings s = with(
        "max.connections: 100\npipes_per_node: 3\nlanes_per_node_max: 5\n"
        "group_lanes_per_node_max: 7\n");
    uint64_t of_one = router_open_files(&s);
    s.connections_max = 200;
    cr_assert_eq(router_open_files(&s), of_one + 100);
    s.shards = 3;
    cr_assert_eq(router_open_files(&s), of_one + 100 + 2 * 3 + 5 + 2 + 7);
}

Test(router_settings, more_open_files_than_the_process_may_have_are_refused_in_words)
{
    struct router_settings s = with("");
    struct err_note note = {0};
    s.connections_max = 100;
    s.lanes_per_node_max = s.group_lanes_per_node_max = 4;
    cr_assert_eq(router_open_files_check(&s, &note), 0);
    s.connections_max = INT64_MAX / 2;
    cr_assert_eq(router_open_files_check(&s, &note), ERR_INVALID);
    cr_assert(strstr(note.text, "ulimit") != NULL, "%s", note.text);
}
