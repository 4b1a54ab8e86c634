/* trilog disk …: each node's own disk. */
#include "command.h"
#include "table.h"

static void add_disk(struct table *t, const json_t *json)
{
    const json_t *wal = json_object_get(json, "wal");
    table_number(t, field_number(json, "node_id"));
    table_text(t, field_text(json, "state"));
    table_bytes(t, field_number(json, "free_bytes"));
    table_bytes(t, field_number(json, "total_bytes"));
    table_bytes(t, field_number(json, "reserve_bytes"));
    table_bytes(t, field_number(wal, "held_bytes"));
    table_number(t, field_number(json_object_get(json, "segments"), "damaged"));
    table_text(t, field_flag(json_object_get(json, "start"), "is_whole") ? "yes" : "no");
    table_text(t, field_text(json, "data_directory"));
}

int disk_status(struct session *s)
{
    struct table t;
    unsigned count = 0;
    int status, worst = EXIT_DONE;
    table_init(&t, ">NODE|STATE|>FREE|>TOTAL|>RESERVE|>WAL|>DAMAGED|WHOLE|FOLDER");
    for (unsigned i = 0; i < s->targets.count; i++) {
        json_t *json = session_get_of(s, i, "/v1/disk", &status);
        if (json == NULL) {
            worst = status;
            continue;
        }
        count++;
        if (s->is_json)
            session_print_json(s, json);
        else
            add_disk(&t, json);
        json_decref(json);
    }
    if (!s->is_json && count > 0)
        table_print(&t, s->out);
    table_close(&t);
    return count > 0 && worst != EXIT_DONE ? EXIT_PARTLY : worst;
}
