/* Which nodes are asked, and with which token. */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "arguments.h"

#define TARGET_URL_SIZE   300
#define TARGET_DEFAULT    "127.0.0.1:9600"
#define TARGET_TOKEN_SIZE 260

struct targets {
    unsigned count;
    char urls[ADMINS_MAX][TARGET_URL_SIZE]; /* "http://host:port", in the order of asking */
    char token[TARGET_TOKEN_SIZE];          /* "" when there is none */
};

/* --admin, else TRILOG_ADMIN ("host:port,host:port"), else the lines "admin HOST:PORT" of a file,
 * else 127.0.0.1:9600. The token: --token-file, else TRILOG_TOKEN_FILE, else the file's line
 * "token_file PATH". The file is TRILOG_CONFIG, else ~/.config/trilog/cli.conf, else
 * /etc/trilog/cli.conf; only one that was named must exist. False with a sentence in `trouble`. */
bool targets_find(const struct arguments *arguments, struct targets *targets, char *trouble,
                  size_t trouble_size);

/* "host:port", with a port; or with http:// or https:// before it. */
bool target_url(const char *text, char url[TARGET_URL_SIZE]);

#endif
