/* The settings of a node: its table as data, and what any table's functions do with it. */
#include "node.h"

#include "base/event.h"
#include "check.h"

static const struct setting rows[CONF_ID_COUNT] = {
#define ROW(...) SETTING_ROW(struct conf_settings, __VA_ARGS__)
    CONF_TABLE(ROW)
#undef ROW
};

_Static_assert(EVENT_DEBUG == 0 && EVENT_INFO == 1 && EVENT_WARN == 2 && EVENT_ERROR == 3,
               "the choices of event_level stand in the order of enum event_level");

/* Addresses that follow from others. conf_check() refuses what can't be told. */
static void complete(void *data)
{
    struct conf_settings *settings = data;
    if (settings->admin_listen.host[0] == '\0')
        settings->admin_listen = check_default_admin(&settings->listen);
    const struct conf_node *own = conf_own_node(settings);
    if (settings->peer_listen.port == 0 && own != NULL)
        settings->peer_listen = own->peer;
    if (settings->peer_advertised.port == 0 && own != NULL)
        settings->peer_advertised = own->peer;
    else if (settings->peer_advertised.port == 0 &&
             !check_is_every_interface(settings->peer_listen.host))
        settings->peer_advertised = settings->peer_listen;
    if (settings->advertised.port == 0 && !check_is_every_interface(settings->listen.host))
        settings->advertised = settings->listen;
}

static int check(const void *settings, struct err_note *note)
{
    return conf_check(settings, note);
}

const struct setting_table node_table = {
    .rows = rows,
    .row_count = CONF_ID_COUNT,
    .size = sizeof(struct conf_settings),
    .source_offset = offsetof(struct conf_settings, source),
    .lines_offset = offsetof(struct conf_settings, lines),
    .complete = complete,
    .check = check,
};

void conf_init(struct conf_settings *settings)
{
    table_init(&node_table, settings);
}

int conf_parse(struct bytes text, const char *source, struct conf_settings *settings,
               struct err_note *note)
{
    struct conf_settings read;
    int err = table_parse(&node_table, text, source, &read, note);
    if (err == 0)
        *settings = read;
    return err;
}

int conf_load(const char *path, struct conf_settings *settings, struct err_note *note)
{
    struct conf_settings read;
    int err = table_load(&node_table, path, &read, note);
    if (err == 0)
        *settings = read;
    return err;
}

int conf_print(const struct conf_settings *settings, FILE *into)
{
    return table_print(&node_table, settings, into);
}
