/* Lists of addresses as text, both ways. Private to conf/. */
#ifndef CONF_NETWORK_H
#define CONF_NETWORK_H

#include "base/err.h"
#include "conf/field.h"

/* "10.1.0.0/16, ::1", or "none": 0, or ERR_INVALID with "name: what is wrong". */
int networks_read(const char *name, const char *text, struct conf_networks *into,
                  struct err_note *note);

/* So that networks_read() of it gives the same. */
void networks_write(const struct conf_networks *networks, char *text, size_t size);

#endif
