/* The node's table. Private to conf/. */
#ifndef CONF_NODE_H
#define CONF_NODE_H

#include "conf/conf.h"
#include "setting.h"

/* Its rows stand by conf_setting_id. */
extern const struct setting_table node_table;

#endif
