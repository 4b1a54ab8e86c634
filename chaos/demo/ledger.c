/* The demo's checker.
 *
 * A record is known by its number, which it carries as its key. The sender writes down what
 * each acknowledgement said: which partition, which offset. The reader then brings the records
 * as the partitions hand them out, and each is held against that and against the file.
 *
 *   lost        acknowledged, but not there
 *   duplicated  there more than once
 *   reordered   older than a record before it in its partition (one sender, in number order)
 *   different   other bytes than the line, a key that was never sent, or another partition or
 *               offset than its acknowledgement named
 *
 * A record that was sent and failed may be there or not: the sender was told the truth. It is
 * counted apart, for in this demo none should fail. Nothing here does I/O, so that a test can
 * show the checker each of these faults. */
#include "ledger.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OFFSET_NONE UINT32_MAX /* not acknowledged, or without an offset */

enum { ACKNOWLEDGED = 0x80, READ = 0x40, PARTITION_MASK = 0x3f };
_Static_assert(LEDGER_PARTITIONS_MAX == PARTITION_MASK + 1, "a partition fits beside the flags");

struct ledger_entry {
    uint32_t offset; /* acknowledged at; the topic is new, so 32 bits hold it */
    uint8_t state;   /* flags and the partition acknowledged in */
} __attribute__((packed));

_Static_assert(sizeof(struct ledger_entry) == 5, "millions of these are kept");

__attribute__((format(printf, 2, 3))) static void note(struct ledger *ledger, const char *format,
                                                       ...)
{
    if (ledger->note_count == LEDGER_NOTES_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ledger->notes[ledger->note_count++], LEDGER_NOTE_BYTES, format, arguments);
    va_end(arguments);
}

int ledger_init(struct ledger *ledger, const struct text *text, uint64_t record_count,
                int32_t partition_count)
{
    assert(partition_count > 0 && partition_count <= LEDGER_PARTITIONS_MAX);
    assert(record_count > 0 && record_count < OFFSET_NONE);
    memset(ledger, 0, sizeof *ledger);
    ledger->entries = calloc(record_count, sizeof *ledger->entries);
    if (ledger->entries == NULL)
        return -1;
    for (uint64_t i = 0; i < record_count; i++)
        ledger->entries[i].offset = OFFSET_NONE;
    ledger->text = text;
    ledger->record_count = record_count;
    ledger->partition_count = partition_count;
    return 0;
}

void ledger_close(struct ledger *ledger)
{
    free(ledger->entries);
    memset(ledger, 0, sizeof *ledger);
}

static void differ(struct ledger *ledger, uint64_t number, const struct ledger_read *read,
                   const char *how)
{
    ledger->different_count++;
    note(ledger, "partition %" PRId32 " offset %" PRId64 ": record %" PRIu64 " %s", read->partition,
         read->offset, number, how);
}

void ledger_on_acknowledged(struct ledger *ledger, uint64_t number, int32_t partition,
                            int64_t offset)
{
    assert(number > 0 && number <= ledger->record_count);
    struct ledger_entry *entry = &ledger->entries[number - 1];
    struct ledger_read place = {.partition = partition, .offset = offset};
    if ((entry->state & ACKNOWLEDGED) != 0) {
        differ(ledger, number, &place, "was acknowledged twice");
        return;
    }
    ledger->acknowledged_count++;
    if (partition < 0 || partition >= ledger->partition_count || offset >= OFFSET_NONE) {
        differ(ledger, number, &place, "was acknowledged at a place that cannot be");
        partition = 0;
        offset = LEDGER_OFFSET_UNKNOWN;
    }
    entry->state = (uint8_t)(ACKNOWLEDGED | partition);
    entry->offset = offset < 0 ? OFFSET_NONE : (uint32_t)offset;
}

void ledger_on_failed(struct ledger *ledger, uint64_t number, const char *why)
{
    assert(number > 0 && number <= ledger->record_count);
    ledger->failed_count++;
    note(ledger, "record %" PRIu64 " was not acknowledged: %s", number, why);
}

void ledger_seal(struct ledger *ledger, uint64_t sent_count)
{
    assert(sent_count <= ledger->record_count);
    ledger->record_count = sent_count;
}

/* The number in a record's key; 0 when it is none that was sent. */
static uint64_t number_of(const struct ledger *ledger, struct line key)
{
    uint64_t number = 0;
    if (key.data == NULL || key.size == 0 || key.size > 10 || key.data[0] == '0')
        return 0;
    for (size_t i = 0; i < key.size; i++) {
        if (key.data[i] < '0' || key.data[i] > '9')
            return 0;
        number = number * 10 + (uint64_t)(key.data[i] - '0');
    }
    return number <= ledger->record_count ? number : 0;
}

static bool is_same(struct line a, struct line b)
{
    return b.data != NULL && a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static void check_content(struct ledger *ledger, uint64_t number, const struct ledger_read *read)
{
    const struct ledger_entry *entry = &ledger->entries[number - 1];
    bool is_acknowledged = (entry->state & ACKNOWLEDGED) != 0;
    if (!is_same(text_line(ledger->text, number), read->value))
        differ(ledger, number, read, "is not what its line says");
    else if (is_acknowledged && (entry->state & PARTITION_MASK) != read->partition)
        differ(ledger, number, read, "was acknowledged in another partition");
    else if (is_acknowledged && entry->offset != OFFSET_NONE && entry->offset != read->offset)
        differ(ledger, number, read, "was acknowledged at another offset");
}

static void check_order(struct ledger *ledger, uint64_t number, const struct ledger_read *read)
{
    uint64_t *last = &ledger->last_number[read->partition];
    int64_t *next_offset = &ledger->next_offset[read->partition];
    if (number < *last || read->offset < *next_offset) {
        ledger->reordered_count++;
        note(ledger, "partition %" PRId32 " offset %" PRId64 ": record %" PRIu64 " after %" PRIu64,
             read->partition, read->offset, number, *last);
    }
    if (number > *last)
        *last = number;
    if (read->offset >= *next_offset)
        *next_offset = read->offset + 1;
}

void ledger_on_read(struct ledger *ledger, const struct ledger_read *read)
{
    ledger->read_count++;
    uint64_t number = number_of(ledger, read->key);
    if (number == 0 || read->partition < 0 || read->partition >= ledger->partition_count) {
        differ(ledger, number, read, "was never sent");
        return;
    }
    struct ledger_entry *entry = &ledger->entries[number - 1];
    if ((entry->state & READ) != 0) {
        ledger->duplicated_count++;
        note(ledger, "partition %" PRId32 " offset %" PRId64 ": record %" PRIu64 " once more",
             read->partition, read->offset, number);
        return;
    }
    check_content(ledger, number, read);
    check_order(ledger, number, read);
    entry->state |= READ;
}

static bool is_lost(const struct ledger_entry *entry)
{
    return (entry->state & (ACKNOWLEDGED | READ)) == ACKNOWLEDGED;
}

uint64_t ledger_lost_count(const struct ledger *ledger)
{
    uint64_t lost_count = 0;
    for (uint64_t i = 0; i < ledger->record_count; i++)
        lost_count += is_lost(&ledger->entries[i]);
    return lost_count;
}

void ledger_note_lost(struct ledger *ledger)
{
    for (uint64_t i = 0; i < ledger->record_count; i++) {
        const struct ledger_entry *entry = &ledger->entries[i];
        if (is_lost(entry))
            note(ledger, "partition %d offset %" PRIu32 ": record %" PRIu64 " is lost",
                 entry->state & PARTITION_MASK, entry->offset, i + 1);
    }
}

bool ledger_is_clean(const struct ledger *ledger)
{
    return ledger->acknowledged_count == ledger->record_count && ledger->failed_count == 0 &&
           ledger->duplicated_count == 0 && ledger->reordered_count == 0 &&
           ledger->different_count == 0 && ledger_lost_count(ledger) == 0;
}
