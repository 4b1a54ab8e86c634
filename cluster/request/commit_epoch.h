/* Leader epochs for committed offsets whose client gave none. */
#ifndef CLUSTER_REQUEST_COMMIT_EPOCH_H
#define CLUSTER_REQUEST_COMMIT_EPOCH_H

#include "cluster/group_entry.h"
#include "request.h"

/* An offset of a commit, and where its partition lives. */
struct commit_part {
    struct group_offset offset;
    int16_t *error_code;        /* of its answer */
    struct broker_group *group; /* private: set where an epoch is looked for here */
    uint32_t number;            /* private: of the partition in that group */
};

struct commit_epochs;
typedef void (*commit_epochs_cb)(struct commit_epochs *e);

struct commit_epochs {
    void *data;
    struct request *request;
    struct commit_part *parts; /* the request's */
    uint32_t count;
    commit_epochs_cb cb; /* private from here on */
    unsigned pending;
};

/* Fills in the epoch of the last record before each offset that has none, where a replica here
 * knows it; -1 stays where not. `cb` runs once, on the connection's shard, perhaps from inside the
 * call. The caller sets the first four fields; memory is the request's. */
void commit_epochs_begin(struct commit_epochs *e, commit_epochs_cb cb);

#endif
