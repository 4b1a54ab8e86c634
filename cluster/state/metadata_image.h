/* The inside of group 0's state; shared by its files only. */
#ifndef CLUSTER_STATE_METADATA_IMAGE_H
#define CLUSTER_STATE_METADATA_IMAGE_H

#include <pthread.h>
#include <uthash.h>

#include "cluster/metadata.h"
#include "state/byte_list.h"

struct topic_entry {
    struct metadata_topic topic; /* what readers see */
    UT_hash_handle by_name;
    UT_hash_handle by_id;
};

/* Who owns a partition number of a group. */
struct number_entry {
    struct {
        uint32_t group_id, number;
    } key;
    struct topic_entry *topic;
    int32_t partition;
    UT_hash_handle hh;
};

struct metadata {
    pthread_rwlock_t lock; /* readers on other shards against apply */
    bool has_cluster;      /* METADATA_CLUSTER was applied */
    uint8_t cluster_id[16];
    uint64_t version;           /* raft index of the last change */
    uint64_t placement_version; /* raft index of the last change of nodes or groups' places */
    uint64_t failover_epoch;    /* never goes down */
    int64_t next_producer_id;   /* never goes down */
    unsigned partition_total;   /* of all topics */
    unsigned node_count;
    struct metadata_node nodes[METADATA_NODES_MAX]; /* by id */
    unsigned group_count;
    struct metadata_group groups[METADATA_GROUPS_MAX];        /* by id; [0] is group 0 */
    struct metadata_founding foundings[METADATA_GROUPS_MAX];  /* by group id */
    struct metadata_recovered recovered[METADATA_GROUPS_MAX]; /* by group id */
    struct topic_entry *topics_by_name;
    struct topic_entry *topics_by_id;
    struct number_entry *numbers; /* those of moving partitions in both groups */
    struct metadata_move *moves;  /* in the order of their start; owned */
    unsigned move_count, move_capacity;
    struct metadata_switch planned;
    struct router_verdict verdict; /* on sites; epoch 0: none is agreed yet */
    unsigned epoch_count;
    struct metadata_epoch epochs[METADATA_EPOCHS_KEPT]; /* rises of the failover epoch, in order */
};

/* metadata_image.c: changes to the image; the caller holds the lock for writing. */
int metadata_image_add_topic(struct metadata *m, const struct metadata_topic *topic,
                             struct topic_entry **entry);
void metadata_image_remove_topic(struct metadata *m, struct topic_entry *entry);
int metadata_image_set_configs(struct topic_entry *entry, const struct metadata_config *configs,
                               unsigned count);
/* May so many partitions be placed? There are data groups, and numbers left in each. */
bool metadata_image_has_room(const struct metadata *m, unsigned more);
/* Gives partitions [partition_count, count) of the topic a group and a number each. */
int metadata_image_place(struct metadata *m, struct topic_entry *entry, int32_t count);
int metadata_image_set_partition(struct metadata *m, struct topic_entry *entry, int32_t partition,
                                 struct metadata_partition place);
/* A number beside the place: of a partition that moves. 0 or UV_ENOMEM. */
int metadata_image_add_number(struct metadata *m, struct topic_entry *entry, int32_t partition,
                              struct metadata_partition place);
void metadata_image_forget_number(struct metadata *m, struct metadata_partition place);
struct metadata_group *metadata_image_group(struct metadata *m, uint32_t group_id);
struct topic_entry *metadata_image_topic(const struct metadata *m, const uint8_t id[16]);
void metadata_image_set_node(struct metadata *m, const struct metadata_node *node);
void metadata_image_clear(struct metadata *m);

/* metadata_change.c: one codec for what entries and the checkpoint both contain. */
void metadata_put_node(struct byte_list *list, const struct metadata_node *node);
int metadata_read_node(struct bytes_reader *r, struct metadata_node *node);
void metadata_put_group(struct byte_list *list, const struct metadata_group *group);
/* `has_mode`: of a version that says the group's mode; else it is synchronous. */
int metadata_read_group(struct bytes_reader *r, bool has_mode, struct metadata_group *group);
void metadata_put_configs(struct byte_list *list, const struct metadata_config *configs,
                          unsigned count);
/* Reads at most METADATA_CONFIGS_MAX; texts are owned by the caller (metadata_free_configs). */
int metadata_read_configs(struct bytes_reader *r, struct metadata_config *configs, unsigned *count);
void metadata_free_configs(struct metadata_config *configs, unsigned count);

/* Copies a text that must fit and must not contain a zero byte. */
int metadata_copy_text(struct bytes text, char *into, size_t size);

/* It has a site, and an address if it was ever heard. */
bool metadata_node_is_sound(const struct metadata_node *node);

/* A data group's number that it has given, and that nobody else has. */
bool metadata_is_place_sound(struct metadata *m, struct metadata_partition place);

/* metadata_nodes.c: nodes and where groups are to vote; the rest of the change is in `r`. */
int metadata_apply_node(struct metadata *m, struct bytes_reader *r);
int metadata_apply_node_state(struct metadata *m, struct bytes_reader *r);
int metadata_apply_placement(struct metadata *m, bool has_mode, struct bytes_reader *r);
/* May the group stand where it is to be? Who was there before, in `known`, may be in any state. */
int metadata_check_place(const struct metadata *m, const struct metadata_group *g,
                         const struct metadata_group *known);

/* metadata_groups.c: groups that come after the founding. */
int metadata_apply_group_add(struct metadata *m, struct bytes_reader *r);
void metadata_put_foundings(struct byte_list *list, const struct metadata *m);
int metadata_read_foundings(struct metadata *m, struct bytes_reader *r);

/* metadata_recovery.c: forced recoveries that group 0 orders. */
int metadata_apply_recovery_order(struct metadata *m, int64_t wall_ms, struct bytes_reader *r);
void metadata_put_recovery_change(struct byte_list *list, const struct metadata_change *change);
void metadata_put_recovered(struct byte_list *list, const struct metadata *m);
int metadata_read_recovered(struct metadata *m, struct bytes_reader *r);

/* metadata_moves.c: partitions that move between groups. */
int metadata_apply_move(struct metadata *m, struct bytes_reader *r);
/* After each change: what waits for a group's nodes may have them all now. */
void metadata_review_moves(struct metadata *m);
/* The group was recovered: what its log may have lost of a move is done again. `is_all`: so was
 * group 0. 0 or UV_ENOMEM. */
int metadata_renew_moves(struct metadata *m, uint32_t group_id, bool is_all);
/* The topic goes: its moves end, and the numbers that it has beside its places. */
void metadata_end_moves(struct metadata *m, const struct metadata_topic *topic);
void metadata_put_move_change(struct byte_list *list, const struct metadata_change *change);
void metadata_put_moves(struct byte_list *list, const struct metadata *m);
int metadata_read_moves(struct metadata *m, struct bytes_reader *r);

/* metadata_epoch.c: rises of the failover epoch. */
void metadata_put_epoch(struct byte_list *list, const struct metadata_epoch *row);
int metadata_read_epoch(struct bytes_reader *r, struct metadata_epoch *row);
void metadata_put_epochs(struct byte_list *list, const struct metadata *m);
int metadata_read_epochs(struct metadata *m, struct bytes_reader *r);

/* metadata_sites.c: the verdict on sites. */
int metadata_apply_sites(struct metadata *m, struct bytes_reader *r);
void metadata_put_site_change(struct byte_list *list, const struct metadata_change *change);
/* After a forced recovery of group 0. */
void metadata_stride_verdict(struct metadata *m);
void metadata_put_verdict(struct byte_list *list, const struct metadata *m);
int metadata_read_verdict(struct metadata *m, struct bytes_reader *r);

/* metadata_switch.c: the planned switch, and with it the epochs. */
int metadata_apply_switch(struct metadata *m, int64_t wall_ms, struct bytes_reader *r);
void metadata_put_switch_change(struct byte_list *list, const struct metadata_change *change);
void metadata_put_switch(struct byte_list *list, const struct metadata *m);
int metadata_read_switch(struct metadata *m, struct bytes_reader *r);

#endif
