/* The operator's port of a router: HTTP and JSON, on a thread of its own (docs/router.md). */
#ifndef ROUTER_ADMIN_H
#define ROUTER_ADMIN_H

#include "base/err.h"
#include "conf/router_conf.h"

struct router_admin;
struct router_process;

/* 0 with *admin NULL when there is to be no such port, or when the default one is taken: then an
 * event says so, for the router's own work does not depend on it. Returned owned
 * (router_admin_stop). */
int router_admin_start(struct router_process *p, const struct router_settings *settings,
                       struct router_admin **admin, struct err_note *note);
/* NULL is allowed. */
void router_admin_stop(struct router_admin *a);

#endif
