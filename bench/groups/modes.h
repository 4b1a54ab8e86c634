/* The modes of group_load. Each prints one line of key=value pairs when it is done. */
#ifndef BENCH_GROUPS_MODES_H
#define BENCH_GROUPS_MODES_H

struct options {
    const char *mode, *brokers, *topic;
    long groups;      /* `commit`: with one member each */
    long members;     /* `leave`: of one group */
    long partitions;  /* of the topic */
    long seconds;     /* measured, after 3 s that are not */
    long rate;        /* commits a second; 0: as many as go */
    long interval_ms; /* between two heartbeats of a member */
};

void mode_commit(const struct options *options);
void mode_leave(const struct options *options);

#endif
