/* The router's table. Private to conf/. */
#ifndef CONF_ROUTER_H
#define CONF_ROUTER_H

#include "conf/router_conf.h"
#include "setting.h"

/* Its rows stand by router_setting_id. */
extern const struct setting_table router_table;

#endif
