/* trilog lag: how far replicas are behind, by site, by topic, by group; and where a group has no
 * leader, what those who are left heard of it last.
 *
 * Leaders tell all nodes, so one node is enough for most of it; with several the freshest word is
 * taken, and each says what it heard itself. */
#include "lag.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "table.h"

#define WATCH_S 1

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    is_interrupted = 1;
}

static const json_t *groups_of(const json_t *answer)
{
    return json_object_get(answer, "groups");
}

/* The group as the node has it that heard its leader last. */
static const json_t *best_view(const struct session_answers *a, size_t position)
{
    const json_t *best = NULL;
    int64_t best_ms = 0;
    for (unsigned i = 0; i < a->count; i++) {
        const json_t *group = json_array_get(groups_of(a->of[i]), position);
        int64_t ms = field_number_or(group, "told_ms_ago", INT64_MAX);
        if (group != NULL && (best == NULL || ms < best_ms)) {
            best = group;
            best_ms = ms;
        }
    }
    return best;
}

static bool has_leader(const json_t *group)
{
    return json_is_integer(json_object_get(group, "leader_node_id"));
}

/* ---- by node and site ---- */

struct sum {
    char name[TABLE_CELL_SIZE], site[TABLE_CELL_SIZE];
    int64_t replicas, not_level, unknown, entries, records, bytes, ms;
};

#define SUMS_MAX 64

static struct sum *sum_of(struct sum *sums, unsigned *count, const char *name, const char *site)
{
    for (unsigned i = 0; i < *count; i++)
        if (strcmp(sums[i].name, name) == 0 && strcmp(sums[i].site, site) == 0)
            return &sums[i];
    if (*count == SUMS_MAX)
        return &sums[SUMS_MAX - 1];
    struct sum *sum = &sums[(*count)++];
    snprintf(sum->name, sizeof sum->name, "%s", name);
    snprintf(sum->site, sizeof sum->site, "%s", site);
    return sum;
}

static void add_replica(struct sum *sum, const json_t *r)
{
    sum->replicas++;
    sum->not_level += !field_flag(r, "is_level");
    sum->unknown += strcmp(field_text(r, "certainty"), "measured") != 0;
    sum->entries += field_number(r, "lag_entries");
    sum->records += field_number(r, "lag_records");
    sum->bytes += field_number(r, "lag_bytes");
    if (field_number(r, "lag_ms") > sum->ms)
        sum->ms = field_number(r, "lag_ms");
}

static void sum_replicas(struct sum *sums, unsigned *count, const json_t *group)
{
    size_t position;
    json_t *r;
    json_array_foreach(json_object_get(group, "replicas"), position, r)
    {
        char node[24];
        snprintf(node, sizeof node, "%lld", (long long)field_number(r, "node_id"));
        add_replica(sum_of(sums, count, node, field_text(r, "site")), r);
    }
}

static void print_nodes(struct session *s, const struct session_answers *a)
{
    struct sum sums[SUMS_MAX] = {0};
    unsigned count = 0;
    struct table t;
    for (size_t i = 0; i < json_array_size(groups_of(a->of[0])); i++)
        sum_replicas(sums, &count, best_view(a, i));
    table_init(&t,
               "SITE|>NODE|>REPLICAS|>NOT LEVEL|>NOT MEASURED|>ENTRIES|>RECORDS|>BYTES|>OLDEST");
    for (unsigned i = 0; i < count; i++) {
        table_text(&t, sums[i].site);
        table_text(&t, sums[i].name);
        table_number(&t, sums[i].replicas);
        table_number(&t, sums[i].not_level);
        table_number(&t, sums[i].unknown);
        table_number(&t, sums[i].entries);
        table_number(&t, sums[i].records);
        table_bytes(&t, sums[i].bytes);
        table_duration(&t, sums[i].ms);
    }
    table_print(&t, s->out);
    table_close(&t);
}

/* ---- groups with somebody behind ---- */

static void add_behind(struct table *t, const json_t *group, const json_t *r)
{
    const char *certainty = field_text(r, "certainty");
    table_number(t, field_number(group, "group_id"));
    table_text(t, field_text(group, "kind"));
    table_number(t, field_number(r, "node_id"));
    table_text(t, field_text(r, "site"));
    table_text(t, strcmp(certainty, "at_most") == 0    ? "at most"
                  : strcmp(certainty, "at_least") == 0 ? "at least"
                                                       : certainty);
    field_put_number(t, r, "lag_entries", "?");
    field_put_number(t, r, "lag_records", "?");
    field_put_bytes(t, r, "lag_bytes");
    field_put_duration(t, r, "lag_ms");
}

static void print_behind(struct session *s, const struct session_answers *a)
{
    struct table t;
    unsigned count = 0;
    table_init(&t, ">GROUP|KIND|>NODE|SITE|IT IS|>ENTRIES|>RECORDS|>BYTES|>OLDEST");
    for (size_t i = 0; i < json_array_size(groups_of(a->of[0])); i++) {
        const json_t *group = best_view(a, i);
        size_t position;
        json_t *r;
        json_array_foreach(json_object_get(group, "replicas"), position, r)
        {
            if (field_flag(r, "is_level"))
                continue;
            add_behind(&t, group, r);
            count++;
        }
    }
    if (count > 0) {
        fprintf(s->out, "\nnot level:\n");
        table_print(&t, s->out);
    }
    table_close(&t);
}

/* ---- groups without a leader ---- */

static void add_survivor(struct table *t, const json_t *answer, const json_t *group)
{
    const json_t *heard = json_object_get(group, "heard");
    table_number(t, field_number(group, "group_id"));
    table_text(t, field_text(group, "kind"));
    table_number(t, field_number(answer, "node_id"));
    table_text(t, field_text(answer, "site"));
    field_put_number(t, heard, "leader_node_id", "?");
    field_put_duration(t, heard, "heard_ms_ago");
    field_put_number(t, heard, "lacking_entries", "?");
    field_put_number(t, heard, "lacking_records", "?");
    field_put_bytes(t, heard, "lacking_bytes");
    field_put_moment(t, heard, "level_until_ms", "?");
}

static void print_leaderless(struct session *s, const struct session_answers *a)
{
    struct table t;
    unsigned count = 0;
    table_init(&t, ">GROUP|KIND|>NODE|SITE|>LAST LEADER|>HEARD|>LACKS ENTRIES|>RECORDS|>BYTES|"
                   "HAS ALL UNTIL");
    for (size_t i = 0; i < json_array_size(groups_of(a->of[0])); i++)
        for (unsigned n = 0; n < a->count; n++) {
            const json_t *group = json_array_get(groups_of(a->of[n]), i);
            if (group == NULL || has_leader(group))
                continue;
            add_survivor(&t, a->of[n], group);
            count++;
        }
    if (count > 0) {
        fprintf(s->out, "\nwithout a leader, as those who are left know it:\n");
        table_print(&t, s->out);
    }
    table_close(&t);
}

/* ---- the command ---- */

static int show_once(struct session *s)
{
    struct session_answers a;
    int status = session_get_each(s, "/v1/lag", &a);
    if (s->is_json) {
        for (unsigned i = 0; i < a.count; i++)
            session_print_json(s, a.of[i]);
    } else if (a.count > 0) {
        print_nodes(s, &a);
        lag_print_topics(s, &a);
        print_behind(s, &a);
        print_leaderless(s, &a);
    }
    fflush(s->out);
    session_answers_close(&a);
    return status;
}

int lag_show(struct session *s)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    struct timespec pause = {.tv_sec = WATCH_S};
    if (!arguments_has(&s->arguments, OPTION_WATCH))
        return show_once(s);
    sigaction(SIGINT, &action, NULL);
    int status = EXIT_DONE;
    while (!is_interrupted && !ferror(s->out)) {
        fputs(s->is_terminal ? "\033[H\033[2J" : "\n", s->is_json ? s->err : s->out);
        status = show_once(s);
        nanosleep(&pause, NULL); /* ended by Ctrl-C */
    }
    return status;
}
