/* Records that no site takes, on disk until one does. Private to libtrilog.
 *
 * A spool is a bounded set of records in a folder of its own. Each has an ORDER, which its owner
 * gives: rising with each send, never twice. A record is PENDING from spool_append() to
 * spool_done(); it is WAITING while its owner does not have it in hand. Not safe for threads: its
 * owner locks. It blocks for the disk. Format: docs/spool_format.md. */
#ifndef CLIENT_SPOOL_H
#define CLIENT_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/disk.h"
#include "base/err.h"

struct spool; /* opaque */

struct spool_options {
    const struct disk *disk;   /* borrowed as long as the spool is open */
    const char *folder;        /* its own, made if missing, in one that is there; borrowed */
    uint64_t bytes_max;        /* of all its files */
    uint64_t file_bytes_max;   /* from here on the next file; a larger record has one of its own */
    uint32_t record_count_max; /* pending: each costs some 120 bytes of memory */
    uint64_t seed;             /* any number; different each time the spool is opened */
};

/* What spool_open() found. */
struct spool_report {
    uint64_t record_count;  /* pending */
    uint64_t cut_bytes;     /* at the end of the last file: torn by a crash, or damaged there */
    uint64_t damaged_bytes; /* elsewhere: their checksum fails, and what they held is lost */
    uint64_t missing_count; /* entries (records, or marks that one is done) known to be lost */
};

/* Opens what the folder has; all records found are waiting, in order. Returned owned:
 * spool_close(). Errors: the disk's; ERR_INVALID for bounds that can't be. */
int spool_open(struct spool **opened, const struct spool_options *options,
               struct spool_report *report, struct err_note *note);

/* Gives memory and files back; records stay on disk. NULL is allowed. */
void spool_close(struct spool *s);

/* Stores a record. With `is_durable`, it is there after a power cut once this returned 0; else it
 * survives the end of the process only, until spool_sync() or a later durable one has returned 0.
 *   order     its owner's, new
 *   key_hash  of topic and key: records with the same stay behind each other
 * ERR_FULL: the bound is reached. ERR_EXISTS: the order is pending. Else the disk's error
 * (UV_ENOSPC and others). After any error the record is not pending; after a disk's error it may
 * nevertheless be found by a later spool_open(), as a record of which the owner knows nothing. */
int spool_append(struct spool *s, uint64_t order, uint64_t key_hash, struct bytes content,
                 bool is_waiting, bool is_durable);

/* All that is pending is durable, or an error: once the disk has failed to make something durable,
 * as long as that is pending. */
int spool_sync(struct spool *s);

/* The record needs no place any more. It is not pending after this, whatever is returned; on an
 * error, or a power cut soon after, a later spool_open() may find it once more. ERR_NOT_FOUND. */
int spool_done(struct spool *s, uint64_t order);

/* The waiting record that is next in order; false when none waits. */
bool spool_peek(struct spool *s, uint64_t *order, uint64_t *key_hash);

/* Takes that one into the owner's hand: it waits no more. *content is returned owned (free), its
 * bytes are those that were stored. ERR_NOT_FOUND: none waits. ERR_CORRUPT: what is stored fails
 * its checksum; the record is lost and no longer pending. Another error: it still waits. */
int spool_take(struct spool *s, uint64_t *order, uint8_t **content, size_t *size);

/* A pending record as it is stored, without taking it. As spool_take(), but nothing changes. */
int spool_read(struct spool *s, uint64_t order, uint8_t **content, size_t *size);

/* Back from the owner's hand: it waits again, at its place in order. ERR_NOT_FOUND. */
int spool_give_back(struct spool *s, uint64_t order);

bool spool_has(const struct spool *s, uint64_t order);
/* Is a record with this hash pending; does one wait? */
bool spool_has_key(const struct spool *s, uint64_t key_hash);
bool spool_key_waits(const struct spool *s, uint64_t key_hash);

uint64_t spool_record_count(const struct spool *s); /* pending */
uint64_t spool_bytes(const struct spool *s);        /* of its files, done records included */
uint64_t spool_order_next(const struct spool *s);   /* above all that it has seen */

#endif
