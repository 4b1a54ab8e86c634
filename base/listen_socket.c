/* Names resolved, bound, listening: the same for all that nodes and routers listen on. */
#include "base/listen_socket.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int listen_socket_open(const char *host, uint16_t port, const char *setting, int backlog,
                       int *descriptor, struct err_note *note)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int code = getaddrinfo(host, service, &hints, &found);
    if (code != 0)
        return err_set(note, ERR_INVALID, "%s %s: %s", setting, host, gai_strerror(code));
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
    return err == 0 ? 0 : err_set(note, err, "%s %s:%u: %s", setting, host, port, err_text(err));
}
