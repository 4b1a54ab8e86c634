/* Names resolved, bound, listening: the same for all that a node listens on. */
#include "server/listen_socket.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int listen_socket_open(const struct conf_address *address, const char *setting, int backlog,
                       int *descriptor, struct err_note *note)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    char port[8];
    snprintf(port, sizeof port, "%u", address->port);
    int code = getaddrinfo(address->host, port, &hints, &found);
    if (code != 0)
        return err_set(note, ERR_INVALID, "%s %s: %s", setting, address->host, gai_strerror(code));
    int one = 1, err = 0;
    *descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*descriptor < 0 ||
        setsockopt(*descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(*descriptor, found->ai_addr, found->ai_addrlen) != 0 ||
        listen(*descriptor, backlog) != 0)
        err = uv_translate_sys_error(errno);
    freeaddrinfo(found);
    if (err != 0 && *descriptor >= 0)
        close(*descriptor);
    return err == 0 ? 0
                    : err_set(note, err, "%s %s:%u: %s", setting, address->host, address->port,
                              err_text(err));
}
