/* What the files that take lines in share. */
#ifndef CHECK_HISTORY_PARTS_H
#define CHECK_HISTORY_PARTS_H

#include "history.h"

/* The fields that most lines name, resolved. */
struct subject {
    int64_t at;
    uint32_t process;   /* index */
    uint32_t topic;     /* index, NONE */
    uint32_t partition; /* index, NONE */
    uint32_t group;     /* name, NONE */
    int64_t offset;     /* -1 where the line has none */
};

/* What a line says of a record's bytes. */
struct bytes_told {
    uint32_t crc, size, key;
};

/* Those that can fail return 0, or -1 and in `why` what is wrong with the line. */
int line_refuse(const char **why, const char *text);
int64_t line_number_or(const struct line *line, enum line_field field, int64_t otherwise);
uint32_t line_name(struct history *h, const struct line *line, enum line_field field);
int line_bytes_told(const struct line *line, struct bytes_told *told, const char **why);

/* history_operations.c */
int take_send(struct history *h, const struct line *line, const struct subject *s,
              const char **why);
int take_operation(struct history *h, const struct line *line, const struct subject *s,
                   enum operation_kind kind, const char **why);

/* history_readers.c */
int take_read(struct history *h, const struct line *line, const struct subject *s,
              const char **why);
int take_read_end(struct history *h, const struct line *line, const struct subject *s,
                  const char **why);
int take_assign(struct history *h, const struct line *line, const struct subject *s,
                const char **why);
/* Revoked: offset -1. Or the process moved to there itself. */
int take_move(struct history *h, const struct line *line, const struct subject *s, int64_t offset,
              const char **why);

#endif
