/* trilog lag, by topic: what the replicas of each site lack of its records. Told by the leaders of
 * the topic's groups, each for its own: so all nodes are to be asked. */
#include <string.h>

#include "lag.h"
#include "table.h"

static void add_topic(struct table *t, const json_t *row)
{
    const char *topic = json_string_value(json_object_get(row, "topic"));
    table_text(t, topic == NULL ? "(older than is told apart)" : topic);
    table_text(t, field_text(row, "site"));
    table_number(t, field_number(row, "node_id"));
    table_number(t, field_number(row, "group_id"));
    table_number(t, field_number(row, "lag_records"));
    table_bytes(t, field_number(row, "lag_bytes"));
}

void lag_print_topics(struct session *s, const struct session_answers *a)
{
    struct table t;
    unsigned count = 0;
    table_init(&t, "TOPIC|SITE|>NODE|>GROUP|>RECORDS|>BYTES");
    for (unsigned i = 0; i < a->count; i++) {
        size_t position;
        json_t *row;
        json_array_foreach(json_object_get(a->of[i], "topics"), position, row)
        {
            add_topic(&t, row);
            count++;
        }
    }
    if (count > 0) {
        fprintf(s->out, "\nby topic:\n");
        table_print(&t, s->out);
    }
    table_close(&t);
}
