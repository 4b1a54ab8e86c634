/* The view of lag by topic and site (lag_topic.c), one of several of the same answers. */
#ifndef CLI_LAG_H
#define CLI_LAG_H

#include "command.h"

void lag_print_topics(struct session *s, const struct session_answers *a);

#endif
