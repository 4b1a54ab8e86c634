/* trilog cluster …: is it whole? */
#include "command.h"
#include "table.h"

static void print_sites(struct session *s, const json_t *sites)
{
    const char *site;
    json_t *counts;
    struct table t;
    table_init(&t, "SITE|>NODES|>ALIVE");
    json_object_foreach((json_t *)(uintptr_t)sites, site, counts)
    {
        table_text(&t, site);
        table_number(&t, field_number(counts, "nodes"));
        table_number(&t, field_number(counts, "alive"));
    }
    table_print(&t, s->out);
    table_close(&t);
}

static void put_loss(struct table *t, const json_t *loss)
{
    table_number(t, field_number(loss, "group_id"));
    table_number(t, field_number(loss, "voters"));
    field_put_ids(t, loss, "emptied_node_ids");
    field_put_ids(t, loss, "silent_node_ids");
    field_put_ids(t, loss, "holding_node_ids");
}

static void print_losses(struct session *s, const json_t *losses)
{
    if (json_array_size(losses) > 0)
        fprintf(s->out, "\nThese raft groups have lost their majority. Start the silent nodes "
                        "with their old disks:\n");
    field_print_rows(s->out, ">GROUP|>VOTERS|EMPTIED|SILENT|HOLDING DATA", losses, put_loss);
}

int cluster_status(struct session *s)
{
    int status;
    json_t *json = session_get(s, "/v1/cluster", &status);
    if (json == NULL)
        return status;
    if (s->is_json) {
        session_print_json(s, json);
        json_decref(json);
        return EXIT_DONE;
    }
    int64_t groups = field_number(json, "groups"), led = field_number(json, "groups_led");
    fprintf(s->out, "cluster     %s (%s)\n", field_text(json, "cluster_name"),
            field_text(json, "cluster_id"));
    fprintf(s->out, "asked       node %lld in site %s\n", (long long)field_number(json, "node_id"),
            field_text(json, "site"));
    if (json_is_null(json_object_get(json, "controller_node_id")))
        fprintf(s->out, "controller  nobody: no metadata can change\n");
    else
        fprintf(s->out, "controller  node %lld\n",
                (long long)field_number(json, "controller_node_id"));
    fprintf(s->out, "groups      %lld, %lld of them with a leader, %lld moving\n",
            (long long)groups, (long long)led, (long long)field_number(json, "groups_moving"));
    fprintf(s->out, "topics      %lld\n\n", (long long)field_number(json, "topics"));
    print_sites(s, json_object_get(json, "sites"));
    print_losses(s, json_object_get(json, "groups_lost"));
    json_decref(json);
    return EXIT_DONE;
}
