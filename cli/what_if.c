/* trilog what-if: what the loss of sites would cost now. */
#include <string.h>

#include "command.h"
#include "table.h"

#define SITES_SIZE 200

/* "b,c" of the sites that --lose names. */
static bool join_sites(const struct session *s, char text[SITES_SIZE])
{
    size_t used = 0;
    for (unsigned i = 0; i < s->arguments.lost_count; i++) {
        int more = snprintf(text + used, SITES_SIZE - used, "%s%s", i > 0 ? "," : "",
                            s->arguments.lost[i]);
        used += (size_t)more;
        if (used >= SITES_SIZE)
            return false;
    }
    return true;
}

static void add_line(struct table *t, const char *what, int64_t number)
{
    table_text(t, what);
    table_number(t, number);
}

static void print_counts(struct session *s, const json_t *json)
{
    struct table t;
    table_init(&t, "LOST|>NOW");
    add_line(&t, "raft groups without a leader, for a while",
             field_number(json, "groups_without_leader"));
    add_line(&t, "  their partitions", field_number(json, "partitions_without_leader"));
    add_line(&t, "raft groups without a majority, until it is back",
             field_number(json, "groups_without_majority"));
    add_line(&t, "  their partitions", field_number(json, "partitions_without_majority"));
    add_line(&t, "  of these groups, have none now either",
             field_number(json, "groups_without_majority_now"));
    add_line(&t, "  of these groups, carry committed offsets",
             field_number(json, "offsets_groups_lost"));
    add_line(&t, "acknowledged records that exist only there, at most",
             field_number(json, "only_there_records"));
    add_line(&t, "  their bytes", field_number(json, "only_there_bytes"));
    add_line(&t, "  raft groups of which that is not known",
             field_number(json, "groups_not_known"));
    table_print(&t, s->out);
    table_close(&t);
}

static void print_pause(struct session *s, const json_t *json)
{
    const json_t *longest = json_object_get(json, "pause_ms_max");
    bool is_measured = strcmp(field_text(json, "pause_is"), "measured") == 0;
    if (field_number(json, "groups_without_leader") == 0)
        return;
    fprintf(s->out, "\nwithout a leader for about %lld ms, ",
            (long long)field_number(json, "pause_ms"));
    if (is_measured && json_is_integer(longest))
        fprintf(s->out, "as the newest elections took (%lld ms the longest)\n",
                (long long)json_integer_value(longest));
    else
        fprintf(s->out, "reckoned from round trips: no leader was lost here lately\n");
}

static void print_consequences(struct session *s, const json_t *json)
{
    if (field_flag(json, "is_metadata_lost"))
        fprintf(s->out, "the metadata (raft group 0) would have no majority: nothing could be "
                        "created, moved or changed\n");
    if (field_number(json, "offsets_groups_lost") > 0)
        fprintf(s->out, "consumers of groups whose offsets are there would wait for their "
                        "coordinator, also in the sites that are left\n");
}

static void put_group(struct table *t, const json_t *g)
{
    table_number(t, field_number(g, "group_id"));
    table_number(t, field_number(g, "partitions"));
    table_text(t, field_text(g, "loses"));
    table_text(t, field_flag(g, "is_asynchronous") ? "async" : "sync");
    field_put_number(t, g, "only_there_records", "?");
}

static void print_names(struct session *s, const json_t *names)
{
    char cell[TABLE_CELL_SIZE];
    size_t position;
    json_t *name;
    json_array_foreach((json_t *)(uintptr_t)names, position, name)
        fprintf(s->out, "  %s\n", table_plain(json_string_value(name), cell));
}

/* Being lost is not the only thing that can happen to a site. */
static void print_cut_off(struct session *s, const json_t *json)
{
    int64_t count = field_number(json, "asynchronous_topics");
    if (count == 0)
        return;
    fprintf(s->out,
            "cut off instead of lost, asynchronous topics go on there, written and read; but their "
            "consumers there wait\nfor their coordinators, for committed offsets are synchronous; "
            "%lld of them:\n",
            (long long)count);
    print_names(s, json_object_get(json, "asynchronous_topic_names"));
}

static void print_groups(struct session *s, const json_t *json)
{
    const json_t *groups = json_object_get(json, "raft_groups");
    if (json_array_size(groups) > 0)
        fputc('\n', s->out);
    field_print_rows(s->out, ">GROUP|>PARTITIONS|LOSES ITS|MODE|>ONLY THERE", groups, put_group);
}

static void print_consumers(struct session *s, const json_t *json)
{
    int64_t groups = 0, empty = 0, not_known = 0;
    size_t position;
    json_t *row;
    const json_t *rows = json_object_get(json, "consumer_groups");
    json_array_foreach((json_t *)(uintptr_t)rows, position, row)
    {
        groups += field_number(row, "groups");
        empty += field_number(row, "groups_left_empty");
        not_known += field_number(row, "members_not_known");
    }
    fprintf(s->out,
            "\nof %lld consumer groups with members, %lld would have none left; where %lld members "
            "stand is not known: they count as left\n",
            (long long)groups, (long long)empty, (long long)not_known);
    json_array_foreach((json_t *)(uintptr_t)rows, position, row)
        print_names(s, json_object_get(row, "names"));
}

int what_if_show(struct session *s)
{
    char sites[SITES_SIZE];
    int status;
    if (s->arguments.lost_count == 0 || !join_sites(s, sites)) {
        fprintf(s->err, s->arguments.lost_count == 0
                            ? "trilog: which sites? Name each by --lose SITE\n"
                            : "trilog: no site has a name as long as what --lose says\n");
        return EXIT_USAGE;
    }
    json_t *json = session_get_named(s, "/v1/what-if", "lose", sites, &status);
    if (json == NULL)
        return status;
    if (s->is_json) {
        session_print_json(s, json);
    } else {
        print_counts(s, json);
        print_pause(s, json);
        print_consequences(s, json);
        print_cut_off(s, json);
        print_groups(s, json);
        print_consumers(s, json);
    }
    json_decref(json);
    return status;
}
