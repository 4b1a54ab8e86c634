/* The identity file and its copy.
 *
 * Little-endian: "TRILOGID", u16 version, u16 state, u32 node id, u64 incarnation,
 * 16 cluster id, u8 is rebuilt, u8 has a WAL, u16 WALs set aside, u32 groups per node, u16 name
 * size and the cluster's name, u16 founders, per founder u32 node id, u64 incarnation, u16 size and
 * site, u16 raft groups opened; at the end the CRC-32C of all before. Version 1 had no copy, and
 * one byte of zero in place of the WAL's three; up to version 2 all groups were of the founding. */
#include "start/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/event.h"
#include "start/small_file.h"
#include "state/byte_list.h"

#define FILE_NAME     "node"
#define COPY_NAME     "node.copy"
#define FILE_SIZE_MAX 8192
#define FILE_VERSION  3

static void encode(const struct identity *identity, struct byte_list *list)
{
    byte_list_put(list, "TRILOGID", 8);
    byte_list_put_u16(list, FILE_VERSION);
    byte_list_put_u16(list, (uint16_t)identity->state);
    byte_list_put_u32(list, identity->node_id);
    byte_list_put_u64(list, identity->incarnation);
    byte_list_put_u64(list, identity->cluster_id[0]);
    byte_list_put_u64(list, identity->cluster_id[1]);
    byte_list_put_u8(list, identity->is_rebuilt);
    byte_list_put_u8(list, identity->has_wal);
    byte_list_put_u16(list, identity->set_aside_count);
    byte_list_put_u32(list, identity->groups_per_node);
    byte_list_put_text(list, identity->cluster_name);
    byte_list_put_u16(list, (uint16_t)identity->founder_count);
    for (unsigned i = 0; i < identity->founder_count; i++) {
        byte_list_put_u32(list, identity->founders[i].node_id);
        byte_list_put_u64(list, identity->founders[i].incarnation);
        byte_list_put_text(list, identity->founders[i].site);
    }
    byte_list_put_u16(list, identity->group_count);
    byte_list_put_u32(list, list->is_failed ? 0 : crc32c(0, bytes_of(list->data, list->size)));
}

static int copy_text(struct bytes text, char *into, size_t size)
{
    if (text.size >= size)
        return ERR_CORRUPT;
    memcpy(into, text.data, text.size);
    into[text.size] = '\0';
    return 0;
}

static int decode_founders(struct bytes_reader *r, struct identity *identity)
{
    identity->founder_count = bytes_read_le16(r);
    if (r->is_bad || identity->founder_count > IDENTITY_FOUNDERS_MAX)
        return ERR_CORRUPT;
    for (unsigned i = 0; i < identity->founder_count; i++) {
        struct identity_founder *founder = &identity->founders[i];
        founder->node_id = bytes_read_le32(r);
        founder->incarnation = bytes_read_le64(r);
        struct bytes site = byte_list_read_text(r);
        if (r->is_bad || copy_text(site, founder->site, sizeof founder->site) != 0)
            return ERR_CORRUPT;
    }
    return 0;
}

static int decode(struct bytes file, struct identity *identity)
{
    if (file.size < 12 || memcmp(file.data, "TRILOGID", 8) != 0 ||
        crc32c(0, bytes_of(file.data, file.size - 4)) != bytes_get_le32(file.data + file.size - 4))
        return ERR_CORRUPT;
    struct bytes_reader r = bytes_reader_of(bytes_of(file.data + 8, file.size - 12));
    uint16_t version = bytes_read_le16(&r);
    if (version < 1 || version > FILE_VERSION)
        return ERR_VERSION;
    memset(identity, 0, sizeof *identity);
    identity->state = bytes_read_le16(&r);
    identity->node_id = bytes_read_le32(&r);
    identity->incarnation = bytes_read_le64(&r);
    identity->cluster_id[0] = bytes_read_le64(&r);
    identity->cluster_id[1] = bytes_read_le64(&r);
    identity->is_rebuilt = bytes_read_u8(&r) != 0;
    identity->has_wal = bytes_read_u8(&r) != 0;
    identity->set_aside_count = version == 1 ? 0 : bytes_read_le16(&r);
    identity->groups_per_node = bytes_read_le32(&r);
    struct bytes name = byte_list_read_text(&r);
    if (r.is_bad || identity->state < IDENTITY_NEW || identity->state > IDENTITY_LOST)
        return ERR_CORRUPT;
    int err = copy_text(name, identity->cluster_name, sizeof identity->cluster_name);
    if (err == 0)
        err = decode_founders(&r, identity);
    identity->group_count = version < 3 ? 0 : bytes_read_le16(&r);
    if (err == 0 && (r.is_bad || bytes_reader_left(&r) != 0))
        err = ERR_CORRUPT;
    return err;
}

/* The copy first: it may then say what does not count yet, and nobody has acted on, but never what
 * counts no more. */
int identity_write(const struct disk *disk, const struct identity *identity)
{
    struct byte_list list = {0};
    encode(identity, &list);
    if (list.is_failed)
        return UV_ENOMEM;
    int err = small_file_write(disk, COPY_NAME, bytes_of(list.data, list.size));
    if (err == 0)
        err = small_file_write(disk, FILE_NAME, bytes_of(list.data, list.size));
    free(list.data);
    return err;
}

static int read_file(const struct disk *disk, const char *name, struct identity *identity)
{
    uint8_t bytes[FILE_SIZE_MAX];
    struct disk_file *file;
    int err = disk_open(disk, name, DISK_READ, &file);
    if (err != 0)
        return err;
    int64_t size = disk_read_at(disk, file, 0, bytes, sizeof bytes);
    disk_close(disk, file);
    return size < 0 ? (int)size : decode(bytes_of(bytes, (size_t)size), identity);
}

static int check(const struct identity *identity, const char *cluster_name, uint32_t node_id,
                 struct err_note *note)
{
    if (strcmp(identity->cluster_name, cluster_name) != 0)
        return err_set(note, ERR_OTHER_CLUSTER,
                       "the data folder belongs to cluster \"%s\", the configuration says \"%s\"",
                       identity->cluster_name, cluster_name);
    if (identity->node_id != node_id)
        return err_set(note, ERR_OTHER_NODE,
                       "the data folder belongs to node %u, the configuration says %u",
                       identity->node_id, node_id);
    return 0;
}

void identity_draw_incarnation(struct identity *identity, struct random *random)
{
    identity->incarnation = 1 + random_below(random, ((uint64_t)1 << 48) - 1);
}

static void note_data(void *data, const char *name, bool is_directory)
{
    bool *has_data = data;
    *has_data |= is_directory && (strcmp(name, "wal") == 0 || strcmp(name, "groups") == 0);
}

struct group_folders {
    bool is_there[UINT16_MAX];
};

static void note_group(void *data, const char *name, bool is_directory)
{
    struct group_folders *folders = data;
    char *end;
    unsigned long group_id = strtoul(name, &end, 10);
    if (is_directory && end != name && *end == '\0' && group_id < UINT16_MAX)
        folders->is_there[group_id] = true;
}

/* How many groups were opened here, when nobody remembers: all have a folder. */
static int count_groups(const struct disk *disk, uint16_t *count)
{
    struct group_folders *folders = calloc(1, sizeof *folders);
    if (folders == NULL)
        return UV_ENOMEM;
    int err = disk_list(disk, "groups", note_group, folders);
    *count = 0;
    while (*count < UINT16_MAX && folders->is_there[*count])
        ++*count;
    free(folders);
    return err == UV_ENOENT ? 0 : err;
}

static int draw(const struct disk *disk, const struct disk *wal_disk, const char *cluster_name,
                uint32_t node_id, struct random *random, struct identity *identity)
{
    bool has_data = false;
    int err = disk_list(disk, "", note_data, &has_data);
    if (err == 0)
        err = disk_list(wal_disk, "", note_data, &has_data);
    if (err != 0)
        return err;
    memset(identity, 0, sizeof *identity);
    bytes_copy_text(identity->cluster_name, sizeof identity->cluster_name, cluster_name);
    identity->node_id = node_id;
    identity->state = has_data ? IDENTITY_LOST : IDENTITY_NEW;
    identity_draw_incarnation(identity, random);
    err = has_data ? count_groups(disk, &identity->group_count) : 0;
    if (err != 0)
        return err;
    if (has_data)
        event_error("identity_lost",
                    "incarnation=%012llx reason=\"the data folder has data, and no"
                    " sound file " FILE_NAME " or " COPY_NAME
                    "\" next=\"its cluster tells it who it"
                    " is; it is rebuilt under a new incarnation\"",
                    (unsigned long long)identity->incarnation);
    return identity_write(disk, identity);
}

static bool is_damage(int err)
{
    return err == ERR_CORRUPT || err == UV_ENOENT;
}

/* What is damaged is kept for who wants to look; its place is free again. */
static void keep_damaged(const struct disk *disk, const char *name, const char *as)
{
    int err = disk_rename(disk, name, as);
    event_error("identity_damaged", "file=%s position=0 kept_as=%s reason=\"%s\"", name,
                err == 0 ? as : "", err_text(ERR_CORRUPT));
}

/* The file, or its copy. UV_ENOENT when there is neither, or both are damaged. */
static int read_either(const struct disk *disk, struct identity *identity)
{
    int err = read_file(disk, FILE_NAME, identity);
    if (!is_damage(err))
        return err;
    if (err == ERR_CORRUPT)
        keep_damaged(disk, FILE_NAME, FILE_NAME ".damaged");
    int copy_err = read_file(disk, COPY_NAME, identity);
    if (copy_err == ERR_CORRUPT)
        keep_damaged(disk, COPY_NAME, COPY_NAME ".damaged");
    if (copy_err != 0)
        return is_damage(copy_err) ? UV_ENOENT : copy_err;
    event_warn("identity_restored", "file=%s from=%s", FILE_NAME, COPY_NAME);
    return identity_write(disk, identity);
}

int identity_open(const struct disk *disk, const struct disk *wal_disk, const char *cluster_name,
                  uint32_t node_id, struct random *random, struct identity *identity,
                  struct err_note *note)
{
    int err = read_either(disk, identity);
    if (err == UV_ENOENT)
        err = draw(disk, wal_disk, cluster_name, node_id, random, identity);
    if (err != 0)
        return err_set(note, err, "file \"" FILE_NAME "\": %s", err_text(err));
    return check(identity, cluster_name, node_id, note);
}

void identity_cluster_id(const struct identity *identity, uint64_t cluster_id[2])
{
    struct byte_list list = {0};
    byte_list_put_text(&list, identity->cluster_name);
    for (unsigned i = 0; i < identity->founder_count; i++) {
        byte_list_put_u32(&list, identity->founders[i].node_id);
        byte_list_put_u64(&list, identity->founders[i].incarnation);
    }
    struct random mix; /* spreads the incarnations' 48 random bits over the id */
    random_init(&mix, crc32c(0, bytes_of(list.data, list.size)));
    cluster_id[0] = random_u64(&mix);
    cluster_id[1] = random_u64(&mix);
    for (unsigned i = 0; i < identity->founder_count; i++) {
        cluster_id[0] ^= identity->founders[i].incarnation * 0x9e3779b97f4a7c15u;
        cluster_id[1] = (cluster_id[1] << 7 | cluster_id[1] >> 57) ^ cluster_id[0];
    }
    cluster_id[0] |= 1; /* zeros mean: not founded */
    free(list.data);
}
