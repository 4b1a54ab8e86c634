/* Rules that any table may have between its settings. Private to conf/. */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include "setting.h"

/* ERR_INVALID with "file:line: name: …", or "file: name: …" for a default or one that is missing.
 */
__attribute__((format(printf, 5, 6))) int check_refuse(const struct setting_table *table,
                                                       const void *settings, struct err_note *note,
                                                       unsigned row, const char *format, ...);

/* A pair of NUMBERs of which the first must not be above the second. */
struct check_order {
    unsigned low;    /* row of the setting to blame … */
    unsigned high;   /* … for passing this one */
    int64_t slack;   /* room wanted between them */
    const char *why; /* for the operator */
};

int check_orders(const struct setting_table *table, const void *settings,
                 const struct check_order *orders, size_t count, struct err_note *note);

bool check_is_same_address(const struct conf_address *a, const struct conf_address *b);

/* An admin port that other machines reach wants a token: `row` is its ADDRESS. */
int check_admin_token(const struct setting_table *table, const void *settings, unsigned row,
                      const char *token_file, struct err_note *note);

/* Does it stand for all addresses of the machine, so that nobody can be told to connect to it? */
bool check_is_every_interface(const char *host);

/* Where the operator connects unless it is said, with clients at `listen`. */
struct conf_address check_default_admin(const struct conf_address *listen);

#endif
