/* An installation's insides, shared by ship_install.c (pieces) and ship_commit.c (the swap). */
#ifndef LOG_SHIP_INSTALL_H
#define LOG_SHIP_INSTALL_H

#include "ship.h"

/* NEW --first write--> PREPARING --> READY, or NEW again after an error. */
enum folder_state { FOLDER_NEW, FOLDER_PREPARING, FOLDER_READY };

enum piece_state { PIECE_MISSING, PIECE_ASKED, PIECE_HERE };

struct install_file {
    uint8_t *pieces; /* enum piece_state each; NULL when the file is ours already */
    uint32_t piece_count;
    bool is_ours;      /* a segment of this replica has the same bytes */
    uint32_t own_size; /* else its front, so long, is what an open segment of this replica has */
};

struct log_install {
    struct log_store *store;
    struct slice contents;    /* the peer's, copied */
    struct manifest manifest; /* parsed; borrows from contents */
    struct ship_list list;
    struct install_file *files;
    unsigned file_next; /* where log_install_next goes on */
    unsigned pending_writes;
    enum folder_state folder;                         /* "incoming"; changes on the shard only */
    struct log_install_write *waiting, *waiting_last; /* for the folder, oldest first */
    struct work_item folder_item;
    int folder_err;           /* of its preparation */
    struct store_table table; /* what commit has opened, until the swap */
    bool has_claims;          /* on the folders of its partitions */
    bool is_decided;          /* the manifest may be the snapshot's: there is no way back ... */
    bool is_placed;           /* ... and it is */
};

/* Where a file is staged; `path` has LOG_PATH_SIZE bytes. */
void ship_staged_path(const struct log_store *s, const struct ship_file *file, char *path);
/* Makes "incoming" and drops what belongs to no file of this snapshot, unless that is done. On
 * the worker, while nothing else of this installation is there. */
int ship_prepare_folder(struct log_install *i);
void ship_install_free(struct log_install *i);

#endif
