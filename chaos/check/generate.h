/* Makes histories of a log that keeps its promises, under faults, for tests and measurements. */
#ifndef CHECK_GENERATE_H
#define CHECK_GENERATE_H

#include <stdint.h>
#include <stdio.h>

#define GENERATE_SITES      3
#define GENERATE_FILES      (GENERATE_SITES + 2) /* a load per site, the final reads, the drill */
#define GENERATE_GROUPS_MAX 8

struct generate_options {
    uint64_t seed;
    uint64_t sends;      /* about so many */
    unsigned partitions; /* 1 … 1000, and one of a topic that is deleted */
    unsigned producers;  /* 1 … 100; each third is not idempotent */
    unsigned groups;     /* 0 … GENERATE_GROUPS_MAX, three members each */
};

/* The name of file i. */
const char *generate_file_name(unsigned i);
/* Writes a history into `files`; the same options give the same bytes. */
void generate(const struct generate_options *options, FILE *const files[GENERATE_FILES]);

#endif
