/* Waits until a node answers Metadata.
 *
 * librdkafka waits up to a second before it tries a refused connection again, which is longer
 * than a node should take to start. So here, and only here, the question is put by bare bytes:
 *
 *   int32 size | int16 api 3 | int16 version 1 | int32 correlation | int16 client id, -1 none |
 *   int32 topics, 0 none   →   int32 size | int32 correlation | int32 count of brokers | … */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define WAIT_US 120000000L

static const unsigned char question[] = {0, 0, 0,  14,  0,   3, 0, 1, 0,
                                         0, 0, 42, 255, 255, 0, 0, 0, 0};

static struct sockaddr_in read_address(const char *text)
{
    char host[64];
    int port;
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (sscanf(text, "%63[^:]:%d", host, &port) != 2 || port < 1 || port > 65535 ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1)
        load_fail("up wants one address, not %s", text);
    address.sin_port = htons((uint16_t)port);
    return address;
}

/* Brokers named in the answer; -1 without one. */
static int ask(const struct sockaddr_in *address)
{
    unsigned char answer[12];
    const struct timeval patience = {.tv_sec = 5};
    int broker_count = -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        load_fail("no socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 &&
        send(fd, question, sizeof question, MSG_NOSIGNAL) == (ssize_t)sizeof question &&
        recv(fd, answer, sizeof answer, MSG_WAITALL) == (ssize_t)sizeof answer && answer[7] == 42)
        broker_count = (answer[8] | answer[9] | answer[10]) == 0 ? answer[11] : -1;
    close(fd);
    return broker_count;
}

void load_up(const struct options *options)
{
    struct sockaddr_in address = read_address(options->brokers);
    int64_t deadline_us = now_us() + WAIT_US;
    while (ask(&address) < options->broker_count) {
        if (now_us() > deadline_us)
            load_fail("%s: no Metadata with %ld brokers", options->brokers, options->broker_count);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    printf("at_us=%lld\n", (long long)now_us());
}
