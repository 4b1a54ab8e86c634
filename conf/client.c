/* The settings of a client: its table as data, what they mean to each other, and what any table's
 * functions do with it. */
#include "check.h"
#include "conf/client_conf.h"

static const struct setting rows[CLIENT_SETTING_COUNT] = {
#define ROW(...) SETTING_ROW(struct client_settings, __VA_ARGS__)
    CLIENT_TABLE(ROW)
#undef ROW
};

static void complete(void *settings)
{
    (void)settings; /* none follows from another */
}

static int check(const void *settings, struct err_note *note);

static const struct setting_table client_table = {
    .rows = rows,
    .row_count = CLIENT_SETTING_COUNT,
    .size = sizeof(struct client_settings),
    .source_offset = offsetof(struct client_settings, source),
    .lines_offset = offsetof(struct client_settings, lines),
    .complete = complete,
    .check = check,
};

static const struct check_order orders[] = {
    {CLIENT_SETTING_record_bytes_max, CLIENT_SETTING_queue_bytes_max, 0,
     "the largest record must fit the queue"},
    {CLIENT_SETTING_record_bytes_max, CLIENT_SETTING_spool_bytes_max, CONF_KIB,
     "the largest record must fit the spool"},
    {CLIENT_SETTING_retry_wait_ms, CLIENT_SETTING_retry_wait_ms_max, 0,
     "the longest wait is not below the first"},
};

static int check(const void *data, struct err_note *note)
{
    const struct client_settings *c = data;
    for (unsigned i = 0; i < c->bootstrap.count; i++)
        for (unsigned k = 0; k < i; k++)
            if (check_is_same_address(&c->bootstrap.entries[k], &c->bootstrap.entries[i]))
                return check_refuse(&client_table, c, note, CLIENT_SETTING_bootstrap,
                                    "%s:%u stands there twice", c->bootstrap.entries[i].host,
                                    c->bootstrap.entries[i].port);
    return check_orders(&client_table, c, orders, sizeof orders / sizeof orders[0], note);
}

void client_conf_init(struct client_settings *settings)
{
    table_init(&client_table, settings);
}

int client_conf_parse(struct bytes text, const char *source, struct client_settings *settings,
                      struct err_note *note)
{
    struct client_settings read;
    int err = table_parse(&client_table, text, source, &read, note);
    if (err == 0)
        *settings = read;
    return err;
}

int client_conf_load(const char *path, struct client_settings *settings, struct err_note *note)
{
    struct client_settings read;
    int err = table_load(&client_table, path, &read, note);
    if (err == 0)
        *settings = read;
    return err;
}

int client_conf_print(const struct client_settings *settings, FILE *into)
{
    return table_print(&client_table, settings, into);
}
