/* What commands share that meet the cluster as applications do. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "command.h"

/* Addresses of the command line take the place of a file of settings. */
bool client_use_bootstrap(struct session *s, const char *client_id);

/* Ctrl-C, and a word to end, are asked about from now on. */
void client_catch_interrupts(void);
bool client_is_interrupted(void);

int64_t client_now_ms(void); /* monotonic */

#endif
