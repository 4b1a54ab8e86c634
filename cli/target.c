/* Command line before environment before file before what a node has by default. */
#include "target.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool target_url(const char *text, char url[TARGET_URL_SIZE])
{
    bool has_scheme = strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
    const char *host = has_scheme ? strstr(text, "://") + 3 : text;
    size_t length = strlen(host);
    const char *port = strrchr(host, ':');
    int64_t number;
    if (port == NULL || port == host || length + 8 >= TARGET_URL_SIZE ||
        !arguments_number(port + 1, 1, 65535, &number))
        return false;
    for (const char *at = host; at < port; at++) {
        bool is_allowed = isalnum((unsigned char)*at) || strchr("-._", *at) != NULL;
        if (!is_allowed && !(host[0] == '[' && port[-1] == ']' && strchr("[]:", *at) != NULL))
            return false;
    }
    snprintf(url, TARGET_URL_SIZE, "%s%s", has_scheme ? "" : "http://", text);
    return true;
}

static bool add(struct targets *t, const char *text, const char *from, char *trouble,
                size_t trouble_size)
{
    if (t->count == ADMINS_MAX) {
        snprintf(trouble, trouble_size, "%s names more than %d nodes", from, ADMINS_MAX);
        return false;
    }
    if (target_url(text, t->urls[t->count])) {
        t->count++;
        return true;
    }
    snprintf(trouble, trouble_size, "%s: '%.100s' is not HOST:PORT", from, text);
    return false;
}

static bool add_list(struct targets *t, const char *list, char *trouble, size_t trouble_size)
{
    char copy[ADMINS_MAX * TARGET_URL_SIZE];
    if (strlen(list) >= sizeof copy) {
        snprintf(trouble, trouble_size, "TRILOG_ADMIN is too long");
        return false;
    }
    memcpy(copy, list, strlen(list) + 1);
    char *rest = copy, *one;
    while ((one = strsep(&rest, ", ")) != NULL)
        if (one[0] != '\0' && !add(t, one, "TRILOG_ADMIN", trouble, trouble_size))
            return false;
    return true;
}

/* ---- the file ---- */

struct target_file {
    char path[512];
    char token_path[512]; /* "" when it names none */
};

static FILE *open_file(struct target_file *file, bool *is_missing)
{
    const char *named = getenv("TRILOG_CONFIG"), *home = getenv("HOME");
    FILE *stream = NULL;
    *is_missing = false;
    if (named != NULL && named[0] != '\0') {
        snprintf(file->path, sizeof file->path, "%s", named);
        stream = fopen(file->path, "re");
        *is_missing = stream == NULL;
        return stream;
    }
    if (home != NULL) {
        snprintf(file->path, sizeof file->path, "%s/.config/trilog/cli.conf", home);
        stream = fopen(file->path, "re");
    }
    if (stream == NULL) {
        snprintf(file->path, sizeof file->path, "/etc/trilog/cli.conf");
        stream = fopen(file->path, "re");
    }
    return stream;
}

/* One line: nothing, a comment, "admin HOST:PORT" or "token_file PATH". */
static bool take_line(struct targets *t, struct target_file *file, char *line, bool wants_admins,
                      char *trouble, size_t trouble_size)
{
    char *name = line + strspn(line, " \t");
    size_t size = strlen(name);
    while (size > 0 && isspace((unsigned char)name[size - 1]))
        name[--size] = '\0';
    if (size == 0 || name[0] == '#')
        return true;
    char *value = name + strcspn(name, " \t");
    if (*value != '\0')
        *value++ = '\0';
    value += strspn(value, " \t");
    if (strcmp(name, "admin") == 0 && *value != '\0')
        return !wants_admins || add(t, value, file->path, trouble, trouble_size);
    if (strcmp(name, "token_file") == 0 && *value != '\0') {
        snprintf(file->token_path, sizeof file->token_path, "%s", value);
        return true;
    }
    snprintf(trouble, trouble_size, "%s: '%.60s' is neither admin HOST:PORT nor token_file PATH",
             file->path, name);
    return false;
}

static bool read_file(struct targets *t, struct target_file *file, char *trouble,
                      size_t trouble_size)
{
    char line[1024];
    bool is_missing, is_sound = true, wants_admins = t->count == 0;
    FILE *stream = open_file(file, &is_missing);
    if (is_missing)
        snprintf(trouble, trouble_size, "TRILOG_CONFIG %s: %s", file->path, strerror(errno));
    if (stream == NULL)
        return !is_missing;
    while (is_sound && fgets(line, sizeof line, stream) != NULL)
        is_sound = take_line(t, file, line, wants_admins, trouble, trouble_size);
    fclose(stream);
    return is_sound;
}

static bool read_token(struct targets *t, const char *path, char *trouble, size_t trouble_size)
{
    FILE *stream = fopen(path, "re");
    if (stream == NULL) {
        snprintf(trouble, trouble_size, "token file %s: %s", path, strerror(errno));
        return false;
    }
    bool is_read = fgets(t->token, sizeof t->token, stream) != NULL;
    fclose(stream);
    size_t size = is_read ? strlen(t->token) : 0;
    while (size > 0 && isspace((unsigned char)t->token[size - 1]))
        t->token[--size] = '\0';
    for (size_t i = 0; i < size; i++)
        is_read &= isgraph((unsigned char)t->token[i]) != 0;
    if (size > 0 && is_read)
        return true;
    snprintf(trouble, trouble_size, "token file %s: holds no token", path);
    return false;
}

bool targets_find(const struct arguments *arguments, struct targets *targets, char *trouble,
                  size_t trouble_size)
{
    struct target_file file = {0};
    const char *list = getenv("TRILOG_ADMIN"), *token_path = getenv("TRILOG_TOKEN_FILE");
    memset(targets, 0, sizeof *targets);
    for (unsigned i = 0; i < arguments->admin_count; i++)
        if (!add(targets, arguments->admins[i], "--admin", trouble, trouble_size))
            return false;
    if (targets->count == 0 && list != NULL && !add_list(targets, list, trouble, trouble_size))
        return false;
    if (!read_file(targets, &file, trouble, trouble_size))
        return false;
    if (targets->count == 0 && !add(targets, TARGET_DEFAULT, "default", trouble, trouble_size))
        return false;
    if (arguments->values[OPTION_TOKEN_FILE] != NULL)
        token_path = arguments->values[OPTION_TOKEN_FILE];
    if (token_path == NULL || token_path[0] == '\0')
        token_path = file.token_path;
    return token_path[0] == '\0' || read_token(targets, token_path, trouble, trouble_size);
}
