/* Lists of names and beginnings of names. Private to conf/. */
#ifndef CONF_PATTERN_H
#define CONF_PATTERN_H

#include "base/err.h"
#include "conf/field.h"

/* Reads "orders, billing-*", or "none". 0, or ERR_INVALID and a note that begins with `name`. */
int patterns_read(const char *name, const char *text, struct conf_patterns *into,
                  struct err_note *note);

#endif
