/* The settings that an application's environment gives it: a small file, or a variable, and whether
 * the file is another one now. Private to libtrilog. */
#ifndef CLIENT_SETTINGS_FILE_H
#define CLIENT_SETTINGS_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "conf/client_conf.h"

/* Where they come from, and which state of it was read. Plain memory. */
struct settings_file {
    char path[CONF_PATH_SIZE]; /* "" where the variable holds the settings themselves */
    uint64_t device, inode, size;
    int64_t modified_s, modified_ns; /* all zero: it was not there */
};

/* Finds where they are (`path`; NULL: what TRILOG_CLIENT_CONFIG says, else the default) and reads
 * them. A variable that begins with '{' is the settings themselves. On an error `settings` is
 * unchanged; see client_conf_load(). */
int settings_file_open(struct settings_file *f, const char *path, struct client_settings *settings,
                       struct err_note *note);

/* Is there another file, or another state of it, than was read last? One look at the disk. A file
 * that is missing just now is none. */
bool settings_file_has_changed(const struct settings_file *f);

/* As if no state of it had been read. */
void settings_file_forget(struct settings_file *f);

/* Reads them again; a state that can't be used counts as read. On an error as above. */
int settings_file_load(struct settings_file *f, struct client_settings *settings,
                       struct err_note *note);

#endif
