/* Who has which partition folder: a table of claims under a lock. It is asked when partitions come,
 * go or move, never per batch. */
#include "log/folders.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <uv.h>

struct claim_key {
    struct log_partition_id id;
    uint32_t group_id; /* 0 and is_removal: the folder is being removed */
    uint32_t is_removal;
};

struct claim {
    struct claim_key key;
    unsigned count;     /* partitions of the group with this id */
    bool is_writing;    /* one of them */
    UT_hash_handle hh;  /* by key */
    struct folder *own; /* its folder */
};

/* How many claims there are on a folder, of all groups. */
struct folder {
    struct log_partition_id id;
    unsigned count, writer_count;
    bool is_doubted;
    UT_hash_handle hh; /* by id */
};

struct group_index {
    uint32_t group_id;
    uint64_t index;
    UT_hash_handle hh; /* by group id */
};

struct log_folders {
    pthread_mutex_t lock;
    struct claim *claims;
    struct folder *folders;
    struct group_index *groups;
};

_Static_assert(sizeof(struct claim_key) == 28, "keys are compared as bytes");

struct log_folders *log_folders_create(void)
{
    struct log_folders *f = calloc(1, sizeof *f);
    if (f != NULL)
        pthread_mutex_init(&f->lock, NULL);
    return f;
}

void log_folders_destroy(struct log_folders *f)
{
    struct claim *claim, *next_claim;
    struct folder *folder, *next_folder;
    struct group_index *group, *next_group;
    if (f == NULL)
        return;
    HASH_ITER(hh, f->claims, claim, next_claim)
    {
        HASH_DEL(f->claims, claim);
        free(claim);
    }
    HASH_ITER(hh, f->folders, folder, next_folder)
    {
        HASH_DEL(f->folders, folder);
        free(folder);
    }
    HASH_ITER(hh, f->groups, group, next_group)
    {
        HASH_DEL(f->groups, group);
        free(group);
    }
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static struct folder *folder_of(struct log_folders *f, const struct log_partition_id *id)
{
    struct folder *folder;
    HASH_FIND(hh, f->folders, id, sizeof *id, folder);
    if (folder != NULL)
        return folder;
    folder = calloc(1, sizeof *folder);
    if (folder != NULL) {
        folder->id = *id;
        HASH_ADD(hh, f->folders, id, sizeof folder->id, folder);
    }
    return folder;
}

static void leave_folder(struct log_folders *f, struct folder *folder)
{
    if (folder->count > 0)
        return;
    HASH_DEL(f->folders, folder);
    free(folder);
}

static struct claim *find(struct log_folders *f, const struct claim_key *key)
{
    struct claim *claim;
    HASH_FIND(hh, f->claims, key, sizeof *key, claim);
    return claim;
}

static int add(struct log_folders *f, const struct claim_key *key)
{
    struct claim *claim = find(f, key);
    if (claim == NULL) {
        struct folder *folder = folder_of(f, &key->id);
        claim = folder == NULL ? NULL : calloc(1, sizeof *claim);
        if (claim == NULL) {
            if (folder != NULL)
                leave_folder(f, folder);
            return UV_ENOMEM;
        }
        claim->key = *key;
        claim->own = folder;
        HASH_ADD(hh, f->claims, key, sizeof claim->key, claim);
    }
    claim->count++;
    claim->own->count++;
    return 0;
}

static void drop(struct log_folders *f, const struct claim_key *key)
{
    struct claim *claim = find(f, key);
    assert(claim != NULL);
    struct folder *folder = claim->own;
    folder->count--;
    if (--claim->count == 0) {
        folder->writer_count -= claim->is_writing;
        HASH_DEL(f->claims, claim);
        free(claim);
    }
    leave_folder(f, folder);
}

static struct claim_key key_of(const struct log_partition_id *id, uint32_t group_id)
{
    return (struct claim_key){.id = *id, .group_id = group_id};
}

static struct claim_key removal_of(const struct log_partition_id *id)
{
    return (struct claim_key){.id = *id, .is_removal = 1};
}

int log_folders_claim(struct log_folders *f, const struct log_partition_id *id, uint32_t group_id)
{
    struct claim_key key = key_of(id, group_id);
    pthread_mutex_lock(&f->lock);
    int err = add(f, &key);
    pthread_mutex_unlock(&f->lock);
    return err;
}

void log_folders_release(struct log_folders *f, const struct log_partition_id *id,
                         uint32_t group_id)
{
    struct claim_key key = key_of(id, group_id);
    pthread_mutex_lock(&f->lock);
    drop(f, &key);
    pthread_mutex_unlock(&f->lock);
}

static bool is_shared(struct log_folders *f, const struct log_partition_id *id, uint32_t group_id)
{
    struct claim_key key = key_of(id, group_id);
    const struct claim *own = find(f, &key);
    const struct folder *folder;
    HASH_FIND(hh, f->folders, id, sizeof *id, folder);
    return folder != NULL && folder->count > (own == NULL ? 0 : own->count);
}

bool log_folders_is_shared(struct log_folders *f, const struct log_partition_id *id,
                           uint32_t group_id)
{
    pthread_mutex_lock(&f->lock);
    bool is = is_shared(f, id, group_id);
    pthread_mutex_unlock(&f->lock);
    return is;
}

void log_folders_set_writing(struct log_folders *f, const struct log_partition_id *id,
                             uint32_t group_id, bool is_writing)
{
    struct claim_key key = key_of(id, group_id);
    pthread_mutex_lock(&f->lock);
    struct claim *claim = find(f, &key);
    assert(claim != NULL);
    claim->own->writer_count += is_writing;
    claim->own->writer_count -= claim->is_writing;
    claim->is_writing = is_writing;
    pthread_mutex_unlock(&f->lock);
}

bool log_folders_has_writer(struct log_folders *f, const struct log_partition_id *id,
                            uint32_t group_id)
{
    struct claim_key key = key_of(id, group_id);
    const struct folder *folder;
    pthread_mutex_lock(&f->lock);
    const struct claim *own = find(f, &key);
    HASH_FIND(hh, f->folders, id, sizeof *id, folder);
    bool has = folder != NULL && folder->writer_count > (own != NULL && own->is_writing);
    pthread_mutex_unlock(&f->lock);
    return has;
}

void log_folders_doubt(struct log_folders *f, const struct log_partition_id *id)
{
    struct folder *folder;
    pthread_mutex_lock(&f->lock);
    HASH_FIND(hh, f->folders, id, sizeof *id, folder);
    assert(folder != NULL); /* the caller has a claim */
    folder->is_doubted = true;
    pthread_mutex_unlock(&f->lock);
}

bool log_folders_take_doubt(struct log_folders *f, const struct log_partition_id *id)
{
    struct folder *folder;
    pthread_mutex_lock(&f->lock);
    HASH_FIND(hh, f->folders, id, sizeof *id, folder);
    bool is_doubted = folder != NULL && folder->is_doubted;
    if (is_doubted)
        folder->is_doubted = false;
    pthread_mutex_unlock(&f->lock);
    return is_doubted;
}

bool log_folders_begin_removal(struct log_folders *f, const struct log_partition_id *id,
                               uint32_t group_id)
{
    struct claim_key key = removal_of(id);
    pthread_mutex_lock(&f->lock);
    bool may = !is_shared(f, id, group_id) && add(f, &key) == 0;
    pthread_mutex_unlock(&f->lock);
    return may;
}

void log_folders_end_removal(struct log_folders *f, const struct log_partition_id *id)
{
    struct claim_key key = removal_of(id);
    pthread_mutex_lock(&f->lock);
    drop(f, &key);
    pthread_mutex_unlock(&f->lock);
}

bool log_folders_is_being_removed(struct log_folders *f, const struct log_partition_id *id)
{
    struct claim_key key = removal_of(id);
    pthread_mutex_lock(&f->lock);
    bool is = find(f, &key) != NULL;
    pthread_mutex_unlock(&f->lock);
    return is;
}

void log_folders_set_index(struct log_folders *f, uint32_t group_id, uint64_t index)
{
    struct group_index *g;
    pthread_mutex_lock(&f->lock);
    HASH_FIND(hh, f->groups, &group_id, sizeof group_id, g);
    if (g == NULL && (g = calloc(1, sizeof *g)) != NULL) {
        g->group_id = group_id;
        HASH_ADD(hh, f->groups, group_id, sizeof g->group_id, g);
    }
    if (g != NULL)
        g->index = index;
    pthread_mutex_unlock(&f->lock);
}

uint64_t log_folders_index(struct log_folders *f, uint32_t group_id)
{
    struct group_index *g;
    pthread_mutex_lock(&f->lock);
    HASH_FIND(hh, f->groups, &group_id, sizeof group_id, g);
    uint64_t index = g == NULL ? UINT64_MAX : g->index;
    pthread_mutex_unlock(&f->lock);
    return index;
}
