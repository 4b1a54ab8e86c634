/* What was sent, what was acknowledged, what came back: the demo's checker. */
#ifndef DEMO_LEDGER_H
#define DEMO_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

#define LEDGER_PARTITIONS_MAX 64
#define LEDGER_NOTES_MAX      8
#define LEDGER_NOTE_BYTES     160
/* An acknowledgement that carries no offset: the broker knew the batch from an earlier try. */
#define LEDGER_OFFSET_UNKNOWN (-1)

struct ledger_entry; /* private: what is known of one record, 5 bytes */

struct ledger_read { /* one record as the consumer hands it over; all borrowed */
    int32_t partition;
    int64_t offset;
    struct line key;   /* data NULL where the record has none */
    struct line value; /* as above */
};

struct ledger {
    const struct text *text;      /* borrowed: what each record should hold */
    uint64_t record_count;        /* sent or to be sent at most; numbered from 1 */
    struct ledger_entry *entries; /* one a record */
    int32_t partition_count;
    uint64_t last_number[LEDGER_PARTITIONS_MAX]; /* newest record read, 0 for none */
    int64_t next_offset[LEDGER_PARTITIONS_MAX];  /* lowest offset that may come next */

    uint64_t acknowledged_count; /* records with a success answered to the sender */
    uint64_t failed_count;       /* records the sender was told have failed */
    uint64_t read_count;         /* records read, whatever they were */
    uint64_t duplicated_count;   /* record numbers read again */
    uint64_t reordered_count;    /* older than one read before it in the partition */
    uint64_t different_count;    /* other bytes, another place, or never sent */

    int note_count;                                  /* used of `notes` */
    char notes[LEDGER_NOTES_MAX][LEDGER_NOTE_BYTES]; /* the first troubles, for a person */
};

/* Makes room for so many records. Returns 0, or -1 when memory is short. */
int ledger_init(struct ledger *ledger, const struct text *text, uint64_t record_count,
                int32_t partition_count);
void ledger_close(struct ledger *ledger);

/* The sender's half: a success answered for the record, or a final failure.
 * Each record gets exactly one of the two; a second success counts as different. */
void ledger_on_acknowledged(struct ledger *ledger, uint64_t number, int32_t partition,
                            int64_t offset);
void ledger_on_failed(struct ledger *ledger, uint64_t number, const char *why);

/* The sender is done: records 1..sent_count exist, and no others. */
void ledger_seal(struct ledger *ledger, uint64_t sent_count);

/* The reader's half: each record in the order in which its partition hands them out. */
void ledger_on_read(struct ledger *ledger, const struct ledger_read *read);

/* Acknowledged and not read (so far). */
uint64_t ledger_lost_count(const struct ledger *ledger);

/* Every record acknowledged, read once, in order, unchanged, where its acknowledgement said. */
bool ledger_is_clean(const struct ledger *ledger);

/* Puts the first records that are lost into the notes. */
void ledger_note_lost(struct ledger *ledger);

#endif
