/* What a node is to do with its replicas because of a forced recovery, kept in its data folder in
 * the file "recovery" from the moment that there is no way back until it is done (recovery.h).
 *
 * SURVIVE: the replica goes on as the only voter of a new generation. ASIDE: the group has a new
 * generation that this replica is not of; it is put aside, and a new one begins, empty. */
#ifndef CLUSTER_START_RECOVERY_ORDER_H
#define CLUSTER_START_RECOVERY_ORDER_H

#include "base/disk.h"
#include "cluster/recovery_entry.h"

enum recovery_action { RECOVERY_SURVIVE = 1, RECOVERY_ASIDE = 2 };

/* Each stage may be begun again; what is behind the last one is done. */
enum recovery_stage {
    RECOVERY_REPLAY =
        1,             /* all that the WAL has goes into the stores; survivors change generation */
    RECOVERY_MOVE = 2, /* what is put aside goes out of the way */
    RECOVERY_BEGIN = 3 /* ... and its group begins anew */
};

struct recovery_row {
    uint32_t group_id;
    enum recovery_action action;
    uint32_t generation; /* the new one */
    uint64_t recovery_id;
    uint64_t kept_index; /* SURVIVE: entries behind it are left out; 0: none is */
};

struct recovery_order {
    enum recovery_stage stage;
    unsigned row_count;
    struct recovery_row rows[METADATA_GROUPS_MAX]; /* by rising group id */
    struct recovery_entry entry; /* of SURVIVE rows: as it is applied, but for the generation; with
                                    none of them group_count is 0 */
};

/* The file's bytes, returned owned (free). 0 or UV_ENOMEM. */
int recovery_order_encode(const struct recovery_order *order, uint8_t **bytes, size_t *size);
/* 0, ERR_CORRUPT or ERR_VERSION. */
int recovery_order_decode(struct bytes file, struct recovery_order *order);

/* Makes it durable. 0, UV_ENOMEM, or the disk's error. Blocking. */
int recovery_order_write(const struct disk *disk, const struct recovery_order *order);
/* 0, UV_ENOENT when there is none, ERR_CORRUPT or ERR_VERSION: then the node must not serve. */
int recovery_order_read(const struct disk *disk, struct recovery_order *order);
/* It is done: durably gone. */
int recovery_order_remove(const struct disk *disk);

#endif
