/* trilog topic list, describe: which topics there are, and one of them in full. */
#include "command.h"
#include "table.h"

/* "name=value" of each override; so many that a line ends are cut. */
static void put_configs(struct table *t, const json_t *configs)
{
    char text[TABLE_CELL_SIZE] = "";
    const char *name;
    json_t *value;
    size_t used = 0;
    json_object_foreach((json_t *)(uintptr_t)configs, name, value)
    {
        int size = snprintf(text + used, sizeof text - used, "%s%s=%s", used > 0 ? " " : "", name,
                            json_string_value(value));
        used += size < 0 ? 0 : (size_t)size;
        if (used >= sizeof text)
            break;
    }
    table_text(t, text);
}

static void put_topic(struct table *t, const json_t *topic)
{
    table_text(t, field_text(topic, "topic"));
    table_number(t, field_number(topic, "partitions"));
    table_number(t, field_number(topic, "replication_factor"));
    put_configs(t, json_object_get(topic, "configs"));
}

int topic_list(struct session *s)
{
    return session_list(s, "/v1/topics", "topics", "TOPIC|>PARTITIONS|>REPLICAS|CONFIGS",
                        put_topic);
}

static void put_partition(struct table *t, const json_t *p)
{
    const json_t *start = json_object_get(p, "start_offset"),
                 *end = json_object_get(p, "end_offset");
    table_number(t, field_number(p, "partition"));
    table_number(t, field_number(p, "group_id"));
    field_put_number(t, p, "leader_node_id", "?");
    table_number(t, field_number(p, "leader_epoch"));
    field_put_ids(t, p, "replica_node_ids");
    field_put_ids(t, p, "learner_node_ids");
    field_put_ids(t, p, "in_sync_node_ids");
    field_put_number(t, p, "start_offset", "?");
    field_put_number(t, p, "end_offset", "?");
    if (json_is_integer(start) && json_is_integer(end))
        table_number(t, json_integer_value(end) - json_integer_value(start));
    else
        table_text(t, "?");
}

/* Those of the topic; with `is_all` also what it inherits. */
static void print_configs(struct session *s, const json_t *configs, bool is_all)
{
    size_t position;
    json_t *config;
    struct table t;
    table_init(&t, "CONFIG|VALUE|SET BY");
    json_array_foreach((json_t *)(uintptr_t)configs, position, config)
    {
        const char *source = field_text(config, "source");
        if (!is_all && source[0] != 't')
            continue;
        table_text(&t, field_text(config, "name"));
        table_text(&t, field_text(config, "value"));
        table_text(&t, source);
    }
    if (t.cell_count > t.column_count)
        table_print(&t, s->out);
    table_close(&t);
}

static json_t *describe(struct session *s, int *status)
{
    return session_get_named(s, "/v1/topics/describe", "topic", s->arguments.operands[0], status);
}

int topic_describe(struct session *s)
{
    int status;
    json_t *json = describe(s, &status);
    if (json == NULL)
        return status;
    if (s->is_json) {
        session_print_json(s, json);
    } else {
        fprintf(s->out, "topic       %s\npartitions  %lld, %lld replicas\n\n",
                field_text(json, "topic"), (long long)field_number(json, "partitions"),
                (long long)field_number(json, "replication_factor"));
        field_print_rows(
            s->out,
            ">PARTITION|>GROUP|>LEADER|>EPOCH|REPLICAS|LEARNERS|IN SYNC|>START|>END|>RECORDS",
            json_object_get(json, "partition_list"), put_partition);
        fputc('\n', s->out);
        print_configs(s, json_object_get(json, "configs"), false);
    }
    json_decref(json);
    return EXIT_DONE;
}

int topic_configs_print(struct session *s)
{
    int status;
    json_t *json = describe(s, &status);
    if (json == NULL)
        return status;
    if (s->is_json)
        session_print_json(s, json_object_get(json, "configs"));
    else
        print_configs(s, json_object_get(json, "configs"), true);
    json_decref(json);
    return EXIT_DONE;
}
