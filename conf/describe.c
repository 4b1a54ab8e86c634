/* A node's settings, or a router's, one by one, for those who show them to clients: plain values,
 * without units. */
#include <inttypes.h>

#include "list.h"
#include "node.h"
#include "router.h"

static enum conf_kind kind_of(const struct setting *s)
{
    switch (s->kind) {
    case KIND_NUMBER:
        return CONF_KIND_NUMBER;
    case KIND_FLAG:
        return CONF_KIND_FLAG;
    default:
        return CONF_KIND_TEXT;
    }
}

static void describe(const struct setting_table *table, const void *settings, conf_describe_cb cb,
                     void *data)
{
    for (size_t i = 0; i < table->row_count; i++) {
        const struct setting *s = &table->rows[i];
        char text[VALUE_SIZE];
        if (s->kind == KIND_HEADING || list_of(s) != NULL)
            continue;
        if (s->kind == KIND_NUMBER)
            snprintf(text, sizeof text, "%" PRId64, *(const int64_t *)setting_value(settings, s));
        else
            value_write(s, setting_value(settings, s), text);
        struct conf_description description = {.id = (enum conf_setting_id)i,
                                               .name = s->name,
                                               .value = text,
                                               .kind = kind_of(s),
                                               .meaning = s->meaning,
                                               .is_default = table_line(table, settings, i) == 0};
        cb(data, &description);
    }
}

void conf_describe(const struct conf_settings *settings, conf_describe_cb cb, void *data)
{
    describe(&node_table, settings, cb, data);
}

void router_conf_describe(const struct router_settings *settings, conf_describe_cb cb, void *data)
{
    describe(&router_table, settings, cb, data);
}
