/* Where histories come from: files, folders of *.jsonl, memory. */
#ifndef CHECK_SOURCE_H
#define CHECK_SOURCE_H

#include "history.h"

/* What went wrong, for a person; with file and line where it has one. */
struct failure {
    char text[400];
};

/* Takes in a file, or all *.jsonl below a folder. Returns 0, or -1 and the failure. */
int source_take(struct history *h, const char *path, struct failure *failure);
/* The same of bytes, called `path`. */
int source_take_bytes(struct history *h, const char *path, const char *bytes, size_t size,
                      struct failure *failure);

#endif
