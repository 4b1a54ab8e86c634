/* Any bytes as entries, metadata, checkpoints, identity files and founding messages: a verdict or
 * an error, never a crash, and what is taken comes back the same from a checkpoint.
 *
 * The first byte says as what the rest is taken. Entries: one after the other, each u8 kind,
 * u8 partition number, u16 size and its body. */
#include <stdlib.h>

#include "../cluster/start/founding.h"
#include "../cluster/state/machine_parts.h"
#include "base/crc32c.h"
#include "base/event.h"
#include "fake/fake_disk.h"
#include "fake/fake_work.h"

int LLVMFuzzerInitialize(int *argument_count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argument_count, char ***arguments)
{
    (void)argument_count;
    (void)arguments;
    event_init("fuzz", 0, EVENT_ERROR);
    return 0;
}

static void must(bool is_so)
{
    if (!is_so)
        abort();
}

/* ---- a machine ---- */

struct stage {
    struct fake_disk *disk;
    struct fake_work work;
    struct log_store *store;
    struct metadata *metadata;
    struct machine *machine;
    struct repl_machine callbacks;
};

static void stage_open(struct stage *s)
{
    s->disk = fake_disk_create(1);
    fake_work_init(&s->work);
    must(log_store_open(fake_disk_seam(s->disk), 0, &s->work.seam, &s->work.seam, &s->store,
                        NULL) == 0);
    must(metadata_create(&s->metadata) == 0);
    struct machine_options options = {.metadata = s->metadata};
    must(machine_create(&options, &s->machine) == 0);
    s->callbacks = machine_callbacks(s->machine);
    must(s->callbacks.restore(s->machine, s->store, NULL) == 0);
}

static void stage_close(struct stage *s)
{
    fake_work_run_all(&s->work, NULL);
    machine_destroy(s->machine);
    metadata_destroy(s->metadata);
    log_store_close(s->store);
    fake_disk_destroy(s->disk);
}

/* A release refuses by ending the process what only a later one can apply. */
static bool is_later_level(const struct repl_entry_head *head, struct bytes body)
{
    return head->kind == ENTRY_FEATURE_LEVEL && body.size >= 6 &&
           bytes_get_le32(body.data + 2) > ENTRY_FEATURE_LEVEL_MAX;
}

static void apply_one(struct stage *s, uint64_t index, uint8_t kind, uint8_t number,
                      struct bytes body)
{
    struct repl_entry_head head = {
        .kind = kind, .partition_number = number, .wall_ms = (int64_t)index};
    if (is_later_level(&head, body))
        return;
    struct buffer *owner = buffer_create(body.size + 1);
    must(owner != NULL);
    if (body.size > 0)
        memcpy(owner->data, body.data, body.size);
    struct log_entry entry = {.term = 1 + index / 8, .index = index, .type = LOG_ENTRY_COMMAND};
    entry.body = (struct slice){.owner = owner, .bytes = bytes_of(owner->data, body.size)};
    s->callbacks.apply(s->machine, &entry, &head, NULL);
    buffer_unref(owner);
}

static void apply_all(struct stage *s, struct bytes input)
{
    struct bytes_reader r = bytes_reader_of(input);
    for (uint64_t index = 1; bytes_reader_left(&r) >= 4; index++) {
        uint8_t kind = bytes_read_u8(&r), number = bytes_read_u8(&r);
        size_t size = bytes_read_le16(&r);
        size = size < bytes_reader_left(&r) ? size : bytes_reader_left(&r);
        apply_one(s, index, kind, number, bytes_read(&r, size));
    }
    s->callbacks.on_progress(s->machine);
}

static void restore_own_state(struct stage *s)
{
    uint8_t *bytes;
    size_t size;
    uint32_t level, before = machine_checksum(s->machine);
    must(s->callbacks.encode_state(s->machine, &bytes, &size, &level) == 0);
    struct log_store_state state = {.index = 1, .machine = bytes_of(bytes, size)};
    must(s->callbacks.restore(s->machine, s->store, &state) == 0);
    must(machine_checksum(s->machine) == before);
    free(bytes);
}

static void fuzz_entries(struct bytes input)
{
    struct stage s;
    stage_open(&s);
    apply_all(&s, input);
    restore_own_state(&s);
    stage_close(&s);
}

static void fuzz_restore(struct bytes input)
{
    struct stage s;
    struct log_store_state state = {.index = 1, .machine = input};
    struct log_partition_id id = {.partition = 1};
    struct log_partition_settings settings = {1 << 20, 1000, 4096, 10};
    struct log_partition *p;
    stage_open(&s);
    must(log_store_partition_add(s.store, 1, &id, &settings, 0, &p) == 0);
    if (s.callbacks.restore(s.machine, s.store, &state) == 0)
        restore_own_state(&s);
    stage_close(&s);
}

/* ---- the rest ---- */

static void fuzz_metadata(struct bytes input)
{
    struct metadata *m;
    struct metadata_result result;
    uint8_t *bytes, *again;
    size_t size, again_size;
    must(metadata_create(&m) == 0);
    if (metadata_decode(m, input) == 0) {
        struct metadata_change change = {
            .kind = METADATA_TOPIC_CREATE, .name = "fresh", .id = {250}, .partition_count = 5};
        must(metadata_change_encode(&change, &bytes, &size) == 0);
        metadata_apply(m, 1, 1, bytes_of(bytes, size), &result);
        free(bytes);
        must(metadata_encode(m, &bytes, &size) == 0);
        must(metadata_decode(m, bytes_of(bytes, size)) == 0);
        must(metadata_encode(m, &again, &again_size) == 0);
        must(bytes_is_equal(bytes_of(bytes, size), bytes_of(again, again_size)));
        free(bytes);
        free(again);
    }
    metadata_destroy(m);
}

static void put_file(const struct disk *disk, const char *path, struct bytes bytes)
{
    struct disk_file *file;
    must(disk_open(disk, path, DISK_WRITE | DISK_CREATE, &file) == 0);
    must(disk_write_bytes_at(disk, file, 0, bytes) == 0);
    disk_close(disk, file);
}

/* As it stands, and with its checksum made right. */
static void fuzz_identity(struct bytes input)
{
    uint8_t mended[8192];
    struct random random;
    struct identity identity;
    if (input.size < 12 || input.size > sizeof mended)
        return;
    memcpy(mended, input.data, input.size);
    bytes_put_le32(mended + input.size - 4, crc32c(0, bytes_of(mended, input.size - 4)));
    random_init(&random, 1);
    for (int i = 0; i < 2; i++) {
        struct fake_disk *disk = fake_disk_create(1);
        put_file(fake_disk_seam(disk), "node", bytes_of(i == 0 ? input.data : mended, input.size));
        identity_open(fake_disk_seam(disk), fake_disk_seam(disk), "tests", 1, &random, &identity,
                      NULL);
        fake_disk_destroy(disk);
    }
}

static void fuzz_founding(struct bytes input)
{
    static const struct identity_founder founders[3] = {
        {.node_id = 1}, {.node_id = 2}, {.node_id = 3}};
    struct identity identity = {.node_id = 1, .incarnation = 5, .state = IDENTITY_NEW};
    uint64_t cluster_id[2] = {0x1111, 0x2222};
    struct founding f;
    founding_init(&f, &identity, 4, founders, 3);
    founding_on_hello(&f, 2, 6, cluster_id);
    founding_on_message(&f, 2, input);
    if (founding_advance(&f) == FOUNDING_PERSIST)
        must(identity.state == IDENTITY_FOUNDED && identity.is_rebuilt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const targets[])(struct bytes) = {fuzz_entries, fuzz_restore, fuzz_metadata,
                                                    fuzz_identity, fuzz_founding};
    if (size > 0)
        targets[data[0] % 5](bytes_of(data + 1, size - 1));
    return 0;
}
