/* Token, Host, Origin: see the header. */
#include "base/http_guard.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/event.h"

static int take_token(struct http_guard *guard, const char *text, size_t size, const char *path,
                      struct err_note *note)
{
    while (size > 0 && isspace((unsigned char)text[size - 1]))
        size--;
    for (size_t i = 0; i < size; i++)
        if (!isgraph((unsigned char)text[i]))
            return err_set(note, ERR_INVALID, "%s: a token is one line of printable characters",
                           path);
    if (size < GUARD_TOKEN_SIZE_MIN || size > GUARD_TOKEN_SIZE_MAX)
        return err_set(note, ERR_INVALID, "%s: a token has %d to %d characters", path,
                       GUARD_TOKEN_SIZE_MIN, GUARD_TOKEN_SIZE_MAX);
    memset(guard->token, 0, sizeof guard->token);
    memcpy(guard->token, text, size);
    guard->token_size = size;
    return 0;
}

int guard_read_token(struct http_guard *guard, const char *path, struct err_note *note)
{
    char text[GUARD_TOKEN_SIZE_MAX + 3]; /* with the end of its line, and a byte too many */
    struct stat status;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_set(note, uv_translate_sys_error(errno), "admin_token_file %s: %s", path,
                       strerror(errno));
    size_t size = fread(text, 1, sizeof text, file);
    int err = ferror(file) ? uv_translate_sys_error(errno) : 0;
    if (fstat(fileno(file), &status) == 0 && (status.st_mode & (S_IROTH | S_IWOTH)) != 0)
        event_warn("admin_token_exposed", "file=%s reason=\"every user of this machine reads it\"",
                   path);
    fclose(file);
    if (err != 0)
        return err_set(note, err, "admin_token_file %s: %s", path, err_text(err));
    if (size == sizeof text)
        return err_set(note, ERR_INVALID, "%s: a token has at most %d characters", path,
                       GUARD_TOKEN_SIZE_MAX);
    return take_token(guard, text, size, path, note);
}

bool guard_has_token(const struct http_guard *guard, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (guard->token_size == 0)
        return true;
    if (authorization == NULL || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *sent = authorization + sizeof scheme - 1;
    size_t sent_size = strlen(sent);
    unsigned difference = sent_size == guard->token_size ? 0 : 1;
    for (size_t i = 0; i < sent_size; i++) /* all of it, also behind the first difference */
        difference |= (unsigned char)sent[i] ^ (unsigned char)guard->token[i % guard->token_size];
    return difference == 0;
}

/* The header without its port and brackets; false when it does not fit or is cut off. */
static bool bare_host(const char *host, char *bare, size_t size)
{
    bool is_bracketed = host[0] == '[';
    const char *start = is_bracketed ? host + 1 : host;
    size_t length = strcspn(start, is_bracketed ? "]" : ":");
    if (length == 0 || length >= size || (is_bracketed && start[length] != ']'))
        return false;
    memcpy(bare, start, length);
    bare[length] = '\0';
    const char *port = start + length + (is_bracketed ? 1 : 0);
    return *port == '\0' || (*port == ':' && strspn(port + 1, "0123456789") == strlen(port + 1));
}

bool guard_is_own_host(const struct http_guard *guard, const char *host)
{
    char bare[256];
    unsigned char address[16];
    if (host == NULL || !bare_host(host, bare, sizeof bare))
        return false;
    return inet_pton(AF_INET, bare, address) == 1 || inet_pton(AF_INET6, bare, address) == 1 ||
           strcasecmp(bare, "localhost") == 0 || strcasecmp(bare, guard->listen_host) == 0;
}
