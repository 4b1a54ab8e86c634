/* A queue of the kernel's packet filter (NFQUEUE) in front of a delay line.
 *
 * The packets stay in the kernel. What comes here is a number per packet and some facts about it
 * (copy mode META; with NONE the kernel drops instead of queueing), and what goes back is a
 * verdict on a number: accept, and the packet goes on from where it was stopped. So a packet
 * costs the same whatever its size, and F_GSO keeps the large ones that segmentation offload
 * makes (64 KiB) whole: a gigabit is then some 2,000 packets a second and not 83,000.
 *
 * Verdicts: in order, everything that is due has lower numbers than everything that is not, and
 * one batch verdict "all up to N" sends it on. When packets may overtake, verdicts go one by
 * one, many messages to a write.
 *
 * F_FAIL_OPEN is not asked for: with it, the kernel would let packets pass a full queue at once,
 * before those that wait. A full queue drops, as a router does. Its bound in the kernel is above
 * that of the line, so that drops are counted here. When our socket's buffer is full the kernel
 * drops the packet and has used up its number: the gap in the numbers is how that is counted,
 * per queue and exactly, and ENOBUFS, which says less, is switched off. */
#include "queue.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SOCKET_BUFFER_BYTES (32 << 20)
#define CONFIRM_WAIT_MS     2000
#define READ_MESSAGES       64   /* to a system call */
#define MESSAGE_BYTES       1024 /* META of one packet is below 200 */
#define RELEASE_PACKETS     64   /* to a system call, where verdicts go one by one */
#define VERDICT_BYTES       64   /* one verdict message is 32 */
#define UNREAD_PACKETS      (1u << 20)

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void send_messages(struct queue *q, const void *data, size_t size)
{
    if (mnl_socket_sendto(q->netlink, data, size) < 0)
        fprintf(stderr, "wand: queue %u: no verdict: %s\n", q->number, strerror(errno));
}

static size_t put_verdict(struct queue *q, char *at, int type, uint32_t id, int verdict)
{
    struct nlmsghdr *message = nfq_nlmsg_put(at, type, q->number);
    nfq_nlmsg_verdict_put(message, (int)id, verdict);
    assert(message->nlmsg_len <= VERDICT_BYTES);
    return message->nlmsg_len;
}

static void drop(struct queue *q, uint32_t id)
{
    char data[VERDICT_BYTES];
    send_messages(q, data, put_verdict(q, data, NFQNL_MSG_VERDICT, id, NF_DROP));
}

static void accept_up_to(struct queue *q, uint32_t id)
{
    char data[VERDICT_BYTES];
    send_messages(q, data, put_verdict(q, data, NFQNL_MSG_VERDICT_BATCH, id, NF_ACCEPT));
}

static void accept_each(struct queue *q, const uint32_t *ids, size_t count)
{
    char data[RELEASE_PACKETS * VERDICT_BYTES];
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += put_verdict(q, data + size, NFQNL_MSG_VERDICT, ids[i], NF_ACCEPT);
    send_messages(q, data, size);
}

static void on_packet(struct queue *q, uint32_t id, int64_t came_at_ns)
{
    uint32_t gap = id - q->last_id - 1;
    q->line.dropped += gap;
    q->last_id = id;
    if (delay_line_push(&q->line, id, came_at_ns) == DELAY_LINE_LOST)
        drop(q, id);
}

static void on_packet_message(struct queue *q, const struct nlmsghdr *message, int64_t came_at_ns)
{
    struct nlattr *attributes[NFQA_MAX + 1] = {NULL};
    if (nfq_nlmsg_parse(message, attributes) < 0 || attributes[NFQA_PACKET_HDR] == NULL ||
        mnl_attr_get_payload_len(attributes[NFQA_PACKET_HDR]) < sizeof(struct nfqnl_msg_packet_hdr))
        return;
    const struct nfqnl_msg_packet_hdr *packet = mnl_attr_get_payload(attributes[NFQA_PACKET_HDR]);
    on_packet(q, ntohl(packet->packet_id), came_at_ns);
}

/* The answer to the configuration, or a verdict on a packet that the kernel has dropped by itself
 * since (its device went down): that is none of our business. */
static void on_error_message(struct queue *q, const struct nlmsghdr *message)
{
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nlmsgerr) || q->is_bound)
        return;
    const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
    q->refusal = -error->error;
    q->is_bound = error->error == 0;
}

static void on_datagram(struct queue *q, const char *data, size_t size, int64_t came_at_ns)
{
    const struct nlmsghdr *message = (const void *)data;
    int left = (int)size;
    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
        if (message->nlmsg_type == NLMSG_ERROR)
            on_error_message(q, message);
        else if (message->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) &&
                 mnl_nlmsg_get_payload_len(message) >= sizeof(struct nfgenmsg))
            on_packet_message(q, message, came_at_ns);
    }
}

void queue_read(struct queue *q)
{
    static _Alignas(struct nlmsghdr) char data[READ_MESSAGES][MESSAGE_BYTES]; /* one thread */
    struct iovec parts[READ_MESSAGES];
    struct mmsghdr datagrams[READ_MESSAGES];
    memset(datagrams, 0, sizeof datagrams);
    for (size_t i = 0; i < READ_MESSAGES; i++) {
        parts[i] = (struct iovec){data[i], MESSAGE_BYTES};
        datagrams[i].msg_hdr.msg_iov = &parts[i];
        datagrams[i].msg_hdr.msg_iovlen = 1;
    }
    int count = recvmmsg(queue_descriptor(q), datagrams, READ_MESSAGES, MSG_DONTWAIT, NULL);
    int64_t came_at_ns = now_ns();
    for (int i = 0; i < count; i++)
        if ((datagrams[i].msg_hdr.msg_flags & MSG_TRUNC) == 0)
            on_datagram(q, data[i], datagrams[i].msg_len, came_at_ns);
}

void queue_release_due(struct queue *q, int64_t now)
{
    uint32_t ids[RELEASE_PACKETS];
    size_t count;
    bool is_in_order = delay_line_is_in_order(&q->line);
    while ((count = delay_line_pop_due(&q->line, now, ids, RELEASE_PACKETS)) > 0) {
        if (is_in_order)
            accept_up_to(q, ids[count - 1]);
        else
            accept_each(q, ids, count);
    }
}

void queue_release_all(struct queue *q)
{
    queue_release_due(q, INT64_MAX);
    accept_up_to(q, q->last_id + UNREAD_PACKETS);
}

static int configure(struct queue *q, uint32_t packets_max)
{
    char data[256];
    uint32_t flags = htonl(NFQA_CFG_F_GSO);
    struct nlmsghdr *message = nfq_nlmsg_put(data, NFQNL_MSG_CONFIG, q->number);
    message->nlmsg_flags |= NLM_F_ACK;
    nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
    nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_META, 0);
    nfq_nlmsg_cfg_put_qmaxlen(message, packets_max);
    mnl_attr_put(message, NFQA_CFG_FLAGS, sizeof flags, &flags);
    mnl_attr_put(message, NFQA_CFG_MASK, sizeof flags, &flags);
    if (mnl_socket_sendto(q->netlink, message, message->nlmsg_len) < 0)
        return -1;
    struct pollfd readable = {.fd = queue_descriptor(q), .events = POLLIN};
    while (!q->is_bound && q->refusal == 0 && poll(&readable, 1, CONFIRM_WAIT_MS) > 0)
        queue_read(q);
    errno = q->refusal != 0 ? q->refusal : ETIMEDOUT;
    return q->is_bound ? 0 : -1;
}

static int connect_to_kernel(struct queue *q)
{
    int on = 1, size_bytes = SOCKET_BUFFER_BYTES;
    q->netlink = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (q->netlink == NULL || mnl_socket_bind(q->netlink, 0, MNL_SOCKET_AUTOPID) < 0)
        return -1;
    if (mnl_socket_setsockopt(q->netlink, NETLINK_NO_ENOBUFS, &on, sizeof on) < 0)
        return -1;
    return setsockopt(queue_descriptor(q), SOL_SOCKET, SO_RCVBUFFORCE, &size_bytes,
                      sizeof size_bytes);
}

int queue_open(struct queue *q, uint16_t number, const char *name, uint32_t packets_max,
               uint64_t seed)
{
    memset(q, 0, sizeof *q);
    q->number = number;
    if (delay_line_init(&q->line, name, packets_max, seed) == 0 && connect_to_kernel(q) == 0 &&
        configure(q, packets_max + UNREAD_PACKETS) == 0)
        return 0;
    int why = errno;
    fprintf(stderr, "wand: queue %u: %s%s\n", number, strerror(why),
            why == EPERM   ? " (it needs root)"
            : why == EBUSY ? " (another program has it)"
                           : "");
    queue_close(q);
    return -1;
}

void queue_close(struct queue *q)
{
    if (q->netlink != NULL)
        mnl_socket_close(q->netlink);
    q->netlink = NULL;
    delay_line_close(&q->line);
}

int queue_descriptor(const struct queue *q)
{
    return mnl_socket_get_fd(q->netlink);
}
