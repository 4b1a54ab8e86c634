/* What GROUP_STATE entries say: the body of each kind, little-endian.
 *
 * A body is built with the put functions and checked whole by group_entry_decode; the lists in it
 * stay bytes and are walked with the read functions, which can't fail after a decode. Texts are
 * Kafka's: at most GROUP_TEXT_SIZE_MAX bytes, for they become strings of __consumer_offsets. */
#ifndef CLUSTER_GROUP_ENTRY_H
#define CLUSTER_GROUP_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "protocol/types.h"

#define GROUP_TEXT_SIZE_MAX   INT16_MAX
#define GROUP_ENTRY_BYTES_MAX (16u << 20) /* of a body; what needs more is refused */

enum group_entry_kind {
    GROUP_ENTRY_COMMIT = 1,         /* offsets of one group */
    GROUP_ENTRY_GENERATION = 2,     /* a number is taken, before any member hears of it */
    GROUP_ENTRY_MEMBERSHIP = 3,     /* a generation's members and assignments; none: empty */
    GROUP_ENTRY_OFFSETS_DELETE = 4, /* some offsets of one group */
    GROUP_ENTRY_DELETE = 5,         /* the group */
    GROUP_ENTRY_POLICY = 6,         /* what a commit to the group may lower */
    GROUP_ENTRY_FORGET = 7          /* history that is too old, of all groups of the partition */
};

/* What a commit may lower (design, section 6, no-rollback rule). */
enum group_policy {
    GROUP_POLICY_DEFAULT = 0, /* of a group: as the commit's proposer says */
    GROUP_POLICY_GUARD = 1,   /* what the member itself has committed; else the higher one stays */
    GROUP_POLICY_DENY = 2,    /* nothing: refused */
    GROUP_POLICY_ALLOW = 3    /* anything, as in Kafka */
};
#define GROUP_POLICY_COUNT 4

struct group_commit {
    int32_t generation;              /* -1: not of a member */
    struct kafka_string member_id;   /* "" when not of a member */
    struct kafka_string instance_id; /* nullable */
    struct kafka_string client_id;   /* who */
    struct kafka_string client_host; /* and from where */
    uint64_t metadata_version;       /* in which the proposer saw the topics */
    int64_t expire_at_ms;            /* asked for by OffsetCommit 2-4; -1: none */
    enum group_policy policy;        /* of groups without one of their own */
    uint32_t offset_count;
    struct bytes offsets; /* group_offset_read */
};

/* Who asked, of what no member does. */
struct group_actor {
    struct kafka_string client_id, client_host;
};

struct group_offset {
    uint8_t topic_id[16];
    struct kafka_string topic;
    int32_t partition;
    int64_t offset;       /* -1, in a commit: no progress */
    int32_t leader_epoch; /* -1: not known */
    struct kafka_string metadata;
};

struct group_membership {
    int32_t generation;
    struct kafka_string protocol_type; /* nullable */
    struct kafka_string protocol_name; /* null when there are no members */
    struct kafka_string leader;        /* member id; null when there are no members */
    uint32_t member_count;
    struct bytes members; /* group_member_read */
};

struct group_member {
    struct kafka_string member_id;
    struct kafka_string instance_id; /* nullable */
    struct kafka_string client_id;
    struct kafka_string client_host;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    uint16_t protocol_count;
    struct bytes protocols; /* group_protocol_read: all that the member can do */
    struct bytes assignment;
};

struct group_protocol {
    struct kafka_string name;
    struct bytes metadata; /* the subscription, for consumers */
};

enum group_offset_delete_reason {
    GROUP_OFFSET_ASKED = 1,     /* OffsetDelete */
    GROUP_OFFSET_EXPIRED = 2,   /* offsets.retention.minutes */
    GROUP_OFFSET_TOPIC_GONE = 3 /* the topic was deleted */
};

struct group_offsets_delete {
    enum group_offset_delete_reason reason;
    struct group_actor actor; /* texts are "" when it is the coordinator itself */
    uint32_t offset_count;
    struct bytes offsets; /* group_removal_read */
};

struct group_removal {
    uint8_t topic_id[16]; /* only an offset committed for this topic; zeros: any */
    struct kafka_string topic;
    int32_t partition;
    int64_t committed_at_ms_max; /* a later commit stays */
};

struct group_deletion {
    bool is_only_when_bare; /* not while it has offsets or a policy of its own */
    struct group_actor actor;
};

struct group_policy_change {
    enum group_policy policy;
    struct group_actor actor;
};

struct group_entry {
    enum group_entry_kind kind;
    struct kafka_string group_id;
    union {
        struct group_commit commit;
        int32_t generation; /* GENERATION */
        struct group_membership membership;
        struct group_offsets_delete offsets_delete;
        struct group_deletion deletion;           /* DELETE */
        struct group_policy_change policy_change; /* POLICY */
        int64_t forget_before_ms;                 /* FORGET: by entry clock; the group id is "" */
    };
};

/* 0, ERR_VERSION or ERR_MALFORMED. What `entry` shows is borrowed from the body. */
int group_entry_decode(struct bytes body, struct group_entry *entry);

/* Each takes the next one; the reader is over a list of a decoded body. */
void group_offset_read(struct bytes_reader *r, struct group_offset *offset);
void group_member_read(struct bytes_reader *r, struct group_member *member);
void group_protocol_read(struct bytes_reader *r, struct group_protocol *protocol);
void group_removal_read(struct bytes_reader *r, struct group_removal *removal);

struct byte_list;
/* Begin a body; what follows in the list must be as many as the count says. */
void group_commit_put(struct byte_list *list, struct kafka_string group_id,
                      const struct group_commit *commit);
void group_membership_put(struct byte_list *list, struct kafka_string group_id,
                          const struct group_membership *membership);
void group_offsets_delete_put(struct byte_list *list, struct kafka_string group_id,
                              enum group_offset_delete_reason reason,
                              const struct group_actor *actor, uint32_t offset_count);
/* Elements of the lists. A member's protocols follow it, then its assignment. */
void group_offset_put(struct byte_list *list, const struct group_offset *offset);
void group_member_put(struct byte_list *list, const struct group_member *member);
void group_protocol_put(struct byte_list *list, const struct group_protocol *protocol);
void group_removal_put(struct byte_list *list, const struct group_removal *removal);
/* Whole bodies. */
void group_generation_put(struct byte_list *list, struct kafka_string group_id, int32_t generation);
void group_delete_put(struct byte_list *list, struct kafka_string group_id,
                      const struct group_deletion *deletion);
void group_policy_put(struct byte_list *list, struct kafka_string group_id,
                      const struct group_policy_change *change);
void group_forget_put(struct byte_list *list, int64_t before_ms);

/* A text as entries and the table's checkpoint write it: u16 size (0xffff: null) and bytes. */
void group_text_put(struct byte_list *list, struct kafka_string text);
struct kafka_string group_text_read(struct bytes_reader *r, bool is_nullable);
bool group_text_is_allowed(struct kafka_string text); /* not null, not too long */

#endif
