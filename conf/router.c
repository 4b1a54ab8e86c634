/* The settings of a router: its table as data, and what any table's functions do with it. */
#include "router.h"

#include "check.h"

static const struct setting rows[ROUTER_SETTING_COUNT] = {
#define ROW(...) SETTING_ROW(struct router_settings, __VA_ARGS__)
    ROUTER_TABLE(ROW)
#undef ROW
};

/* Addresses that follow from others. router_conf_check() refuses what can't be told. */
static void complete(void *data)
{
    struct router_settings *settings = data;
    if (settings->admin_listen.host[0] == '\0')
        settings->admin_listen = check_default_admin(&settings->listen);
    if (settings->advertised.port == 0 && !check_is_every_interface(settings->listen.host))
        settings->advertised = settings->listen;
}

static int check(const void *settings, struct err_note *note)
{
    return router_conf_check(settings, note);
}

const struct setting_table router_table = {
    .rows = rows,
    .row_count = ROUTER_SETTING_COUNT,
    .size = sizeof(struct router_settings),
    .source_offset = offsetof(struct router_settings, source),
    .lines_offset = offsetof(struct router_settings, lines),
    .complete = complete,
    .check = check,
};

void router_conf_init(struct router_settings *settings)
{
    table_init(&router_table, settings);
}

int router_conf_parse(struct bytes text, const char *source, struct router_settings *settings,
                      struct err_note *note)
{
    struct router_settings read;
    int err = table_parse(&router_table, text, source, &read, note);
    if (err == 0)
        *settings = read;
    return err;
}

int router_conf_load(const char *path, struct router_settings *settings, struct err_note *note)
{
    struct router_settings read;
    int err = table_load(&router_table, path, &read, note);
    if (err == 0)
        *settings = read;
    return err;
}

int router_conf_print(const struct router_settings *settings, FILE *into)
{
    return table_print(&router_table, settings, into);
}
