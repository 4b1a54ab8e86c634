/* How many files a router may need, and whether it may open so many. */
#ifndef ROUTER_OPEN_FILES_H
#define ROUTER_OPEN_FILES_H

#include "base/err.h"
#include "conf/router_conf.h"

/* At most: its clients, its connections to the nodes that the settings name, its own. `shards` is
 * set. */
uint64_t router_open_files(const struct router_settings *settings);
/* Raises the process's limit as far as it goes. ERR_INVALID, with a note: that is too few. */
int router_open_files_check(const struct router_settings *settings, struct err_note *note);

#endif
