/* Settings out of a file or a variable.
 *
 * Which state was read is noted before reading it: a change meanwhile is seen as one then. */
#include "settings_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG_VARIABLE "TRILOG_CLIENT_CONFIG"
#define CONFIG_DEFAULT  "/etc/trilog/client.yaml"

/* Its state now; false when it is not there. */
static bool look(const char *path, struct settings_file *state)
{
    struct stat s;
    if (stat(path, &s) != 0)
        return false;
    state->device = s.st_dev;
    state->inode = s.st_ino;
    state->size = (uint64_t)s.st_size;
    state->modified_s = s.st_mtim.tv_sec;
    state->modified_ns = s.st_mtim.tv_nsec;
    return true;
}

static int load_variable(struct client_settings *settings, struct err_note *note)
{
    const char *text = getenv(CONFIG_VARIABLE);
    return client_conf_parse(bytes_of_text(text != NULL ? text : ""), CONFIG_VARIABLE, settings,
                             note);
}

int settings_file_load(struct settings_file *f, struct client_settings *settings,
                       struct err_note *note)
{
    if (f->path[0] == '\0')
        return load_variable(settings, note);
    look(f->path, f);
    return client_conf_load(f->path, settings, note);
}

int settings_file_open(struct settings_file *f, const char *path, struct client_settings *settings,
                       struct err_note *note)
{
    *f = (struct settings_file){0};
    if (path == NULL)
        path = getenv(CONFIG_VARIABLE);
    if (path == NULL || path[0] == '\0')
        path = CONFIG_DEFAULT;
    if (strlen(path) >= sizeof f->path && path[0] != '{')
        return err_set(note, ERR_TOO_LARGE, "the path of the settings is too long");
    if (path[0] != '{')
        bytes_copy_text(f->path, sizeof f->path, path);
    return settings_file_load(f, settings, note);
}

bool settings_file_has_changed(const struct settings_file *f)
{
    struct settings_file now = {0};
    if (f->path[0] == '\0' || !look(f->path, &now))
        return false;
    return now.device != f->device || now.inode != f->inode || now.size != f->size ||
           now.modified_s != f->modified_s || now.modified_ns != f->modified_ns;
}

void settings_file_forget(struct settings_file *f)
{
    f->device = f->inode = f->size = 0;
    f->modified_s = f->modified_ns = 0;
}
