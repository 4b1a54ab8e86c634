/* What settings mean to each other, as far as it is the same for all tables.
 *
 * Each rule names the setting at fault, so that the message leads to its line. Rules about
 * ranges are in the table. Only what can't work is refused; what is merely unwise is not. */
#include "check.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int check_refuse(const struct setting_table *table, const void *settings, struct err_note *note,
                 unsigned row, const char *format, ...)
{
    char text[ERR_NOTE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *source = table_source(table, settings);
    const char *name = table->rows[row].name;
    uint32_t line = table_line(table, settings, row);
    if (line == 0)
        return err_set(note, ERR_INVALID, "%s: %s: %s", source, name, text);
    return err_set(note, ERR_INVALID, "%s:%u: %s: %s", source, line, name, text);
}

static int64_t number_of(const struct setting_table *table, const void *settings, unsigned row)
{
    return *(const int64_t *)setting_value(settings, &table->rows[row]);
}

static int check_order(const struct setting_table *table, const void *settings,
                       const struct check_order *o, struct err_note *note)
{
    if (number_of(table, settings, o->low) <= number_of(table, settings, o->high) - o->slack)
        return 0;
    /* Blame what the operator wrote, not a default. */
    if (table_line(table, settings, o->low) == 0 && table_line(table, settings, o->high) != 0)
        return check_refuse(table, settings, note, o->high, "is too small for %s: %s",
                            table->rows[o->low].name, o->why);
    return check_refuse(table, settings, note, o->low, "is too large for %s: %s",
                        table->rows[o->high].name, o->why);
}

int check_orders(const struct setting_table *table, const void *settings,
                 const struct check_order *orders, size_t count, struct err_note *note)
{
    int err = 0;
    for (size_t i = 0; err == 0 && i < count; i++)
        err = check_order(table, settings, &orders[i], note);
    return err;
}

bool check_is_same_address(const struct conf_address *a, const struct conf_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

bool conf_is_loopback(const char *host)
{
    struct in_addr address;
    if (strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0)
        return true;
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

int check_admin_token(const struct setting_table *table, const void *settings, unsigned row,
                      const char *token_file, struct err_note *note)
{
    const struct conf_address *admin = setting_value(settings, &table->rows[row]);
    if (admin->port == 0 || conf_is_loopback(admin->host) || token_file[0] != '\0')
        return 0;
    return check_refuse(table, settings, note, row,
                        "is reached from other machines, so admin_token_file must be set");
}

bool check_is_every_interface(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* On loopback, beside `listen`: programs that share a machine differ in host or port there already,
 * so they need no setting of their own here. */
struct conf_address check_default_admin(const struct conf_address *listen)
{
    struct conf_address admin = {.host = "127.0.0.1"};
    bool is_above = listen->port <= UINT16_MAX - CONF_ADMIN_PORT_STEP;
    if (conf_is_loopback(listen->host))
        admin = *listen;
    admin.port = (uint16_t)(is_above ? listen->port + CONF_ADMIN_PORT_STEP
                                     : listen->port - CONF_ADMIN_PORT_STEP);
    return admin;
}
